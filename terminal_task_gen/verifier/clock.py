"""Moves the clock of one interpreter, for tests that must not care what day it is; runs inside a sandbox only.

Stands alone: standard library, Python 3.10 or later. It must be called before the tests import anything of `time` or
`datetime`. Monotonic clocks, files' times and other processes keep the real time.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from typing import Any


def shift_clock(seconds: int) -> None:
    """From now on it is `seconds` later. `date.today` and `datetime.today` follow, since they ask `time.time`."""
    real_time, real_time_ns = time.time, time.time_ns
    replacements: dict[str, Callable[..., Any]] = {
        "time": lambda: real_time() + seconds,
        "time_ns": lambda: real_time_ns() + seconds * 1_000_000_000,
        **{name: _make_default_now(getattr(time, name)) for name in ("localtime", "gmtime", "ctime")},
        "strftime": _make_default_local(time.strftime),
        "asctime": _make_default_local(time.asctime),
    }
    for name, replacement in replacements.items():
        setattr(time, name, replacement)
    datetime.datetime = _make_datetime()  # type: ignore[misc, assignment]


def _make_default_now(real: Callable[..., Any]) -> Callable[..., Any]:
    """`time.localtime()` and its kin, which mean now when called without seconds."""

    def ask(secs: float | None = None) -> Any:
        return real(time.time() if secs is None else secs)

    return ask


def _make_default_local(real: Callable[..., Any]) -> Callable[..., Any]:
    """`time.strftime(format)` and its kin, whose last argument is the time of day when left out."""

    def ask(*args: Any) -> Any:
        has_time = bool(args) and not isinstance(args[-1], str)
        return real(*args) if has_time else real(*args, time.localtime())

    return ask


def _make_datetime() -> type:
    real = datetime.datetime

    class Kind(type):
        """Objects that C code made of the real class are datetimes too."""

        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, real)

        def __subclasscheck__(cls, subclass: type) -> bool:
            return issubclass(subclass, real)

    class Shifted(real, metaclass=Kind):  # type: ignore[misc, valid-type]
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return cls.fromtimestamp(time.time(), tz)

        @classmethod
        def utcnow(cls) -> Any:
            return cls.fromtimestamp(time.time(), datetime.UTC).replace(tzinfo=None)

        def __repr__(self) -> str:
            return f"datetime.{super().__repr__()}"

    Shifted.__name__ = Shifted.__qualname__ = "datetime"
    Shifted.__module__ = "datetime"
    return Shifted
