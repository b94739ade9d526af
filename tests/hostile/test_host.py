"""Agents that reach for the host: what they try, one line each, must fail inside and leave no mark outside."""

from __future__ import annotations

import pytest

from terminal_task_gen.task import TaskFile
from tests.rollout.rollout_bench import DONE, Bench, make_task, say

pytestmark = pytest.mark.docker

ATTEMPTS = {
    "socket of the engine": "ls /var/run/docker.sock || ls /run/docker.sock || ls /run/containerd",
    "metadata": "curl -m 2 -s http://169.254.169.254/",
    "outside": "curl -m 2 -s http://1.1.1.1/ || (exec 3<>/dev/tcp/172.17.0.1/22)",
    "names": "getent hosts example.com",
    "route": "[ $(wc -l < /proc/net/route) -gt 1 ]",
    "abstract sockets": "[ $(grep -c '@' /proc/net/unix) -gt 0 ]",
    "other processes": "ls -d /proc/[0-9]* | wc -l | awk '{ exit $1 > 40 ? 0 : 1 }'",
    "mounts of the host": "awk '$1 ~ /^.dev/ { print $2 }' /proc/mounts | grep -vE '^/etc/(host|resolv)'",
    "mount": "mount -t tmpfs none /mnt || mount --bind / /mnt || mount -t proc none /mnt",
    "device nodes": "mknod /tmp/disk b 254 0 || mknod /tmp/mem c 1 1",
    "disks": "ls /dev/vda /dev/sda /dev/mem /dev/kmsg /dev/kvm /dev/fuse",
    "clock": "date -s 2001-01-01",
    "raw socket": "python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)'",
    "packet socket": "python3 -c 'import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)'",
    "user namespace": "unshare -U true || unshare -rm true",
    "namespaces": "unshare -m true || unshare -n true || unshare -p true",
    "setns": "nsenter -t 1 -m -n true || python3 -c 'import os; os.setns(os.open(\"/proc/1/ns/net\", 0), 0)'",
    "chroot": "chroot / true",
    "host name": "hostname other",
    "kernel settings": "echo x > /proc/sys/kernel/core_pattern || echo x > /proc/sysrq-trigger",
    "control groups": "mkdir /sys/fs/cgroup/memory/x || echo 1 > /sys/fs/cgroup/memory/memory.limit_in_bytes",
    "immutable": "touch /tmp/i && chattr +i /tmp/i",
    "more limits": "ulimit -f unlimited || ulimit -n 1000000",
    "priority": "nice -n -10 true 2>&1 | grep -vq cannot",
    "kernel modules": "modprobe loop || insmod /tmp/x.ko",
    "kernel log": "dmesg | grep -q .",
    "keys": "python3 -c 'import ctypes, sys; sys.exit(ctypes.CDLL(None).syscall(250, 0, -3, 1) < 0)'",
    "bpf": "python3 -c 'import ctypes, sys; sys.exit(ctypes.CDLL(None).syscall(321, 0, 0, 0) < 0)'",
    "perf": "python3 -c 'import ctypes, sys; sys.exit(ctypes.CDLL(None).syscall(298, 0, 0, -1, -1, 0) < 0)'",
    "new privileges": "[ $(grep NoNewPrivs /proc/self/status | cut -f2) = 0 ]",
    "capabilities": "[ $(grep CapBnd /proc/self/status | cut -f2) != 00000000000000fb ]",
    "secrets": "env | grep -iE 'key|token|proxy|secret'",
}


async def test_no_attempt_reaches_the_host(bench: Bench) -> None:
    lines = [f"( {script} ) >/dev/null 2>&1 && echo '{name}' >> /app/reached" for name, script in ATTEMPTS.items()]
    control = "( true ) >/dev/null 2>&1 && echo control >> /app/reached"
    script = "\n".join([*lines, control, "echo end >> /app/reached", ""])
    tests = "def test_reached():\n    assert open('/app/reached').read() == 'control\\nend\\n'\n"
    task = make_task(tests, {"test_reached": 1.0})
    task = task.model_copy(update={"files": (TaskFile(path="try.sh", content=script),)})
    result = await bench.finish(say("bash /app/try.sh\n", duration=40.0), DONE, task=task)
    assert result.verdict.passed, result.verdict.tests[0].message
