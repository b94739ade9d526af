"""Preview and estimate: they show what the run will be, leave no run behind, and nothing of them is paid for twice."""

from __future__ import annotations

import tempfile
from pathlib import Path

import orjson
import pytest
import yaml

from benchmarks.faults.campaign import serve
from benchmarks.faults.repertoire import DOMAIN, write_repertoire
from tests.e2e.test_rerun import NOWHERE, generate, read_rows, run_ttg

pytestmark = [pytest.mark.bubblewrap, pytest.mark.slow]
PRICES = {"prompt_usd_per_mtok": 1.0, "completion_usd_per_mtok": 5.0}


def list_rehearsals() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("ttg-rehearsal-*"))


def test_a_preview_shows_tasks_and_the_run_does_not_ask_for_them_again(tmp_path: Path) -> None:
    before = list_rehearsals()
    write_repertoire(tmp_path / "repertoire")
    with serve(tmp_path, "", 0.0) as server:
        shown = generate(tmp_path / "runs", "first", server.base_url, "--preview", "26")
    assert shown.returncode == 0, shown.stderr
    for words in ("gates passed", "solution (private)", "oracle", "rejected request", "no run was written"):
        assert words in shown.stdout
    assert not (tmp_path / "runs" / "first").exists() and list_rehearsals() <= before
    made = generate(tmp_path / "runs", "first", NOWHERE)
    assert made.returncode == 0, made.stderr
    rows = [orjson.loads(row) for row in read_rows(tmp_path / "runs" / "first")]
    tasks = [row for row in rows if "lineage" in row]
    assert len(rows) == 26 and f"{len(tasks)} tasks, {26 - len(tasks)} refused" in shown.stdout
    assert all(task["id"] in shown.stdout for task in tasks)


def test_an_estimate_of_all_is_what_the_run_uses(tmp_path: Path) -> None:
    write_repertoire(tmp_path / "repertoire")
    config = tmp_path / "plan.yaml"
    author = {"model": "m", "api_key_env": "", "max_retries": 0, **PRICES}
    plan = {
        "name": "plan",
        "output_dir": str(tmp_path / "runs"),
        "teacher": {"author": author},
        "generate": {"domains": [DOMAIN], "count": 26, "repair_rounds": 1},
        "sandbox": {"driver": "bubblewrap"},
    }
    config.write_text(yaml.safe_dump(plan))
    with serve(tmp_path, "", 0.0) as server:
        few = run_ttg("estimate", str(config), "--samples", "13", "--no-rollout", "--base-url", server.base_url)
        assert few.returncode == 0, few.stderr
        assert "26 requests" in few.stdout and "13 new replies" not in few.stdout
        whole = ["--samples", "26", "--no-rollout", "--json", "--base-url", server.base_url]
        found = run_ttg("estimate", str(config), *whole)
    assert found.returncode == 0, found.stderr
    assert not (tmp_path / "runs" / "plan").exists()
    numbers = orjson.loads(found.stdout)
    assert numbers["replayed"]["calls"] > 0, "what the first estimate asked for was known to the second"
    made = generate(tmp_path / "runs", "plan", NOWHERE, "-c", str(config))
    assert made.returncode == 0, made.stderr
    total = orjson.loads((tmp_path / "runs" / "plan" / "tasks" / "report.json").read_bytes())["total"]
    usage = total["usage"]
    assert numbers["author_tokens"]["mid"] == pytest.approx(usage["prompt_tokens"] + usage["completion_tokens"])
    assert numbers["author_usd"]["mid"] == pytest.approx(usage["cost_usd"]) and usage["cost_usd"] > 0
    assert numbers["tasks"]["mid"] == pytest.approx(total["passed"])
    assert numbers["author_tokens"]["low"] <= numbers["author_tokens"]["mid"] <= numbers["author_tokens"]["high"]


def test_what_cannot_be_estimated_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "rows.yaml"
    config.write_text("generate: {modes: [adapt]}\n")
    refused = run_ttg("estimate", str(config))
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "asks no author" in refused.stderr
    config.write_text("{}\n")
    silent = run_ttg("estimate", str(config), "--sandbox", "bubblewrap", "--base-url", "")
    assert silent.returncode == 2 and "base_url" in silent.stderr
