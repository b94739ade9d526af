"""A domain of the user's own, from its scaffold to a proven task, without a line of Python."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from terminal_task_gen.teacher.scripted import serve_scripted
from tests.e2e.demo_run import ENVIRON, read_lines

REPLY = """The scaffold's image has jq, so the task asks for it.

<task>
<title>Berths by quay</title>
<instruction>
The harbour keeps its berths in `/app/berths.json`, a list of objects with `quay` and `length_m`. Write to
`/app/longest.txt` the name of each quay and the length of its longest berth, a line `quay length` each, by name.
Use jq.
</instruction>
<files>
<file path="berths.json">
[{"quay": "west", "length_m": 40}, {"quay": "east", "length_m": 55}, {"quay": "west", "length_m": 72}]
</file>
</files>
<tests>
import shutil
from pathlib import Path


def test_longest():
    assert shutil.which("jq"), "the image has no jq"
    path = Path("/app/longest.txt")
    assert path.is_file(), "longest.txt is missing"
    assert path.read_text().split() == ["east", "55", "west", "72"], "wrong berths"
</tests>
<weights>
{"test_longest": 1.0}
</weights>
<metadata>
{"skills": [], "tags": ["jq"]}
</metadata>
<solution>
jq -r 'group_by(.quay)[] | max_by(.length_m) | "\\(.quay) \\(.length_m)"' /app/berths.json > /app/longest.txt
</solution>
</task>
"""


@pytest.fixture
def domain() -> Iterator[str]:
    """A name that no image here has; its image goes at the end."""
    name = f"harbour_{uuid.uuid4().hex[:8]}"
    yield name
    subprocess.run(["docker", "rmi", "--force", f"ttg-{name}:latest"], capture_output=True, timeout=60, check=False)


async def run_ttg(cwd: Path, *args: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "terminal_task_gen", *args),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=cwd,
        env=ENVIRON,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    return out.decode()


@pytest.mark.docker
@pytest.mark.slow
async def test_scaffold_image_and_task(domain: str, tmp_path: Path) -> None:
    folders = ["--taxonomy", "my_taxonomy", "--images", "my_images"]
    said = await run_ttg(tmp_path, "domains", "new", domain, *folders)
    assert f"ttg images build {domain} --images my_images" in said
    assert "built" in await run_ttg(tmp_path, "images", "build", domain, "--images", "my_images")
    assert "4 tools promised, holds all of them" in await run_ttg(tmp_path, "images", "check", domain, *folders)
    script = tmp_path / "scripts" / domain / "berths"
    script.mkdir(parents=True)
    (script / "script.yaml").write_text(f"author: {{match: ['^Task category: {domain}$']}}\n")
    (script / "author-1.md").write_text(REPLY)
    async with serve_scripted([tmp_path / "scripts"]) as server:
        endpoint = ["--base-url", server.base_url, "--model", "m", "--api-key-env", ""]
        options = ["--mode", "skill", "--domain", domain, "-n", "1", "--sandbox", "docker"]
        await run_ttg(tmp_path, "generate", *options, *folders, *endpoint)
    (task,) = read_lines(tmp_path / "runs" / "run", "tasks/tasks-*.jsonl")
    assert (task["domain"], task["image"]) == (domain, domain)
    evidence = {gate["gate"]: gate["evidence"] for gate in task["gates"]}
    assert evidence["oracle"].startswith("all 1 tests pass")
    manifest = orjson.loads((tmp_path / f"runs/run/images/{task['lineage']['image_manifest']}.json").read_bytes())
    assert {"jq", "sqlite3", "tmux"} <= set(manifest["packages"])
