"""From request to task or rejection, over HTTP from a scripted endpoint and through real sandboxes (bubblewrap)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from terminal_task_gen.config import Config, EndpointConfig, GenerateConfig
from terminal_task_gen.errors import Cause
from terminal_task_gen.events import DraftExamined, Event
from terminal_task_gen.generate.author import Author
from terminal_task_gen.generate.ladder import Screens
from terminal_task_gen.generate.prompts import PROMPT_VERSION
from terminal_task_gen.sandbox import SandboxSpec
from terminal_task_gen.sandbox.bubblewrap import BubblewrapFactory, BubblewrapSandbox
from terminal_task_gen.seeds import Seed
from terminal_task_gen.task import Rejection, Request, Task
from terminal_task_gen.taxonomy import Domain
from terminal_task_gen.teacher.client import OpenAITeacher
from terminal_task_gen.teacher.faults import NO_FAULTS, FaultProfile
from terminal_task_gen.teacher.scripted import serve_scripted

pytestmark = pytest.mark.bubblewrap

TESTS = """import json
from pathlib import Path

OUT = Path("/app/out/totals.json")


def read_totals():
    assert OUT.is_file(), "totals.json is missing"
    return json.loads(OUT.read_text())


def test_totals():
    assert read_totals() == {"EUR": 3, "USD": 2}, "wrong totals"


def test_sorted():
    assert list(read_totals()) == sorted(read_totals()), "currencies are not sorted"
"""
SOLUTION = """#!/bin/bash
mkdir -p /app/out
python3 - <<'PY'
import collections, csv, json
totals = collections.Counter()
for row in csv.DictReader(open("/app/data/in.csv")):
    totals[row["currency"]] += int(row["amount"])
