"""`python -m xteam_infra.kubernetes INVENTORY --image NAME@sha256:DIGEST`: the application's manifests."""

import argparse
import sys
from dataclasses import fields
from pathlib import Path

import yaml
from pyinfra.api.exceptions import PyinfraError

from xteam_infra.kubernetes import KubernetesError, Options, Target, manifests
from xteam_infra.kubernetes.environment import SECRET, Object, keys_of, validate_environment
from xteam_infra.kubernetes.pods import CERTIFICATE
from xteam_infra.validate import declared

HEAD = "# Rendered by python -m xteam_infra.kubernetes; changes belong into the settings.\n"
DEFAULTS = {field.name: field.default for field in fields(Options)}


class Dumper(yaml.SafeDumper):
    """Texts of several lines stay readable, and what occurs twice is written twice."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Dumper.add_representer(str, _text)


def dump(found: Object) -> str:
    """One object as YAML."""
    return yaml.dump(found, Dumper=Dumper, sort_keys=False, width=120)


def parser() -> argparse.ArgumentParser:
    """The arguments; those that are no option of Options are the inventory and --output."""
    found = argparse.ArgumentParser(
        prog="python -m xteam_infra.kubernetes",
        description="Render the application for Kubernetes from an estate's settings. docs/operations/kubernetes.md",
    )
    say = found.add_argument
    say("inventory", help="path of an inventory file, such as inventories/prod.py")
    say("--image", default="", metavar="NAME@sha256:DIGEST", help="the application's image, by its digest (needed)")
    say("--namespace", help="default: %(default)s")
    say("--output", type=Path, metavar="DIR", help="write a file for each object there, instead of all of them here")
    say("--tls-secret", metavar="NAME", help="Secret with the public certificate (default: %(default)s)")
    say("--ingress-class", metavar="NAME", help="default: %(default)s")
    say("--ingress-namespace", metavar="NAME", help="where the ingress controller runs (default: %(default)s)")
    say("--ingress-network", metavar="CIDR", help="its pods' addresses, whose X-Forwarded-For counts (%(default)s)")
    say("--max-replicas", type=int, metavar="N", help="of API pods (default: those PostgreSQL has connections for)")
    say("--storage", metavar="SIZE", help="for uploads and workspaces (default: %(default)s)")
    say("--storage-class", metavar="NAME", help="of a storage that many pods may write to (default: the cluster's own)")
    say("--secret-store", metavar="NAME", help="ClusterSecretStore of external-secrets to take the secrets from")
    say(
        "--beside-hosts",
        action="store_true",
        help="the inventory's app and worker hosts go on: count their connections",
    )
    found.set_defaults(**{name: DEFAULTS[name] for name in DEFAULTS if name != "image"})
    return found


def write(found: list[Object], directory: Path) -> None:
    """A file for each object, and none of an earlier rendering."""
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.glob("*.yml"):
        if old.read_text().startswith(HEAD):
            old.unlink()
    for number, one in enumerate(found):
        name = f"{number:02}-{one['kind'].lower()}-{one['metadata']['name']}.yml"
        (directory / name).write_text(HEAD + dump(one))


def main() -> None:
    """Print or write the manifests; say on standard error what the cluster must have."""
    arguments = vars(parser().parse_args())
    inventory, output = arguments.pop("inventory"), arguments.pop("output")
    try:
        target = Target(declared(inventory), Options(**arguments))
        validate_environment(target)
        found = manifests(target)
    except (KubernetesError, PyinfraError) as error:
        sys.exit(f"no manifests:\n{error}")
    if output:
        write(found, output)
    else:
        print(HEAD + "---\n".join(dump(one) for one in found), end="")
    keys = ", ".join(keys_of(found))
    made = "" if target.options.secret_store else f"\n  Secret {SECRET} with the keys {keys}"
    wanted = f"Secret {target.options.tls_secret} with the public certificate"
    print(
        f"{len(found)} objects. Namespace {target.options.namespace} must have:{made}\n"
        f"  Secret {CERTIFICATE} with tls.crt, tls.key, ca.crt, router-client.pem\n  {wanted}",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
