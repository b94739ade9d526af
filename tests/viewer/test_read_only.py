"""`ttg view` of a run on a read-only mount (root ignores permissions): index and notes go elsewhere."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.export.samples import make_run

pytestmark = pytest.mark.bubblewrap


class Site:
    """A served run."""

    def __init__(self, printed: str) -> None:
        found = re.search(r"(http://\S+)\?token=(\S+)", printed)
        assert found, printed
        self._address, self._token = found.groups()

    def ask(self, path: str, body: object = None) -> Any:
        """A GET, or a PUT of a body."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        request = urllib.request.Request(
            self._address + path, data, headers=headers, method="GET" if data is None else "PUT"
        )
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read())

    def wait(self) -> dict[str, Any]:
        """The run, once it is indexed."""
        deadline = time.monotonic() + 60
        while True:
            run: dict[str, Any] = self.ask("api/runs")["runs"][0]
            if run["index"]["state"] == "ready":
                return run
            assert time.monotonic() < deadline, run
            time.sleep(0.05)


@contextmanager
def serve_read_only(run: Path, read_only: Path, cache: Path) -> Iterator[Site]:
    """`ttg view RUN` where `read_only` is mounted so."""
    mounts = ["--dev-bind", "/", "/", "--ro-bind", str(read_only), str(read_only), "--die-with-parent"]
    command = ["bwrap", *mounts, "--setenv", "XDG_CACHE_HOME", str(cache)]
    command += [sys.executable, "-m", "terminal_task_gen", "view", str(run), "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Site(process.stdout.readline())
        finally:
            process.terminate()


def list_files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("what", ["the run", "its folder too"])
def test_notes_on_a_read_only_run_are_kept_beside_its_index(tmp_path: Path, what: str) -> None:
    runs, cache = tmp_path / "runs", tmp_path / "cache"
    run = make_run(runs, "kept")
    before = list_files(runs)
    read_only = run if what == "the run" else runs
    with serve_read_only(run, read_only, cache) as site:
        told = site.wait()["notes"]
        row_id = site.ask("api/runs/kept/trajectories")["rows"][0]["id"]
        saved = site.ask(f"api/runs/kept/notes/{row_id}", {"labels": ["odd"], "text": "look here"})
    assert told["writable"] and saved["labels"] == ["odd"]
    home = runs / ".cache" / "view" if what == "the run" else cache / "ttg" / "view"
    assert [path.name for path in home.glob("kept-*/notes.jsonl")] == ["notes.jsonl"]
    assert told["path"] == str(next(home.glob("kept-*/notes.jsonl")))
    assert {path for path in list_files(runs) if ".cache" not in path.parts} == before
    with serve_read_only(run, read_only, cache) as site:
        site.wait()
        assert site.ask("api/runs/kept/trajectories?label=odd")["total"] == 1
        assert site.ask(f"api/runs/kept/notes/{row_id}")["text"] == "look here"


def test_notes_that_a_read_only_run_brings_along_are_shown_and_cannot_be_changed(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs", "kept")
    (run / "notes.jsonl").write_text('{"id": "x", "labels": ["theirs"], "text": "", "updated": null}\n')
    with serve_read_only(run, run, tmp_path / "cache") as site:
        assert not site.wait()["notes"]["writable"]
        assert site.ask("api/runs/kept/notes")["labels"] == {"theirs": 1}
        row_id = site.ask("api/runs/kept/trajectories")["rows"][0]["id"]
        with pytest.raises(urllib.error.HTTPError) as refused:
            site.ask(f"api/runs/kept/notes/{row_id}", {"labels": ["odd"], "text": ""})
    assert "read-only" in json.loads(refused.value.read())["error"]["message"]
