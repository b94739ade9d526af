"""What a command wrote to one stream, cut at a limit.

Taking never stops at the limit: what comes after it is thrown away, so the command is not blocked by a full pipe.
"""

from __future__ import annotations


class Output:
    def __init__(self, max_bytes: int) -> None:
        self._room = max_bytes
        self._chunks: list[bytes] = []
        self.truncated = False

    def take(self, chunk: bytes) -> None:
        if len(chunk) > self._room:
            self.truncated = True
        if self._room:
            self._chunks.append(chunk[: self._room])
            self._room -= len(self._chunks[-1])

    @property
    def content(self) -> bytes:
        return b"".join(self._chunks)
