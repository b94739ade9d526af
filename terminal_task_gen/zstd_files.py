"""Files compressed with zstd, read as a stream; a damaged or cut-off one says so instead of ending early."""

from __future__ import annotations

import io
from pathlib import Path

from terminal_task_gen.errors import PrerequisiteError

BLOCK_BYTES = 1 << 17


def open_zstd(path: Path) -> io.BufferedReader:
    """For reading, frame after frame.

    Raises PrerequisiteError when the extra is missing; reading raises OSError at a damaged frame, EOFError at the end
    of a file that was cut off.
    """
    try:
        import zstandard  # noqa: F401
    except ImportError as error:
        raise PrerequisiteError(f"{path} needs zstandard; pip install 'terminal-task-gen[zstd]'") from error
    return io.BufferedReader(_ZstdStream(path), buffer_size=BLOCK_BYTES)


class _ZstdStream(io.RawIOBase):
    def __init__(self, path: Path) -> None:
        import zstandard

        self._unpacker = zstandard.ZstdDecompressor()
        self._error = zstandard.ZstdError
        self._frame = self._unpacker.decompressobj()
        self._begun = False
        self._ready = memoryview(b"")
        self._file = path.open("rb")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        target = memoryview(buffer)  # type: ignore[arg-type]  # io asks for a buffer, which has no type before 3.12
        while not self._ready:
            packed = self._file.read(BLOCK_BYTES)
            if not packed and not self._begun:
                return 0
            if not packed:
                raise EOFError("zstd data ends within a frame")
            self._ready = memoryview(self._unpack(packed))
        size = min(len(target), len(self._ready))
        target[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def close(self) -> None:
        self._file.close()
        super().close()

    def _unpack(self, packed: bytes) -> bytes:
        pieces = []
        try:
            while packed:
                pieces.append(self._frame.decompress(packed))
                self._begun = not self._frame.eof
                packed = self._frame.unused_data if self._frame.eof else b""
                if self._frame.eof:
                    self._frame = self._unpacker.decompressobj()
        except self._error as error:
            raise OSError(f"damaged zstd frame ({error})") from error
        return b"".join(pieces)
