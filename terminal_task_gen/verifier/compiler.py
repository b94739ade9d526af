"""The program that compiles the kit for a sandbox's own interpreter; only ever executed inside one, from stdin
to stdout.

Stands alone: standard library, Python 3.10 or later. What does not compile stays source.
"""

from __future__ import annotations

import marshal
import sys
import zlib


def compile_module(source: str, path: str) -> bytes | str:
    try:
        return marshal.dumps(compile(source, path, "exec", dont_inherit=True, optimize=0))
    except SyntaxError:
        return source


def compile_kit(kit: bytes) -> bytes:
    modules = marshal.loads(zlib.decompress(kit))
    compiled = {name: (kind, path, compile_module(text, path)) for name, (kind, path, text) in modules.items()}
    return zlib.compress(marshal.dumps(compiled))


if __name__ == "__main__":
    sys.stdout.buffer.write(compile_kit(sys.stdin.buffer.read()))