json.dump(dict(sorted(totals.items())), open("/app/out/totals.json", "w"))
PY
"""
INSTRUCTION = (
    "The payments of the day are in `/app/data/in.csv`. Write the total of each currency to `/app/out/totals.json`, "
    "an object from currency code to whole amount, codes in alphabetical order."
)
DOMAIN = Domain(
    name="ledger",
    title="Ledgers",
    image="base",
    role="You keep books.",
    focus=("Sums",),
    skills={"k": ("Add up amounts",)},
)
REQUEST = Request(
    id="req-1", mode="skill", domain="ledger", difficulty="easy", index=4, ordinal=1, skills=("Add up amounts",)
)


@dataclass(frozen=True)
class Sample:
    """A reply; each part can be spoilt."""

    instruction: str = INSTRUCTION
    files: dict[str, str] = field(default_factory=lambda: {"data/in.csv": "currency,amount\nUSD,2\nEUR,1\nEUR,2\n"})
    tests: str = TESTS
    weights: str = '{"test_totals": 0.75, "test_sorted": 0.25}'
    solution: str = SOLUTION

    def compose_json(self) -> str:
        return json.dumps(
            {
                "title": "Totals",
                "instruction": self.instruction,
                "files": [{"path": path, "content": content} for path, content in self.files.items()],
                "tests": self.tests,
                "weights": [{"test": name, "weight": weight} for name, weight in json.loads(self.weights).items()],
                "skills": ["add  up amounts."],
                "tags": ["csv"],
                "solution": self.solution,
            }
        )

    def compose(self) -> str:
        files = "".join(f'<file path="{path}">\n{content}</file>\n' for path, content in self.files.items())
        return (
            f"Here it is.\n\n<task>\n<title>Totals</title>\n<instruction>\n{self.instruction}\n</instruction>\n"
            f"<files>\n{files}</files>\n<tests>\n{self.tests}</tests>\n<weights>\n{self.weights}\n</weights>\n"
            '<metadata>\n{"skills": ["add  up amounts.", "an invention"], "tags": ["csv"]}\n</metadata>\n'
            f"<solution>\n{self.solution}</solution>\n</task>\n"
        )


GOOD = Sample()
GATES = ["draft", "static", "leak", "collect", "fail_first", "oracle", "flake", "budget"]


class DyingFactory(BubblewrapFactory):
    """Its first sandboxes die as soon as they are started."""

    def __init__(self, deaths: int = 0) -> None:
        super().__init__()
        self.deaths = deaths
        self.started = 0

    async def start(self, spec: SandboxSpec) -> BubblewrapSandbox:
        sandbox = await super().start(spec)
        self.started += 1
        if self.started <= self.deaths:
            await sandbox.close()
        return sandbox


@asynccontextmanager
async def hire(
    folder: Path, *replies: Sample | str, faults: FaultProfile = NO_FAULTS, deaths: int = 0, **generate: Any
) -> AsyncIterator[Author]:
    """An author whose endpoint gives these replies, one a turn, the last one again and again."""
    script = folder / "ledger" / "sample"
    script.mkdir(parents=True)
    (script / "script.yaml").write_text("author: {match: ['^Task category: ledger$']}\n")
    for number, reply in enumerate(replies, start=1):
        (script / f"author-{number}.md").write_text(reply if isinstance(reply, str) else reply.compose())
    factory = DyingFactory(deaths)
    async with serve_scripted([folder], faults=faults) as server:
        endpoint = EndpointConfig(base_url=server.base_url, model="m", api_key_env="", max_retries=0)
        teacher = OpenAITeacher(endpoint)
        try:
            yield Author(
                teacher=teacher,
                factory=factory,
                config=Config(generate=GenerateConfig(**generate)),
                domains={"ledger": DOMAIN},
                seeds={"s": Seed(id="s", problem="What is 1 + 1?", domain="ledger")},
                image_texts={"base": "FROM debian"},
                image_digests={"base": "sha256:1"},
                image_manifests={"base": "base-1"},
                run_id="run",
            )
        finally:
            await teacher.close()
            await factory.close()


async def write(folder: Path, *replies: Sample | str, **options: Any) -> Task | Rejection:
    async with hire(folder, *replies, **options) as author:
        return await author.write_task(REQUEST)


async def refuse(folder: Path, reply: Sample | str, **options: Any) -> Rejection:
    result = await write(folder, reply, **{"repair_rounds": 0, **options})
    assert isinstance(result, Rejection), result.gates
    assert (result.id, result.stage, result.domain, result.mode) == ("req-1", "generate", "ledger", "skill")
    return result


async def test_a_good_reply_becomes_a_task(tmp_path: Path) -> None:
    task = await write(tmp_path, GOOD)
    assert isinstance(task, Task), task
    assert [result.gate for result in task.gates] == GATES
    assert task.gates[4].evidence == "none of 2 tests passes untouched"
    assert task.weights == {"test_totals": 0.75, "test_sorted": 0.25}
    assert task.skills == ("Add up amounts",), "as in the taxonomy, without the invention"
    assert (task.title, task.image, task.difficulty, task.tags) == ("Totals", "base", "easy", ("csv",))
    assert task.solution == SOLUTION
    assert task.lineage.model_dump() == {
        "request_id": "req-1",
        "mode": "skill",
        "index": 4,
        "seed_id": None,
        "skills": ("Add up amounts",),
        "axes": {"scenario": "", "artifact": "", "constraint": "", "check": ""},
        "dataset": None,
        "dataset_row": None,
        "author_model": "m",
        "prompt_version": PROMPT_VERSION,
        "repair_rounds": 0,
        "refusals": (),
        "image_digest": "sha256:1",
        "image_manifest": "base-1",
    }
    assert task.usage.calls == 1
    assert task.id.startswith("ledger-")


async def test_the_same_reply_gives_the_same_task(tmp_path: Path) -> None:
    async with hire(tmp_path, GOOD) as author:
        first, second = await asyncio.gather(author.write_task(REQUEST), author.write_task(REQUEST))
    assert first == second


async def test_a_seed_becomes_a_task(tmp_path: Path) -> None:
    async with hire(tmp_path, GOOD) as author:
        task = await author.write_task(REQUEST.model_copy(update={"mode": "seed", "seed_id": "s", "skills": ()}))
    assert isinstance(task, Task)
    assert (task.lineage.seed_id, task.skills) == ("s", ())


async def test_a_reply_by_schema_becomes_the_same_task(tmp_path: Path) -> None:
    tagged = await write(tmp_path / "tags", GOOD)
    structured = await write(tmp_path / "json", GOOD.compose_json(), structured=True)
    assert isinstance(tagged, Task)
    assert isinstance(structured, Task), structured
    assert (structured.id, structured.skills) == (tagged.id, tagged.skills)


async def test_one_repair_mends_what_a_gate_found(tmp_path: Path) -> None:
    task = await write(tmp_path, replace(GOOD, weights='{"test_totals": 0.5}'), GOOD)
    assert isinstance(task, Task), task
    assert task.lineage.repair_rounds == 1
    assert task.usage.calls == 2


async def test_repairs_are_bounded_and_the_last_failure_counts(tmp_path: Path) -> None:
    rejection = await write(tmp_path, "I cannot.", replace(GOOD, weights="{}"), GOOD, repair_rounds=1)
    assert isinstance(rejection, Rejection)
    assert (rejection.cause, rejection.reason, rejection.repair_rounds) == (Cause.MERIT, "weights_names", 1)
    assert rejection.usage.calls == 2
    assert "tests without a weight: test_totals, test_sorted" in rejection.evidence
    assert rejection.evidence.startswith("gate static:")


async def test_a_reply_without_a_task_is_refused(tmp_path: Path) -> None:
    assert (await refuse(tmp_path, "I'd rather not.")).reason == "no_task_block"


async def test_a_truncated_reply_is_told_as_such(tmp_path: Path) -> None:
    rejection = await refuse(tmp_path, GOOD, faults=FaultProfile(truncated=1.0))
    assert rejection.reason == "truncated_reply"
    assert rejection.usage.calls == 1


async def test_tests_that_do_not_collect(tmp_path: Path) -> None:
    tests = TESTS.replace("OUT = Path(", "json.loads(Path('/app/out/totals.json').read_text())\nOUT = Path(")
    rejection = await refuse(tmp_path, replace(GOOD, tests=tests))
    assert rejection.reason == "collect"
    assert "FileNotFoundError" in rejection.evidence


async def test_a_test_that_passes_untouched(tmp_path: Path) -> None:
    tests = TESTS.replace("list(read_totals()) ==", "not OUT.exists() or list(read_totals()) ==")
    rejection = await refuse(tmp_path, replace(GOOD, tests=tests))
    assert rejection.reason == "fail_first"
    assert "test_sorted (weight 0.25) passes on an untouched machine" in rejection.evidence
    assert "test_totals" not in rejection.evidence


async def test_a_solution_that_does_not_solve(tmp_path: Path) -> None:
    rejection = await refuse(
        tmp_path, replace(GOOD, solution=SOLUTION.replace("+= int", "-= int") + "echo oops; exit 3\n")
    )
    assert rejection.reason == "oracle"
    assert "exit code 3" in rejection.evidence
    assert "oops" in rejection.evidence
    assert "wrong totals" in rejection.evidence


async def test_a_test_that_dies_on_a_right_result(tmp_path: Path) -> None:
    tests = TESTS.replace('"wrong totals"\n', '"wrong totals"\n    assert read_totals()["GBP"] is None\n')
    rejection = await refuse(tmp_path, replace(GOOD, tests=tests))
    assert rejection.reason == "verifier_crash"
    assert "KeyError" in rejection.evidence


async def test_a_message_that_dies_when_its_test_fails(tmp_path: Path) -> None:
    tests = TESTS.replace('"totals.json is missing"', 'f"{PLACE} is missing"')
    rejection = await refuse(tmp_path, replace(GOOD, tests=tests))
    assert rejection.reason == "verifier_crash"
    assert rejection.evidence.startswith("gate fail_first:")
    assert "NameError" in rejection.evidence


FLAKES = {
    "order_dependent": """    Path("/tmp/mark").write_text("x")


