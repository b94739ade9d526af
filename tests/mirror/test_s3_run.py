"""The whole pipeline at a URL, as users run it: killed with its machine, gone on elsewhere, equal to a local run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from terminal_task_gen.cli.main import app
from terminal_task_gen.errors import UsageError
from tests.e2e.demo_run import ENVIRON, read_run, summarise_verdicts
from tests.mirror.s3_objects import KEYS, Bucket

pytestmark = [pytest.mark.bubblewrap, pytest.mark.slow]

SMALL = ["generate.modes=[skill]", "generate.domains=[data_processing]", "generate.count=3", "rollout.parallel=2"]
OFTEN = ["storage.seal_rows=1", "storage.seal_sec=1", "storage.lease_sec=2"]


def command(*arguments: str, overrides: Sequence[str] = ()) -> list[str]:
    flags = [part for one in overrides for part in ("--set", one)]
    return [sys.executable, "-m", "terminal_task_gen", *arguments, *flags]


class Host:
    """A machine: a staging root and an environment."""

    def __init__(self, staging: Path, endpoint: str) -> None:
        self.staging = staging
        self.environ = {**ENVIRON, **KEYS, "TTG_STAGING_DIR": str(staging), "AWS_ENDPOINT_URL": endpoint}

    def run(self, *arguments: str, overrides: Sequence[str] = ()) -> str:
        result = subprocess.run(
            command(*arguments, overrides=overrides),
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
            env=self.environ,
            cwd=self.staging.parent,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout + result.stderr


def list_corpus(files: dict[str, bytes]) -> dict[str, bytes]:
    """Rows, manifest and report."""
    return {name: content for name, content in files.items() if name.endswith((".jsonl", ".json"))}


def test_a_run_at_a_url_survives_its_machine_and_equals_a_local_one(bucket: Bucket, tmp_path: Path) -> None:
    url = f"{bucket.url}/runs"
    lost = Host(tmp_path / "lost", bucket.endpoint)
    demo = command("demo", "--output-dir", url, overrides=[*SMALL, *OFTEN])
    with subprocess.Popen(demo, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=lost.environ) as process:
        deadline = time.monotonic() + 100
        while not bucket.read_rows("runs/demo/trajectories/trajectories-"):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.1)
        os.kill(process.pid, signal.SIGKILL)
    safe = {row["id"] for row in bucket.read_rows("runs/demo/trajectories/trajectories-")}
    shutil.rmtree(lost.staging)

    local = Host(tmp_path / "local", bucket.endpoint)
    local.run("demo", "--output-dir", str(tmp_path / "runs"), overrides=SMALL)
    undisturbed = read_run(tmp_path / "runs" / "demo")

    heir = Host(tmp_path / "heir", bucket.endpoint)
    told = heir.run("demo", "--output-dir", url, overrides=[*SMALL, *OFTEN])
    assert f"corpus: {url}/demo/corpus" in told
    survived = read_run(heir.staging / "s3" / bucket.name / "runs" / "demo")
    assert sorted(t["id"] for t in survived.tasks) == sorted(t["id"] for t in undisturbed.tasks)
    assert summarise_verdicts(survived) == summarise_verdicts(undisturbed)
    assert len(survived.trajectories) == len({row["id"] for row in survived.trajectories})
    rows = bucket.read_rows("runs/demo/trajectories/trajectories-")
    assert safe <= {row["id"] for row in rows}
    assert sorted(row["id"] for row in rows) == sorted(row["id"] for row in undisturbed.trajectories)
    # What the first machine sealed was not done again.
    started = [row for row in bucket.read_rows("runs/demo/logs/") if row["event"] == "StageStarted"]
    assert max(row["done"] for row in started if row["stage"] == "rollout") >= len(safe)

    corpus = "runs/demo/corpus"
    there = {key.removeprefix(f"{corpus}/"): bucket.read(key) for key in bucket.list_keys(f"{corpus}/")}
    folder = tmp_path / "runs" / "demo" / "corpus"
    here = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert list_corpus(there) == list_corpus(here)
    casts = {key.rpartition("/")[2] for key in bucket.list_keys("runs/demo/recordings/")}
    assert casts == {f"{row['id']}.cast" for row in rows}


def ttg(*arguments: str, overrides: Sequence[str] = ()) -> str:
    """A command in this process; what it printed. Raises UsageError."""
    flags = [part for one in overrides for part in ("--set", one)]
    result = CliRunner().invoke(app, [*arguments, *flags], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_every_command_takes_a_url(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that has never seen the run."""
    run, mix = f"{bucket.url}/runs/demo", f"{bucket.url}/mixes/m"
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.endpoint)
    monkeypatch.setenv("TTG_STAGING_DIR", str(tmp_path / "maker"))
    ttg("demo", "--output-dir", f"{bucket.url}/runs", overrides=[*SMALL, "generate.count=1"])
    monkeypatch.setenv("TTG_STAGING_DIR", str(tmp_path / "reader"))
    assert f"{run}: every line can be used" in ttg("doctor", run)
    assert f"corpus: {run}/corpus" in ttg("filter", run, "--preset", "labels-only")
    assert f"in {run}/exports/messages" in ttg("export", run, "--format", "messages")
    assert "runs/demo/exports/messages/export.json" in bucket.list_keys()
    ttg("export", run, "--format", "harbor", "-o", str(tmp_path / "tasks"))
    assert len(list((tmp_path / "tasks").rglob("task.toml"))) == 1
    ttg("mix", run, "-o", mix)
    assert orjson.loads(bucket.read("mixes/m/mix.json"))["sources"][0]["path"] == run
    with pytest.raises(UsageError, match="holds something else"):
        ttg("mix", run, "-o", bucket.url)
    # The replies would come from nowhere, so there had better be nothing to do.
    nowhere = ["--base-url", "http://127.0.0.1:9/v1", "--model", "scripted-teacher"]
    assert "rollout: nothing to do, all 1 were done before" in ttg("rollout", run, *nowhere)
    with pytest.raises(UsageError, match="is not a run directory"):
        ttg("rollout", f"{bucket.url}/runs/none")
