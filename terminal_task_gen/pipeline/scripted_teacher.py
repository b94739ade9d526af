"""Serves the scripted teacher, for the demo and for rehearsals."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from terminal_task_gen.trajectory import Message

REPERTOIRE = Path(__file__).resolve().parents[1] / "teacher" / "repertoire"
"""The scripts that ship: folder → task with its author's and actor's replies."""
ROGUES = REPERTOIRE.with_name("rogues")
"""The gallery of bad replies, with their seeds and benchmark; a folder a rogue, named by what it trips."""
DEMO_FAULTS = "rate_limit=0.04,server_error=0.03,disconnect=0.02,malformed=0.02,empty=0.02"


@asynccontextmanager
async def serve_demo_teacher(folder: Path = REPERTOIRE) -> AsyncIterator[str]:
    """A shipped folder of scripts on loopback, a little unreliable as real endpoints are; its base URL."""
    scripted, faults = _load_scripted()
    async with scripted.serve_scripted([folder], faults=faults.parse_faults(DEMO_FAULTS)) as server:
        yield server.base_url


def count_scripted_tasks(domains: Iterable[str]) -> dict[str, int]:
    """Domain → how many commissions in a row the shipped authors answer in skill mode; 0 where nobody does."""
    scripts = importlib.import_module("terminal_task_gen.teacher.scripts")
    repertoire, system = scripts.load_repertoire([REPERTOIRE]), Message(role="system", content=scripts.AUTHOR_MARK)

    def is_answered(domain: str, number: int) -> bool:
        asked = f"Task category: {domain}\nMode: skill\nCommission number: {number}\n"
        return repertoire.find_reply([system, Message(role="user", content=asked)]) is not None

    return {name: next(n for n in count() if not is_answered(name, n + 1)) for name in domains}


@dataclass(frozen=True)
class ServeOptions:
    """How `ttg teacher serve` serves."""

    host: str
    port: int
    faults: str
    """As `parse_faults` reads it."""
    latency_sec: float
    mailbox: Path | None
    """Folder to take replies from, in place of the scripts."""
    mailbox_timeout_sec: float


async def serve_teacher(folders: Sequence[Path], options: ServeOptions, announce: Callable[[str], None]) -> None:
    """Serve scripts (the shipped ones when no folder is given) until cancelled; `announce` gets the base URL."""
    scripted, faults = _load_scripted()
    mailbox = None
    if options.mailbox is not None:
        mailbox = scripted.Mailbox(options.mailbox, timeout_sec=options.mailbox_timeout_sec)
    await scripted.run_scripted(
        list(folders) or [REPERTOIRE],
        host=options.host,
        port=options.port,
        faults=faults.parse_faults(options.faults),
        latency_sec=options.latency_sec,
        mailbox=mailbox,
        announce=lambda server: announce(f"scripted teacher at {server.base_url} (Ctrl-C stops it)"),
    )


def _load_scripted() -> tuple[Any, Any]:
    """The server brings aiohttp with it, so it is imported only when it is to serve."""
    package = "terminal_task_gen.teacher"
    return importlib.import_module(f"{package}.scripted"), importlib.import_module(f"{package}.faults")