def test_mark():
    assert read_totals() and Path("/tmp/mark").exists(), "no mark"
""",
    "time_dependent": """

def test_mark():
    import datetime
    made = datetime.date.fromtimestamp(OUT.stat().st_mtime) if OUT.exists() else None
    assert made == datetime.date.today(), "not of today"
""",
}


@pytest.mark.parametrize("reason", ["order_dependent", "time_dependent"])
async def test_what_the_tests_depend_on_is_found_and_named(tmp_path: Path, reason: str) -> None:
    sample = replace(
        GOOD, tests=TESTS + FLAKES[reason], weights='{"test_totals": 0.5, "test_sorted": 0.25, "test_mark": 0.25}'
    )
    rejection = await refuse(tmp_path, sample)
    assert rejection.reason == reason, rejection.evidence
    assert rejection.evidence.startswith("gate flake:")
    assert "test_mark failed" in rejection.evidence
    assert isinstance(await write(tmp_path / "off", sample, gates={"flake_proofs": 0}), Task)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("    time.sleep(6)\n", "tests_slow"),
        ("    block = bytearray(90_000_000)\n", "tests_memory"),
        ("    for n in range(60):\n        Path(f'/tmp/{n}').write_text('x')\n", "tests_files"),
        ("    Path('/tmp/big').write_bytes(bytes(4_000_000))\n", "tests_disk"),
        ("    if OUT.exists():\n        import os\n        os._exit(0)\n", "oracle"),
    ],
)
async def test_tests_have_a_budget(tmp_path: Path, line: str, reason: str) -> None:
    tests = "import time\n" + TESTS.replace(
        "def test_totals():\n    assert", f"def test_totals():\n    read_totals()\n{line}    assert"
    )
    limits = {"verifier_timeout_sec": 10.0}
    gates = {"max_test_memory_mb": 100, "max_test_files": 50, "max_test_written_mb": 3}
    rejection = await refuse(tmp_path, replace(GOOD, tests=tests), limits=limits, gates=gates)
    assert rejection.reason == reason, rejection.evidence
    assert rejection.evidence.startswith("gate oracle:" if reason == "oracle" else "gate budget:")


async def test_each_round_is_told_with_the_cost_of_its_gates(tmp_path: Path) -> None:
    events: list[Event] = []
    async with hire(
        tmp_path, "No.", replace(GOOD, weights="{}", tests=f"import requests\n{TESTS}"), GOOD, repair_rounds=2
    ) as author:
        author.listener = events.append
        task = await author.write_task(REQUEST)
    assert isinstance(task, Task), task
    examined = [event for event in events if isinstance(event, DraftExamined)]
    assert [(event.round, event.gate, event.reasons) for event in examined] == [
        (0, "draft", ("no_task_block",)),
        (1, "static", ("foreign_import", "weights_names", "weights_sum")),
        (2, "", ()),
    ]
    assert [refusal.gate for refusal in task.lineage.refusals] == ["draft", "static"]
    assert list(examined[2].seconds) == ["static", "leak", "collect", "fail_first", "oracle", "flake", "budget"]
    assert all(seconds >= 0 for seconds in examined[2].seconds.values())


async def test_what_is_known_is_refused_before_a_sandbox_is_started(tmp_path: Path) -> None:
    async with hire(tmp_path, GOOD, repair_rounds=0) as author:
        author.screens = Screens(duplicate=lambda text: "as task x", contamination=lambda text: "as benchmark y")
        rejection = await author.write_task(REQUEST)
        assert isinstance(rejection, Rejection)
        assert isinstance(author.factory, DyingFactory)
        assert author.factory.started == 0
    assert rejection.reason == "duplicate"
    assert [refusal.reasons for refusal in rejection.refusals] == [("duplicate", "contamination")]
    assert "as benchmark y" in rejection.evidence


async def test_a_solution_that_never_ends(tmp_path: Path) -> None:
    limits = {"agent_timeout_sec": 1.0}
    rejection = await refuse(tmp_path, replace(GOOD, solution="echo waiting\nsleep 60\n"), limits=limits)
    assert rejection.reason == "oracle_timeout"
    assert "waiting" in rejection.evidence


async def test_without_a_solution_there_is_no_oracle(tmp_path: Path) -> None:
    task = await write(tmp_path, GOOD, reference_solution=False)
    assert isinstance(task, Task)
    assert task.solution is None
    assert [result.gate for result in task.gates][-1] == "fail_first"


async def test_a_suite_that_can_never_pass_is_refused_without_a_solution_too(tmp_path: Path) -> None:
    tests = TESTS.replace('assert OUT.is_file(), "totals.json is missing"', "").replace("json.loads", "json.laods")
    tests = tests.replace("(OUT.read_text())", '("{}")')
    rejection = await refuse(tmp_path, replace(GOOD, tests=tests), reference_solution=False)
    assert rejection.reason == "verifier_crash"
    assert "module 'json' has no attribute 'laods'" in rejection.evidence


async def test_a_missing_output_may_crash_a_test(tmp_path: Path) -> None:
    tests = TESTS.replace('assert OUT.is_file(), "totals.json is missing"', "")
    task = await write(tmp_path, replace(GOOD, tests=tests), reference_solution=False)
    assert isinstance(task, Task), task
    assert "crashed: test_totals, test_sorted" in task.gates[-1].evidence


async def test_a_server_that_the_solution_leaves_running_can_still_write(tmp_path: Path) -> None:
    tests = """import time
