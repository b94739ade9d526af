"""What the event log knows of generation and the shards do not: seconds, and which replies were known already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import orjson

from terminal_task_gen.generate.ladder import LADDER
from terminal_task_gen.generate.yield_records import GateWork
from terminal_task_gen.records import Usage


@dataclass
class YieldLog:
    """Some 150 bytes a request."""

    seconds: dict[str, float] = field(default_factory=dict)
    """Request id → seconds of all its tries."""
    known_calls: Counter[str] = field(default_factory=Counter)
    """Request id → calls that the replay cache answered."""
    replayed: Usage = field(default_factory=Usage)
    examined: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    gate_seconds: dict[str, float] = field(default_factory=dict)

    def list_gates(self) -> tuple[GateWork, ...]:
        order = ("reply", "draft", *LADDER)
        known = [gate for gate in order if gate in self.examined] + sorted(set(self.examined) - set(order))
        return tuple(
            GateWork(
                gate=gate,
                examined=self.examined[gate],
                refused=self.refused[gate],
                seconds=round(self.gate_seconds.get(gate, 0.0), 3),
            )
            for gate in known
        )


def read_yield_log(paths: Iterable[Path]) -> YieldLog:
    """Everything about generation in the event logs; a missing log is an empty one, torn lines are passed over."""
    log = YieldLog()
    replayed: dict[str, Usage] = {}
    for event in chain.from_iterable(map(_read_events, paths)):
        name = event.get("event")
        if name == "ItemFinished" and event.get("stage") == "generate":
            item = event["item_id"]
            log.seconds[item] = log.seconds.get(item, 0.0) + event["seconds"]
            if item in replayed:
                usage = replayed.pop(item)
                log.replayed += usage
                log.known_calls[item] += usage.calls
        elif name == "RepliesReplayed":
            # Told before the item's end; whether it is of this stage is known then.
            replayed[event["item_id"]] = Usage.model_validate(event["usage"])
        elif name == "DraftExamined":
            _book(log, event)
    return log


def _book(log: YieldLog, event: dict[str, Any]) -> None:
    for gate, seconds in event["seconds"].items():
        log.examined[gate] += 1
        log.gate_seconds[gate] = log.gate_seconds.get(gate, 0.0) + seconds
    if event["gate"]:
        if event["gate"] not in event["seconds"]:
            log.examined[event["gate"]] += 1
        log.refused[event["gate"]] += 1


def _read_events(path: Path) -> Iterator[dict[str, Any]]:
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        return
    with stream:
        for line in stream:
            try:
                event = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if isinstance(event, dict):
                yield event
