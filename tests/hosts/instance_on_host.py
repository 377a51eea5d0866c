"""On a host, by root, with the lock of xteam-switch: kill an instance of the API, and see what becomes of it.

It is the instance that does not serve: started as xteam-switch starts it, kept from the edges' requests, and stopped
again in the end. Meanwhile users ask an edge: instance_on_host.py EDGE DOMAIN. Prints what was seen as JSON.
"""

import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

EDGE, DOMAIN = sys.argv[1:]
SETTINGS = json.loads(Path("/etc/xteam/switch.json").read_text())
ASK_SECONDS = 0.5


def shown(unit, name):
    words = ["systemctl", "show", "--property", name, "--value", unit]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def unit_of(colour):
    return f"xteam-api@{colour}.service"


def ready(port):
    """Whether the instance would serve; it is asked as xteam-switch asks."""
    trust = ssl.create_default_context(cafile=SETTINGS["ca"])
    connection = http.client.HTTPSConnection(SETTINGS["address"], port, timeout=10, context=trust)
    try:
        connection.request("GET", SETTINGS["ready_path"], headers={"X-Xteam-Probe": "verify"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def until_ready(unit, port):
    """Seconds, or None when systemd gives it up or it takes too long."""
    started = time.monotonic()
    while time.monotonic() < started + SETTINGS["ready_seconds"]:
        if ready(port):
            return round(time.monotonic() - started, 1)
        if shown(unit, "ActiveState") in ("failed", "inactive"):
            return None
        time.sleep(0.2)
    return None


def ask(answers, end):
    """As a user, until the end."""
    where = ["--connect-to", f"::{EDGE}:443", f"https://{DOMAIN}/healthz"]
    while not end.wait(ASK_SECONDS):
        words = ["curl", "-sk", "--max-time", "10", "-o", "/dev/null", "-w", "%{http_code}", *where]
        answers.append(subprocess.run(words, capture_output=True, text=True, check=False).stdout)


def prepare(idle, serving):
    """The release that serves, on the other port; drained before it runs."""
    root, drained = Path(SETTINGS["root"]), Path(SETTINGS["drained"])
    release = (root / serving).readlink()
    (root / idle).unlink(missing_ok=True)
    (root / idle).symlink_to(release)
    lines = f'RELEASE="{release.name}"\nAPI_PORT="{SETTINGS["ports"][idle]}"\n'
    Path(f"/etc/xteam/api-{idle}.env").write_text(lines)
    drained.mkdir(mode=0o755, exist_ok=True)
    (drained / idle).touch()


def kill(idle):
    """What was seen of the instance."""
    unit, port = unit_of(idle), SETTINGS["ports"][idle]
    subprocess.run(["systemctl", "start", unit], check=True)
    seen = {"ready_seconds": until_ready(unit, port)}
    pid = int(shown(unit, "MainPID"))
    if seen["ready_seconds"] is None or not pid:
        return seen
    os.kill(pid, signal.SIGKILL)
    while shown(unit, "MainPID") == str(pid):
        time.sleep(0.05)
    seen["again_seconds"] = until_ready(unit, port)
    return seen | {"state": shown(unit, "ActiveState"), "restarts": int(shown(unit, "NRestarts"))}


def main():
    active = [colour for colour in SETTINGS["ports"] if shown(unit_of(colour), "ActiveState") == "active"]
    if len(active) != 1:
        sys.exit(f"of the instances {', '.join(active) or 'none'} runs: xteam-switch status")
    idle = next(colour for colour in SETTINGS["ports"] if colour not in active)
    answers, end = [], threading.Event()
    user = threading.Thread(target=ask, args=(answers, end))
    try:
        prepare(idle, active[0])
        user.start()
        seen = kill(idle)
    finally:
        subprocess.run(["systemctl", "stop", unit_of(idle)], check=False)
        subprocess.run(["systemctl", "reset-failed", unit_of(idle)], check=False, capture_output=True)
        (Path(SETTINGS["drained"]) / idle).unlink(missing_ok=True)
        end.set()
        user.join()
    print(json.dumps({"instance": idle, **seen, "answers": answers}))


main()
