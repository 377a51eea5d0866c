"""`python -m xteam_infra.plan INVENTORY WHAT`: print what the plan says of the estate."""

import argparse
import sys

from pyinfra.api.exceptions import PyinfraError

from xteam_infra.plan.compose import plans
from xteam_infra.plan.firewall_rules import firewall_rules
from xteam_infra.plan.outbound import outbound
from xteam_infra.reference import ports_page
from xteam_infra.reference.architecture_page import mermaid
from xteam_infra.validate import declared


def main() -> None:
    """Print hosts, firewall openings, ways out, the architecture diagram (Mermaid), or the page of ports and units."""
    parser = argparse.ArgumentParser(prog="python -m xteam_infra.plan", description=main.__doc__)
    parser.add_argument("inventory", help="path of an inventory file, such as inventories/prod.py")
    parser.add_argument("what", choices=("hosts", "openings", "outbound", "diagram", "ports"), help="what to print")
    arguments = parser.parse_args()
    try:
        estate = declared(arguments.inventory)
    except PyinfraError as error:
        sys.exit(str(error))
    if arguments.what == "diagram":
        print(mermaid(estate), end="")
    if arguments.what == "ports":
        print(ports_page.document(estate), end="")
    for machine in estate.machines:
        if arguments.what == "openings":
            for one in firewall_rules(estate, machine):
                who = "anyone" if one.world else ", ".join(one.v4 + one.v6)
                each = f" (each at most {one.most} connections)" if one.most else ""
                print(f"{machine.name:12} {one.port:5} {one.comment:32} {who}{each}")
        if arguments.what == "outbound":
            for way in outbound(estate, machine):
                accounts = ", ".join(way.accounts) or "any account"
                where = ", ".join(way.v4 + way.v6) or "anywhere"
                ports = ", ".join(map(str, way.ports))
                print(f"{machine.name:12} {ports:7} {way.comment:32} {accounts} -> {where}")
        if arguments.what == "hosts":
            plan = plans(estate)[machine.name]
            memory = ", ".join(f"{name} {mb} MiB" for name, mb in sorted(plan.memory_mb.items()))
            print(f"{machine.name:12} {', '.join(machine.groups)}\n    units:  {', '.join(plan.units)}")
            print(f"    memory: {memory or '-'}\n    packages: {', '.join(plan.packages)}")


if __name__ == "__main__":
    main()
