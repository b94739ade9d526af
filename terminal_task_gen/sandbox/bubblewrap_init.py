"""PID 1 of a bubblewrap sandbox: starts what the host asks for, reaps everything, dies with the host.

Runs inside, as `python3 -I -S init FD LIMITS`, under whatever python3 the sandbox has (3.9 or newer, standard library
only), so it imports nothing of this package. Requests come over the socket FD, framed by `bubblewrap_channel.py`;
each `exec` brings three file descriptors: the command's stdin, stdout and stderr. A report goes back when the command
itself has ended, so a missing report means a dead sandbox. End of file on the socket ends PID 1 and with it the
kernel kills every process of the sandbox: that is `close()`, and it is also what follows a killed host.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

LENGTH = struct.Struct("!I")
SPARE_PROCESSES = 8
"""PID 1 may fork this many beyond the limit its commands have, so that a fork bomb cannot keep it from its work."""
KILL_ROUNDS = 50


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    limits: dict[str, int] = json.loads(sys.argv[2])
    os.umask(0o022)
    max_processes = limits.pop("RLIMIT_NPROC")
    for name, value in limits.items():
        lower_limit(getattr(resource, name), value)
    lower_limit(resource.RLIMIT_NPROC, max_processes + SPARE_PROCESSES)
    Init(control, max_processes).serve()


def lower_limit(which: int, value: int) -> None:
    hard = resource.getrlimit(which)[1]
    bounded = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (bounded, bounded))


class Init:
    """The loop: requests in, exit reports out."""

    def __init__(self, control: socket.socket, max_processes: int) -> None:
        self._control = control
        self._max_processes = max_processes
        self._running: dict[int, int] = {}
        """Process id to request id."""

    def serve(self) -> None:
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_read, False)
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        # The interpreter's own handler would let a signal from inside end process 1.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(wake_read, select.POLLIN)
        self._send({"ready": True})
        while True:
            for fd, _ in poll.poll():
                if fd == wake_read:
                    os.read(wake_read, 4096)
                    self._reap()
                else:
                    self._take_request()

    def _take_request(self) -> None:
        header, fds, _, _ = socket.recv_fds(self._control, LENGTH.size, 3, socket.MSG_CMSG_CLOEXEC)
        if not header:
            os._exit(0)
        header += self._receive(LENGTH.size - len(header))
        request = json.loads(self._receive(LENGTH.unpack(header)[0]))
        if request["op"] == "exec":
            self._start(request, fds)
        elif request["op"] == "kill":
            for pid, request_id in self._running.items():
                if request_id == request["id"]:
                    kill_session(pid)
        for fd in fds:
            os.close(fd)

    def _receive(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            chunk = self._control.recv(count - len(data))
            if not chunk:
                os._exit(0)
            data += chunk
        return data

    def _start(self, request: dict[str, Any], fds: list[int]) -> None:
        try:
            pid = os.fork()
        except OSError as error:
            self._send({"id": request["id"], "error": f"fork: {error.strerror}"})
            return
        if pid == 0:
            try:
                become_command(request, fds, self._max_processes)
            except OSError as error:
                os.write(2, f"{request['argv'][0]}: {error.strerror}\n".encode())
            finally:
                os._exit(126)
        self._running[pid] = request["id"]

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            request_id = self._running.pop(pid, None)
            if request_id is not None:
                self._send({"id": request_id, "exit_code": translate_status(status)})

    def _send(self, report: dict[str, Any]) -> None:
        try:
            self._control.sendall(json.dumps(report).encode() + b"\n")
        except OSError:
            os._exit(0)


def translate_status(status: int) -> int:
    """128 + n for signal n, as a shell tells it."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def become_command(request: dict[str, Any], fds: list[int], max_processes: int) -> None:
    """In the forked child; returns only when the command cannot be run at all."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    for target, fd in enumerate(fds):
        os.dup2(fd, target)
    lower_limit(resource.RLIMIT_NPROC, max_processes)
    os.execve(request["argv"][0], request["argv"], request["env"])


def kill_session(leader: int) -> None:
    """Kill the process group of `leader` and every process of its session, until none is left."""
    for _ in range(KILL_ROUNDS):
        with suppress(OSError):
            os.killpg(leader, signal.SIGKILL)
        pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
        members = [pid for pid in pids if is_member(pid, leader)]
        if not members:
            return
        for pid in members:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def is_member(pid: int, session: int) -> bool:
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return False
    state, process_session = fields[0], int(fields[3])
    return process_session == session and state not in (b"Z", b"X")


if __name__ == "__main__":
    main()
