"""Why one try at the endpoint gave no usable reply, and whether another try may.

A failed try is a value (`Failure`), not an exception: the client's loop looks at it, waits or gives up, and only then
raises one of the port's three errors. So nothing of the HTTP library, and nothing it may hold (headers, the key), hangs
on an error as its cause. Every status an endpoint can answer with is judged here, in one table.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum

import orjson

from terminal_task_gen.records import Usage

SHOWN_CHARS = 300
"""Longest piece of an endpoint's own words in our messages."""


class FailureKind(StrEnum):
    """Values are the reason codes of TeacherError and TeacherRefusedError: add, never rename."""

    # May pass: tried again.
    RATE_LIMITED = "teacher_rate_limited"
    SERVER_ERROR = "teacher_server_error"
    CONNECTION = "teacher_connection"
    TIMEOUT = "teacher_timeout"
    MALFORMED = "teacher_malformed"
    EMPTY = "teacher_empty"
    # This very call is refused.
    REFUSED = "teacher_refused"
    CONTENT_FILTER = "content_filter"
    CONTEXT_FULL = "context_full"
    BUDGET_SPENT = "budget_spent"
    """Not asked any more; owed until there is a larger budget."""
    # Every call will be refused until the user mends something.
    FORBIDDEN = "teacher_forbidden"
    """403: a key without rights, or, once calls have succeeded, this one prompt."""
    BAD_KEY = "bad_key"
    BAD_ADDRESS = "bad_address"
    NO_CREDIT = "no_credit"


PASSING = frozenset(
    {
        FailureKind.RATE_LIMITED,
        FailureKind.SERVER_ERROR,
        FailureKind.CONNECTION,
        FailureKind.TIMEOUT,
        FailureKind.MALFORMED,
        FailureKind.EMPTY,
    }
)
HOPELESS = frozenset({FailureKind.BAD_KEY, FailureKind.BAD_ADDRESS, FailureKind.NO_CREDIT})
BROKEN = frozenset({FailureKind.SERVER_ERROR, FailureKind.CONNECTION, FailureKind.TIMEOUT})
"""What a server that is down answers, if it does. Others say that it lives."""
_OVERLOADED_STATUSES = frozenset({429, 503, 529})

_BY_STATUS = {
    401: FailureKind.BAD_KEY,
    402: FailureKind.NO_CREDIT,
    403: FailureKind.FORBIDDEN,
    404: FailureKind.BAD_ADDRESS,
    405: FailureKind.BAD_ADDRESS,
    408: FailureKind.TIMEOUT,
    409: FailureKind.SERVER_ERROR,
    425: FailureKind.SERVER_ERROR,
    429: FailureKind.RATE_LIMITED,
}
"""Other 4xx: REFUSED. 5xx: SERVER_ERROR. An error with a status below 400 is MALFORMED."""

_BY_CODE = {
    "context_length_exceeded": FailureKind.CONTEXT_FULL,
    "insufficient_quota": FailureKind.NO_CREDIT,
    "content_filter": FailureKind.CONTENT_FILTER,
}
"""Codes of the API's error object that say more than the status (a used-up quota comes as 429, and never passes)."""

_CONTEXT_WORDS = re.compile(r"maximum context length|context (?:length|window|size).{0,40}exceed|exceed.{0,40}context")
"""Open-source servers give a full context no code of its own, only a 400 and these words."""
_MODERATION_WORDS = re.compile(r"moderat|flagged|content (?:policy|filter)|safety (?:policy|system)")
"""Hosted routers refuse a flagged prompt with a bare 403 or 400."""


@dataclass(frozen=True)
class Failure:
    """One try that gave nothing usable. `detail` may hold the endpoint's words, neither scrubbed of the key nor cut:
    the client does both, in this order, as half a key would not be found any more."""

    kind: FailureKind
    detail: str
    retry_after_sec: float | None = None
    """What the endpoint asked for; None when it did not."""
    status: int | None = None
    """Of the HTTP answer, if there was one."""
    usage: Usage | None = None
    """What an answer that was billed and could not be used cost."""

    @property
    def is_overload(self) -> bool:
        """Fewer calls at once would have helped."""
        return self.kind is FailureKind.TIMEOUT or self.status in _OVERLOADED_STATUSES


def judge_status(status: int, body: bytes, headers: Mapping[str, str]) -> Failure:
    """What an answer that is not a success means."""
    words = _read_error_body(body)
    kind = _BY_CODE.get(words.code) or _BY_STATUS.get(status) or _judge_class(status)
    if kind is FailureKind.REFUSED and _CONTEXT_WORDS.search(words.message.lower()):
        kind = FailureKind.CONTEXT_FULL
    if kind in (FailureKind.REFUSED, FailureKind.FORBIDDEN) and _MODERATION_WORDS.search(words.message.lower()):
        kind = FailureKind.CONTENT_FILTER
    detail = f"HTTP {status}: {words.message}" if words.message else f"HTTP {status}"
    return Failure(kind, detail, retry_after_sec=read_retry_after(headers), status=status)


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by `retry-after-ms` or `Retry-After` (seconds or date); None when absent or nonsense.

    A date is taken relative to the answer's own `Date` where it has one, so a skewed clock does no harm.
    """
    milliseconds = _read_seconds(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    seconds = _read_seconds(text)
    if seconds is not None or text is None:
        return seconds
    until = _read_date(text)
    if until is None:
        return None
    now = _read_date(headers.get("date"))
    return max(0.0, until - (time.time() if now is None else now))


def shorten(text: str) -> str:
    """One line of at most SHOWN_CHARS characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * SHOWN_CHARS]).split())
    return line if len(line) <= SHOWN_CHARS else line[: SHOWN_CHARS - 1] + "…"


@dataclass(frozen=True)
class _ErrorWords:
    message: str
    code: str


def _read_error_body(body: bytes) -> _ErrorWords:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _ErrorWords(_strip_tags(body.decode(errors="replace")), "")
    error = document.get("error", document) if isinstance(document, dict) else document
    if isinstance(error, dict):
        message = error.get("message") or error.get("detail") or error.get("msg") or ""
        text = message if isinstance(message, str) else orjson.dumps(message).decode()
        return _ErrorWords(text or orjson.dumps(error).decode(), str(error.get("code") or ""))
    return _ErrorWords(error if isinstance(error, str) else "", "")


def _strip_tags(text: str) -> str:
    """Proxies answer in HTML; its words are enough."""
    return re.sub(r"<(style|script)\b.*?</\1>|<[^<>]*>", " ", text[:20_000], flags=re.DOTALL | re.IGNORECASE).strip()


def _judge_class(status: int) -> FailureKind:
    if status >= 500:
        return FailureKind.SERVER_ERROR
    return FailureKind.REFUSED if status >= 400 else FailureKind.MALFORMED


def _read_seconds(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _read_date(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
