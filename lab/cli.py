"""The command line: `python -m lab up|down|status|ssh|kill|start|cut|heal|reset`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Sequence

from lab import lifecycle, machine, state
from lab.errors import LabError
from lab.shell import say, step
from lab.state import Lab, LabHost
from lab.topology import TOPOLOGIES, check_name, parse_hosts

_ON_HOSTS = {
    "kill": "power loss: SIGKILL to the hosts' init",
    "start": "power on, on the same disk; without HOST: all that are off",
    "cut": "drop all network traffic of the hosts",
    "heal": "let the traffic pass again",
    "reset": "back to bare hosts: everything written since `up` is gone",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 1 refused or failed, 130 interrupted."""
    options = _parser().parse_args(arguments)
    # The root directory of every host is made here: its services must be able to enter it, whatever the caller's umask.
    os.umask(0o022)
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        return int(options.action(options) or 0)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted", file=sys.stderr)
        return 130


def _interrupt(number: int, frame: object) -> None:
    """A polite end (TERM, HUP) takes the same way out as Ctrl-C: everything is taken back."""
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lab",
        description="Real Debian 13 hosts on this machine, for developing and proving the deploys.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--name", help="the lab (default: environment XTEAM_LAB, else `lab`)")

    up = commands.add_parser("up", parents=[shared], help="boot a lab")
    what = up.add_mutually_exclusive_group()
    what.add_argument("--topology", choices=sorted(TOPOLOGIES), default="solo", help="default: %(default)s")
    what.add_argument("--hosts", metavar="TEXT", help='own estate: "db1=postgres,etcd@a backup1=backup@b"')
    up.set_defaults(action=_up)

    down = commands.add_parser("down", parents=[shared], help="remove a lab completely; harmless if there is none")
    down.add_argument("--all", action="store_true", help="all labs of this machine")
    down.set_defaults(action=_down)

    status = commands.add_parser("status", parents=[shared], help="hosts, addresses, state")
    status.add_argument("--json", action="store_true", help="for programs")
    status.set_defaults(action=_status)

    ssh = commands.add_parser("ssh", parents=[shared], help="log in, or run a command on a host")
    ssh.add_argument("host", nargs="?", help="may be left out when the lab has one host")
    ssh.add_argument("command", nargs=argparse.REMAINDER)
    ssh.set_defaults(action=_ssh)

    for name, text in _ON_HOSTS.items():
        command = commands.add_parser(name, parents=[shared], help=text)
        command.add_argument("hosts", nargs="*" if name == "start" else "+", metavar="HOST")
        command.set_defaults(action=_on_hosts, verb=name)
    return parser


def _name(options: argparse.Namespace) -> str:
    name = options.name or state.default_name()
    check_name("lab", name)
    return name


def _lab(options: argparse.Namespace) -> Lab:
    machine.require_root()
    return state.load(_name(options))


def _up(options: argparse.Namespace) -> None:
    name = _name(options)
    specs = parse_hosts(options.hosts or TOPOLOGIES[options.topology])
    started = time.monotonic()
    lab = lifecycle.up(name, "custom" if options.hosts else options.topology, specs)
    say(f"[lab] lab {name} is up: {len(lab.hosts)} hosts, {time.monotonic() - started:.1f} s")
    _print_table(lab)
    argument = "" if name == state.default_name() else f" --name {name}"
    say(f"Look around: python -m lab ssh{argument} {lab.hosts[0].name}     Tear down: python -m lab down{argument}")


def _down(options: argparse.Namespace) -> None:
    machine.require_root()
    names = state.lab_names() if options.all else [_name(options)]
    for name in names:
        if name in state.lab_names():
            with step(f"take down lab {name}"):
                lifecycle.down(name)
        else:
            lifecycle.down(name)  # puts back kernel settings a crash may have left
            say(f"[lab] no lab {name}: nothing to do")
    if not names:
        say("[lab] no lab: nothing to do")


def _status(options: argparse.Namespace) -> int:
    machine.require_root()
    if not options.name and not os.environ.get("XTEAM_LAB"):
        labs = [state.load(name) for name in state.lab_names()]
    else:
        labs = [_lab(options)]
    if options.json:
        print(json.dumps([{"name": lab.name, "hosts": lifecycle.status(lab)} for lab in labs], indent=1))
        return 0
    if not labs:
        say("no lab is up; start one with `python -m lab up`")
    for lab in labs:
        word = "up" if lab.description.exists() else "half-made: take it down"
        say(f"lab {lab.name} ({lab.topology}), {word}")
        _print_table(lab)
    return 0


def _print_table(lab: Lab) -> None:
    for row in lifecycle.status(lab):
        groups = row["groups"]
        assert isinstance(groups, list)
        say(f"  {row['name']:<12} {row['address']:<14} region {row['region']}  {row['state']:<4} {', '.join(groups)}")


def _ssh(options: argparse.Namespace) -> int:
    lab = _lab(options)
    words = [options.host, *options.command] if options.host else []
    if len(lab.hosts) == 1 and (not words or words[0] != lab.hosts[0].name):
        host = lab.hosts[0]
    else:
        if not words:
            raise LabError(f"name a host: {', '.join(host.name for host in lab.hosts)}")
        host, words = lab.host(words[0]), words[1:]
    command = lifecycle.ssh_command(lab, host, words)
    os.execvp(command[0], command)  # noqa: S606 - a list of words, no shell wanted


def _on_hosts(options: argparse.Namespace) -> None:
    lab = _lab(options)
    chosen: list[LabHost] = [lab.host(name) for name in dict.fromkeys(options.hosts)] or lab.hosts
    with step(f"{options.verb} {' '.join(host.name for host in chosen)}"):
        if options.verb in ("cut", "heal"):
            lifecycle.set_cut(lab, chosen, options.verb == "cut")
        else:
            {"kill": lifecycle.kill, "start": lifecycle.start, "reset": lifecycle.reset}[options.verb](lab, chosen)