import urllib.request
from pathlib import Path


def test_totals():
    assert Path("/app/out/totals.json").is_file(), "totals.json is missing"
    for attempt in range(100):
        try:
            body = urllib.request.urlopen("http://127.0.0.1:8123/out/totals.json", timeout=5).read()
            break
        except ConnectionRefusedError:
            time.sleep(0.1)
    assert body.startswith(b"{"), "not served"
"""
    # It logs each request to its standard error, and fails the request when that is a broken pipe.
    solution = f"{SOLUTION}cd /app\npython3 -m http.server 8123 &\n"
    sample = replace(GOOD, tests=tests, weights='{"test_totals": 1.0}', solution=solution)
    task = await write(tmp_path, sample)
    assert isinstance(task, Task), task.evidence


async def test_evidence_of_a_solution_does_not_depend_on_where_it_ran(tmp_path: Path) -> None:
    rejection = await refuse(tmp_path, replace(GOOD, solution="#!/bin/bash\nno-such-program\n"))
    assert "/run/solution/solve.sh: line 2: no-such-program: command not found" in rejection.evidence


async def test_a_sandbox_that_dies_is_replaced_once(tmp_path: Path) -> None:
    assert isinstance(await write(tmp_path, GOOD, deaths=1), Task)


async def test_sandboxes_that_keep_dying_are_no_fault_of_the_draft(tmp_path: Path) -> None:
    rejection = await refuse(tmp_path, GOOD, deaths=2, repair_rounds=3)
    assert rejection.cause is Cause.SANDBOX_FAILED
    assert (rejection.repair_rounds, rejection.usage.calls) == (0, 1)


async def test_an_endpoint_that_fails_leaves_the_request_owed(tmp_path: Path) -> None:
    rejection = await refuse(tmp_path, GOOD, faults=FaultProfile(server_error=1.0))
    assert rejection.cause is Cause.TEACHER_UNAVAILABLE
    assert rejection.usage.calls == 0


async def test_evidence_is_bounded(tmp_path: Path) -> None:
    names = "".join(f"def test_{n}():\n    assert True\n" for n in range(200))
    assert len((await refuse(tmp_path, replace(GOOD, tests=names))).evidence) == 4_000
