"""Writes a small Harbor task directory."""

from __future__ import annotations

from pathlib import Path

TOML = """
schema_version = "1.4"
[task]
name = "acme/hello"
[metadata]
difficulty = "easy"
category = "files"
tags = ["demo"]
[agent]
timeout_sec = 120
[verifier]
timeout_sec = 60
env = { LEVEL = "${LEVEL:-3}" }
[environment]
memory_mb = 512
network_mode = "no-network"
env = { GREETING = "hi there" }
"""
DOCKERFILE = """
FROM ttg-base:latest
ENV PATH=/opt/tool/bin:$PATH
RUN mkdir -p /opt/tool/bin && cd /opt/tool/bin && printf '#!/bin/sh\\necho tool-$GREETING\\n' > tool && chmod +x tool
WORKDIR /work/inner
COPY data.txt .
"""
TEST_SH = """#!/bin/bash
echo level $LEVEL in $PWD
if [ "$(cat out.txt)" = "tool-hi there" ]; then echo 1; else echo 0; fi > /logs/verifier/reward.txt
"""
INSTRUCTION = (
    "<!-- harbor-canary GUID abc -->\n# canary 1\n# Hello\n\nWrite what `tool` prints to /work/inner/out.txt.\n"
)


def write_directory(folder: Path, files: dict[str, str | None] | None = None) -> Path:
    """`files` go on top of the good ones; None leaves one out."""
    good: dict[str, str | None] = {
        "task.toml": TOML,
        "instruction.md": INSTRUCTION,
        "environment/Dockerfile": DOCKERFILE,
        "environment/data.txt": "42\n",
        "tests/test.sh": TEST_SH,
        "solution/solve.sh": "#!/bin/sh\ntool > out.txt\n",
    }
    for name, text in {**good, **(files or {})}.items():
        if text is not None:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return folder
