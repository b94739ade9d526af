"""Recording of a terminal as an asciicast v2 file (one JSON value a line), written as the output comes.

Times are real. Characters that arrive in pieces are put together first. At `max_bytes` the recording ends with a marker
that says so; output that tmux withheld leaves a marker as well. A file that cannot be written (disk full) ends the
recording, never the rollout: `error` then says why.
"""

from __future__ import annotations

import codecs
import time
from pathlib import Path
from typing import IO

import orjson

FLUSH_SEC = 1.0


class Recording:
    """One file; the clock starts when it is made."""

    def __init__(self, path: Path, *, columns: int, rows: int, term: str, max_bytes: int = 50_000_000) -> None:
        self.error = ""
        self._max_bytes = max_bytes
        self._written_bytes = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._began = self._flushed = time.monotonic()
        self._file: IO[bytes] | None = None
        header = {
            "version": 2,
            "width": columns,
            "height": rows,
            "timestamp": int(time.time()),
            "env": {"SHELL": "/bin/bash", "TERM": term},
        }
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("wb")
        except OSError as error:
            self.error = str(error)
        self._write_line(header)

    def write(self, data: bytes) -> None:
        """Output of the pane, as it came just now."""
        text = self._decoder.decode(data)
        if text:
            self._write_event("o", text)

    def mark_gap(self) -> None:
        """Output is missing here."""
        self._decoder.reset()
        self._write_event("m", "output skipped")

    def close(self) -> None:
        """Idempotent."""
        if self._file is None:
            return
        self._write_event("o", self._decoder.decode(b"", final=True))
        self._stop()

    def _write_event(self, kind: str, text: str) -> None:
        if self._file is None or not text:
            return
        now = time.monotonic()
        self._write_line([round(now - self._began, 6), kind, text])
        if self._written_bytes > self._max_bytes:
            self._write_line([round(now - self._began, 6), "m", f"recording cut at {self._max_bytes} bytes"])
            self._stop()
        elif now - self._flushed > FLUSH_SEC:
            self._flushed = now
            self._guard_flush()

    def _write_line(self, value: object) -> None:
        line = orjson.dumps(value) + b"\n"
        self._written_bytes += len(line)
        try:
            if self._file is not None:
                self._file.write(line)
        except OSError as error:
            self._fail(error)

    def _guard_flush(self) -> None:
        try:
            if self._file is not None:
                self._file.flush()
        except OSError as error:
            self._fail(error)

    def _stop(self) -> None:
        file, self._file = self._file, None
        try:
            if file is not None:
                file.close()
        except OSError as error:
            self.error = str(error)

    def _fail(self, error: OSError) -> None:
        self.error = str(error)
        self._stop()
