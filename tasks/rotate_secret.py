"""Change a database password with no failed login: for the time of the change two logins are valid.

    pyinfra INVENTORY tasks/rotate_secret.py --data secret=postgres/app

A second login gets the new password and stands for the role; every client host goes over to it; the role itself gets
the new password; every client host comes back; the second login is taken away. A run that broke off is taken up by the
same command. docs/runbooks/rotate-database-password.md
"""

from pyinfra import local

from xteam_infra.engine.absent import first_here
from xteam_infra.engine.commands import loop
from xteam_infra.engine.operations import barrier, service
from xteam_infra.engine.operations.advice import on_failure
from xteam_infra.engine.runtime import here, open_estate
from xteam_infra.layers.app.password_consumers import api_inputs, environment_of, ways, worker_units
from xteam_infra.layers.postgres.password_rotation import (
    begin,
    close_second_login,
    credentials,
    forget,
    proved_login,
    rolled,
    second_login,
    take_over,
)

estate = open_estate()
rotation = begin(estate)
again = f"pyinfra {estate.inventory} tasks/rotate_secret.py --data secret={rotation.old.name}"
on_failure(f"Nobody is locked out: every login that is in use stays valid. When the fault is mended: {again}")
members = estate.members("postgres")
environment = environment_of(estate, rotation.role)
clients = tuple(m for m in estate.machines if {"app", "worker"} & set(m.groups)) if environment else ()


def everybody_uses(login: str, said: str) -> None:
    """One client host after the other starts its processes anew, with `login` and the new password."""
    for peer in loop(clients):
        if peer == here():
            credentials(environment, login, rotation.new, name=f"Give {peer.name} {said}")
            if inputs := api_inputs(estate, here(), environment):
                rolled(inputs, name=f"Roll the API of {peer.name} with {said}")
            for unit in loop(worker_units(estate, here(), environment)):
                service(
                    unit.name, unit.inputs, health=unit.health, health_seconds=90, name=f"Restart {unit.name}, {said}"
                )
        barrier(name=f"{peer.name} uses {said}")


if here() in members:
    second_login(rotation, name="Open a second login with the new password")
barrier(name="two logins are valid")
if here() in clients:
    proved_login(rotation, ways(estate, rotation.role), name="Prove the second login on every client host")
barrier(name="the second login works everywhere")

everybody_uses(rotation.second, "the second login")

if here() in members:
    take_over(rotation, name="Give the role the new password and end what runs under the old one")
barrier(name="the old password is revoked")

everybody_uses(rotation.role, "the new password")

if here() in members:
    close_second_login(rotation, name="Take the second login away")
barrier(name="one login is valid")
if here() == first_here(members):
    forget(rotation, name="Close the change in the secrets store")

# The API has rolled: as after every other change of it, users must get through.
if clients:
    local.include("deploys/smoke.py")
