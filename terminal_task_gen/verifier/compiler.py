"""The program that compiles the kit for a sandbox's own interpreter; only ever executed inside one: IN.zip OUT.zip.

Stands alone: standard library, Python 3.10 or later. Modules go in as bytecode only, beside what is no module.
"""

from __future__ import annotations

import importlib.util
import marshal
import sys
import zipfile

_UNCHECKED_HASH = (1).to_bytes(4, "little")
"""PEP 552 flags: hash-based, never checked against a source, which the kit does not hold."""


def compile_zip(source_path: str, target_path: str) -> None:
    with zipfile.ZipFile(source_path) as source, zipfile.ZipFile(target_path, "w", zipfile.ZIP_STORED) as target:
        for name in source.namelist():
            content = source.read(name)
            if not name.endswith(".py"):
                target.writestr(zipfile.ZipInfo(name), content)
                continue
            code = compile(content, name, "exec", dont_inherit=True, optimize=0)
            header = importlib.util.MAGIC_NUMBER + _UNCHECKED_HASH + importlib.util.source_hash(content)
            target.writestr(zipfile.ZipInfo(name + "c"), header + marshal.dumps(code))


if __name__ == "__main__":
    compile_zip(sys.argv[1], sys.argv[2])
