"""`python -m xteam_infra.plan INVENTORY WHAT`: print what the plan says of the estate."""

import argparse
import subprocess
import sys

from xteam_infra.estate import Estate
from xteam_infra.plan.diagram import mermaid
from xteam_infra.plan.openings import openings


def main() -> None:
    """Print the hosts' plan, their firewall openings, or the architecture diagram (Mermaid)."""
    parser = argparse.ArgumentParser(prog="python -m xteam_infra.plan", description=main.__doc__)
    parser.add_argument("inventory", help="path of an inventory file, such as inventories/prod.py")
    parser.add_argument("what", choices=("hosts", "openings", "diagram"), help="what to print")
    arguments = parser.parse_args()
    estate = _estate(arguments.inventory)
    if arguments.what == "diagram":
        print(mermaid(estate), end="")
    for machine in estate.machines:
        if arguments.what == "openings":
            for one in openings(estate, machine):
                who = "anyone" if one.world else ", ".join(one.v4 + one.v6)
                print(f"{machine.name:12} {one.port:5} {one.comment:32} {who}")
        if arguments.what == "hosts":
            plan = estate.plans[machine.name]
            memory = ", ".join(f"{name} {mb} MiB" for name, mb in sorted(plan.memory_mb.items()))
            print(f"{machine.name:12} {', '.join(machine.groups)}\n    units:  {', '.join(plan.units)}")
            print(f"    memory: {memory or '-'}\n    packages: {', '.join(plan.packages)}")


def _estate(inventory: str) -> Estate:
    command = [sys.executable, "-m", "xteam_infra.estate", inventory]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr.strip())
    return Estate.model_validate_json(done.stdout)


if __name__ == "__main__":
    main()
