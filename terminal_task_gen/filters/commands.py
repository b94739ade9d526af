"""What is typed that a careful person would not, and what the screen shows that is the machine's own trouble."""

from __future__ import annotations

import re

DESTRUCTIVE = re.compile(
    r"""
    \brm\s+(?:-\w+\s+|--[\w-]+\s+)*(?:-\w*[rR]\w*|--recursive)\s+(?:-\w+\s+|--[\w-]+\s+)*["']?(?:/|~|\$HOME|/\*|/(?:etc|usr|bin|lib|var|home|root|boot|dev)/?\*?)["']?(?=\s|$|;|&|\|)
    | \bmkfs(?:\.\w+)?\s | \bwipefs\s | \bshred\s+(?:-\w+\s+)*/dev/
    | \bdd\s[^\n;|]*\bof=/dev/(?!null|zero|shm|std)
    | >\s*/dev/(?:sd[a-z]|nvme|vd[a-z]|mem)\w*
    | :\(\)\s*\{\s*:\s*\|\s*:\s*&\s*\}\s*;\s*:
    | \b(?:shutdown|reboot|poweroff|halt)\b(?=\s+(?:-|now|\d)|\s*(?:$|;|&))
    | \bkill\s+-(?:9|KILL|SIGKILL)\s+-?1\b
    | \bchmod\s+-\w*R\w*\s+[0-7]*777\s+/(?=\s|$|;|&)
    | \biptables\s+(?:-F|--flush)\b
    """,
    re.VERBOSE | re.MULTILINE,
)
PRIVILEGED = re.compile(
    r"""
    (?:^|[;&|(`]\s*|\$\(\s*)(?:sudo|doas|su)(?=\s+\S|\s*$)
    | \bvisudo\b | \b(?:insmod|modprobe|rmmod)\s | \bsysctl\s+-w\b | \bnsenter\s | \bchroot\s
    | \bchmod\s+(?:[ug+,=rwx]*\+s|[24]\d{3})\s | \bsetcap\s | \bunshare\s
    | \b(?:curl|wget)\b[^\n|;]*\|\s*(?:sudo\s+)?(?:ba|z|da)?sh\b
    """,
    re.VERBOSE | re.MULTILINE,
)
COMMAND_TRIGGERS = (
    "sudo", "doas", "su ", "visudo", "insmod", "modprobe", "rmmod", "sysctl", "nsenter", "chroot", "chmod", "setcap",
    "unshare", "curl", "wget", "rm ", "dd ", "mkfs", "wipefs", "shred", "shutdown", "reboot", "poweroff", "halt",
    "kill", "iptables", "dev/sd", "dev/nvme", "dev/vd", "dev/mem",
)  # fmt: skip
"""Each expression above needs one of them (triggers.py), but for the fork bomb, which `FORK_BOMB` finds."""
FORK_BOMB = ":(){"
COMMAND_WORDS = (":()", *(trigger.strip() for trigger in COMMAND_TRIGGERS))
"""Keystrokes that hold none of these are not risky."""

MACHINE_NOISE = re.compile(
    r"""
    No\ space\ left\ on\ device | Disk\ quota\ exceeded | Read-only\ file\ system
    | Cannot\ allocate\ memory | Out\ of\ memory | oom-kill | Resource\ temporarily\ unavailable
    | \[(?:lost\ server|server\ exited)[^\]]{0,40}\] | no\ server\ running\ on | Too\ many\ open\ files
    | Errno\ (?:12|24|28)\b | Bus\ error | Stale\ file\ handle | Input/output\ error
    """,
    re.VERBOSE | re.IGNORECASE,
)
NETWORK_NOISE = re.compile(
    r"Temporary failure (?:in name resolution|resolving)|Could not resolve host|Network is unreachable", re.IGNORECASE
)
"""The machine's own trouble only where the task was given a network."""
NOISE_TRIGGERS = (
    "space", "quota", "system", "temporar", "resolve", "unreacha", "allocate", "memory", "oom", "lost", "server",
    "many", "errno", "bus", "stale", "input",
)  # fmt: skip
"""Each expression above needs one of them (triggers.py)."""
