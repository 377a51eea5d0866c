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
from xteam_infra.engine.operations.failure_hint import hint_on_failure
from xteam_infra.engine.runtime import here, open_estate
from xteam_infra.layers.app.password_consumers import api_inputs, environment_of, ways, worker_units
from xteam_infra.layers.postgres.password_rotation import (
    begin,
    close_second_login,
    credentials,
    forget,
    proved_login,
    second_login,
    switch_to_present_files,
    take_over,
)

estate = open_estate()
rotation = begin(estate)
again = f"pyinfra {estate.inventory} tasks/rotate_secret.py --data secret={rotation.old.name}"
hint_on_failure(f"Nobody is locked out: every login that is in use stays valid. When the fault is mended: {again}")
members = estate.members("postgres")
environment = environment_of(estate, rotation.role)
clients = tuple(m for m in estate.machines if {"app", "worker"} & set(m.groups)) if environment else ()


def everybody_uses(login: str, said: str) -> None:
    """One client host after the other starts its processes anew, with `login` and the new password."""
    for peer in loop(clients):
        if peer == here():
            credentials(environment, login, rotation.new, name=f"Write {said} into the environment file of {peer.name}")
            if inputs := api_inputs(estate, here(), environment):
                switch_to_present_files(inputs, name=f"Switch the API of {peer.name} to {said} (blue-green)")
            for unit in loop(worker_units(estate, here(), environment)):
                service(
                    unit.name,
                    unit.inputs,
                    health=unit.health,
                    health_seconds=90,
                    name=f"Restart {unit.name} with {said}",
                )
        barrier(name=f"rotation: {peer.name} uses {said}")


if here() in members:
    second_login(rotation, name="Make a second login with the new password")
barrier(name="rotation: two logins are valid")
if here() in clients:
    proved_login(rotation, ways(estate, rotation.role), name="Log in with the second login from this client host")
barrier(name="rotation: the second login works from every client host")

everybody_uses(rotation.second, "the second login")

if here() in members:
    take_over(rotation, name="Set the role's new password and end sessions that use the old one")
barrier(name="rotation: the old password is revoked")

everybody_uses(rotation.role, "the new password")

if here() in members:
    close_second_login(rotation, name="Remove the second login")
barrier(name="rotation: one login is valid")
if here() == first_here(members):
    forget(rotation, name="Remove the change's entry from the secrets store")

# The API has rolled: as after every other change of it, users must get through.
if clients:
    local.include("deploys/smoke.py")
