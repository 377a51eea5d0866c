"""A root shell on a machine, kept open for the whole run.

One SSH connection and one `sudo` per machine: a command then costs about 2 ms instead of the 50 ms and more that
a login, a sudo and Nagle's algorithm would add to each.
"""

import secrets
import select
import shlex
import socket
import time
from dataclasses import dataclass
from pathlib import Path

import paramiko

from checklist.inventory import Machine

CONNECT_SECONDS = 10
COMMAND_SECONDS = 60
# A machine that did not answer is not asked again for this long, or every check would wait for it.
GIVE_UP_SECONDS = 60


class CheckError(Exception):
    """The machine could not be asked. Never a reason to call anything right or wrong."""


@dataclass(frozen=True)
class Answer:
    """rc: exit status of the command."""

    rc: int
    stdout: bytes
    stderr: bytes


class Shell:
    """Runs commands as root on one machine. Raises CheckError when it can't."""

    def __init__(self, machine: Machine):
        self.machine = machine
        self._client: paramiko.SSHClient | None = None
        self._channel: paramiko.Channel | None = None
        self._gave_up: tuple[float, str] | None = None

    def run(self, command: str, timeout: float = COMMAND_SECONDS) -> Answer:
        """Run a command with an empty standard input. timeout: seconds."""
        # The shell reads these lines from its standard input, so the command must have another.
        return self._in_shell(command, "</dev/null\n", timeout)

    def run_with_stdin(self, command: str, stdin: str, timeout: float = COMMAND_SECONDS) -> Answer:
        """Run a command that reads `stdin`: the way for a secret, which must not stand in any argument."""
        if not stdin.endswith("\n"):
            return self._in_own_session(command, stdin, timeout)  # a here-document ends with a whole line
        mark = secrets.token_hex(8)
        # Debian's sh hands it over in a pipe: it is on no disk.
        return self._in_shell(command, f"<<'{mark}'\n{stdin}{mark}\n", timeout)

    def _in_shell(self, command: str, redirection: str, timeout: float) -> Answer:
        channel = self._shell()
        mark = secrets.token_hex(8)
        ended = f"printf '%s %d\\n' {mark} $?\nprintf '%s\\n' {mark} >&2\n"
        try:
            channel.sendall(f"/bin/sh -c {shlex.quote(command)} {redirection}{ended}".encode())
            stdout, stderr = _until(channel, mark.encode(), timeout)
        except (OSError, EOFError, paramiko.SSHException) as error:
            self._drop_shell()
            raise self._lost(command, error) from error
        text, _, tail = stdout.rpartition(mark.encode())
        return Answer(int(tail), text, stderr.rpartition(mark.encode())[0])

    def _in_own_session(self, command: str, stdin: str, timeout: float) -> Answer:
        try:
            channel = self._session()
            channel.settimeout(timeout)
            channel.exec_command(self._as_root(f"/bin/sh -c {shlex.quote(f'cd / && {command}')}"))
            channel.sendall(stdin.encode())
            channel.shutdown_write()
            stdout, stderr = _until(channel, None, timeout)
            return Answer(channel.recv_exit_status(), stdout, stderr)
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise self._lost(command, error) from error

    def _lost(self, command: str, error: Exception) -> CheckError:
        return CheckError(f"{self.machine.name}: {error or 'connection lost'} during: {command}")

    def close(self) -> None:
        """End the connection; the next command makes a new one."""
        self._drop_shell()
        if self._client:
            self._client.close()
        self._client, self._gave_up = None, None

    def _as_root(self, command: str) -> str:
        return command if self.machine.ssh_user == "root" else f"sudo -n {command}"

    def _drop_shell(self) -> None:
        if self._channel:
            self._channel.close()
        self._channel = None

    def _shell(self) -> paramiko.Channel:
        if self._channel is None or self._channel.closed or self._channel.exit_status_ready():
            channel = self._session()
            channel.exec_command(self._as_root("/bin/sh"))
            channel.sendall(b"export LC_ALL=C.UTF-8 SYSTEMD_PAGER= SYSTEMD_COLORS=0; cd /\n")
            self._channel = channel
        return self._channel

    def _session(self) -> paramiko.Channel:
        client = self._connected()
        transport = client.get_transport()
        assert transport is not None
        try:
            return transport.open_session(timeout=CONNECT_SECONDS)
        except (paramiko.SSHException, OSError, EOFError) as error:
            self.close()
            raise CheckError(f"{self.machine.name}: no SSH session: {error}") from error

    def _connected(self) -> paramiko.SSHClient:
        if self._client:
            transport = self._client.get_transport()
            if transport and transport.is_active():
                return self._client
            self.close()
        if self._gave_up and time.monotonic() - self._gave_up[0] < GIVE_UP_SECONDS:
            raise CheckError(self._gave_up[1])
        try:
            self._client = _connect(self.machine)
        except (paramiko.SSHException, OSError, EOFError) as error:
            said = str(error).removeprefix("[Errno None] ") or type(error).__name__
            message = f"{self.machine.name}: no SSH connection to {self.machine.ssh_hostname}: {said}"
            self._gave_up = (time.monotonic(), message)
            raise CheckError(message) from error
        return self._client


def _connect(machine: Machine) -> paramiko.SSHClient:
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    known_hosts = Path(machine.ssh_known_hosts_file).expanduser()
    if not known_hosts.is_file():
        raise OSError(f"known hosts file {known_hosts} is missing (ssh_known_hosts_file in the inventory)")
    client.load_host_keys(str(known_hosts))
    client.connect(
        machine.ssh_hostname,
        port=machine.ssh_port,
        username=machine.ssh_user,
        key_filename=str(Path(machine.ssh_key).expanduser()) if machine.ssh_key else None,
        allow_agent=not machine.ssh_key,
        look_for_keys=not machine.ssh_key,
        timeout=CONNECT_SECONDS,
        banner_timeout=CONNECT_SECONDS,
        auth_timeout=CONNECT_SECONDS,
    )
    transport = client.get_transport()
    assert transport is not None
    if isinstance(transport.sock, socket.socket):
        # Nagle's algorithm with delayed acknowledgements costs 40 ms a command; paramiko leaves it on.
        transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    transport.set_keepalive(30)
    return client


def _until(channel: paramiko.Channel, mark: bytes | None, timeout: float) -> tuple[bytes, bytes]:
    """Both streams up to the mark at their ends (none: to end of file). Raises TimeoutError, EOFError."""
    out, err = bytearray(), bytearray()
    deadline = time.monotonic() + timeout
    while True:
        while channel.recv_ready():
            out += channel.recv(1 << 16)
        while channel.recv_stderr_ready():
            err += channel.recv_stderr(1 << 16)
        if mark and mark in out[-64:] and out.endswith(b"\n") and mark in err[-64:]:
            return bytes(out), bytes(err)
        if channel.exit_status_ready() and not channel.recv_ready() and not channel.recv_stderr_ready():
            if mark is None and channel.eof_received:
                return bytes(out), bytes(err)
            if mark:
                raise EOFError("the root shell ended (does sudo need a password?): " + err.decode(errors="replace"))
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"no answer within {timeout:g} s")
        # Not every end of a command wakes the select, so it is short where the end is all we wait for.
        select.select([channel], [], [], min(left, 1.0 if mark else 0.02))
