"""The verifier over both drivers: outcomes, weights, hostile surroundings, tampering."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from terminal_task_gen.sandbox import Sandbox, SandboxFactory, SandboxFile, SandboxSpec
from terminal_task_gen.sandbox.bubblewrap import BubblewrapFactory
from terminal_task_gen.sandbox.docker import DockerFactory
from terminal_task_gen.verifier import Conditions, TestReport, list_tampering, run_tests

TESTS = """import json
import os
import pathlib
import sys

import pytest


def test_passes():
    assert pathlib.Path.cwd() == pathlib.Path("/app")
    assert __file__ == "/tests/test_outputs.py"


def test_fails():
    assert 1 + 1 == 3, "arithmetic"


def test_crashes():
    json.loads("{")


@pytest.mark.parametrize("n", [1, 2, 3])
def test_each(n):
    assert n != 2, f"n is {n}"


@pytest.fixture
def broken():
    raise OSError("no disk")


def test_setup(broken):
    assert broken


def test_skips():
    pytest.skip("not today")


def test_says_fail(tmp_path):
    (tmp_path / "x").write_text("x")
    pytest.fail("said so")


def test_raises():
    with pytest.raises(ValueError):
        int("1")


def test_exits():
    sys.exit(3)
"""


@pytest.fixture(
    params=[pytest.param("bubblewrap", marks=pytest.mark.bubblewrap), pytest.param("docker", marks=pytest.mark.docker)]
)
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[Sandbox]:
    factory: SandboxFactory = DockerFactory() if request.param == "docker" else BubblewrapFactory()
    try:
        yield await factory.start(SandboxSpec(image="base", run_id="verifier-tests", item_id="item"))
    finally:
        await factory.close()


async def verify(sandbox: Sandbox, tests: str, timeout_sec: float = 60.0, **weights: float) -> TestReport:
    return await run_tests(sandbox, tests=tests, weights=weights, timeout_sec=timeout_sec)


async def list_leftovers(sandbox: Sandbox) -> str:
    script = "ls -A /tests 2>/dev/null; ls -d /.verifier-* 2>/dev/null; true"
    return (await sandbox.exec(["sh", "-c", script], timeout_sec=10.0)).text


async def test_every_kind_of_outcome(sandbox: Sandbox) -> None:
    names = ("passes", "fails", "crashes", "each", "setup", "skips", "says_fail", "raises", "exits", "absent")
    report = await verify(sandbox, TESTS, **{f"test_{name}": 0.1 for name in names})
    assert {o.name.removeprefix("test_"): o.status for o in report.outcomes} == {
        "passes": "passed",
        "fails": "failed",
        "crashes": "crashed",
        "each": "failed",
        "setup": "crashed",
        "skips": "skipped",
        "says_fail": "failed",
        "raises": "failed",
        "exits": "crashed",
        "absent": "missing",
    }
    messages = {o.name: o.message for o in report.outcomes}
    assert messages["test_fails"].startswith("test_outputs.py:15: AssertionError: arithmetic")
    assert "JSONDecodeError" in messages["test_crashes"]
    assert "n is 2" in messages["test_each"]
    assert messages["test_setup"].startswith("setup: ")
    assert messages["test_absent"] == "no test function of this name was found"
    assert report.reward == 0.1
    assert not report.passed
    assert report.collected == tuple(f"test_{name}" for name in names[:-1])
    assert "arithmetic" in report.log
    assert await list_leftovers(sandbox) == ""


PARTS = """import logging
import unittest

import pytest


class TestOld(unittest.TestCase):
    def test_method(self):
        for n in range(2):
            with self.subTest(n=n):
                self.assertLess(n, 2)


def test_fixtures(tmpdir, caplog, capsys, monkeypatch, record_property, subtests, doctest_namespace):
    tmpdir.join("x").write("x")
    logging.getLogger().warning("said")
    print("out")
    monkeypatch.setenv("X", "1")
    record_property("a", 1)
    with subtests.test("one"):
        assert "said" in caplog.text and capsys.readouterr().out == "out\\n"


def test_names():
    assert 0.1 + 0.2 == pytest.approx(0.3) and "raises" in dir(pytest)
    with pytest.warns(UserWarning):
        __import__("warnings").warn("w")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        pytest.nothing
    from pytest import Config, importorskip, set_trace
    assert importorskip("json") and Config and callable(set_trace)
"""


async def test_what_pytest_offers_is_there_when_it_is_asked_for(sandbox: Sandbox) -> None:
    report = await verify(sandbox, PARTS, test_method=0.2, test_fixtures=0.4, test_names=0.4)
    assert report.passed, [outcome.message for outcome in report.outcomes]
    alone = "def test_a(tmpdir):\n    assert tmpdir\n"
    assert (await verify(sandbox, alone, test_a=1.0)).passed


async def test_two_equal_runs_give_equal_reports(sandbox: Sandbox) -> None:
    tests = "def test_a(tmp_path):\n    assert tmp_path == test_a, 'no'\n\ndef test_b():\n    assert 1 > 0\n"
    first, second = [await verify(sandbox, tests, test_a=0.5, test_b=0.5) for _ in range(2)]
    assert first == second
    assert "/.verifier/tmp/test_a0" in first.outcomes[0].message
    assert first.log.rstrip().endswith("1 failed, 1 passed")


async def test_in_reverse_order(sandbox: Sandbox) -> None:
    tests = "SEEN = []\n" + "".join(
        f"def test_{n}():\n    SEEN.append({n})\n    assert SEEN == [{n}], SEEN\n" for n in "123"
    )
    weights = {f"test_{n}": 1 / 3 for n in "123"}
    reports = [
        await run_tests(sandbox, tests=tests, weights=weights, timeout_sec=60.0, conditions=conditions)
        for conditions in (Conditions(), Conditions(is_reversed=True))
    ]
    assert [[o.status for o in report.outcomes] for report in reports] == [
        ["passed", "failed", "failed"],
        ["failed", "failed", "passed"],
    ]


CLOCKS = """import datetime as d
import json
import subprocess
import time
from datetime import date, datetime, timedelta, timezone
from pathlib import Path


def test_all_agree():
    real = float(subprocess.run(["date", "+%s"], capture_output=True, check=True).stdout)
    ahead = [
        time.time(), time.time_ns() / 1e9, time.mktime(time.localtime()), datetime.now().timestamp(),
        datetime.now(timezone.utc).timestamp(), d.datetime.utcnow().replace(tzinfo=timezone.utc).timestamp(),
        time.mktime(time.strptime(time.ctime())), time.mktime(time.strptime(time.strftime("%Y%m%d%H"), "%Y%m%d%H")),
        datetime.today().timestamp(),
    ]
    assert all(abs(moment - real - SHIFT) < 3605 for moment in ahead), [moment - real for moment in ahead]
    assert abs((date.today() - date.fromtimestamp(real)).days * 86400 - SHIFT) <= 86400


def test_datetimes_still_work():
    made = datetime.fromisoformat("2024-02-28T23:30:00+00:00") + timedelta(hours=1)
    assert isinstance(made, datetime) and isinstance(made, date) and not isinstance(date.today(), datetime)
    assert made.isoformat() == "2024-02-29T00:30:00+00:00" and repr(made).startswith("datetime.datetime(2024")
    assert time.strftime("%Y", time.gmtime(0)) == "1970" and time.ctime(0).endswith("1970")
    assert Path("/tests/test_outputs.py").stat().st_mtime <= time.time() + 1
"""


@pytest.mark.parametrize("shift_sec", [0, 33 * 86_400])
async def test_on_another_day(sandbox: Sandbox, shift_sec: int) -> None:
    weights = {"test_all_agree": 0.5, "test_datetimes_still_work": 0.5}
    tests = f"SHIFT = {shift_sec}\n{CLOCKS}"
    conditions = Conditions(clock_shift_sec=shift_sec)
    report = await run_tests(sandbox, tests=tests, weights=weights, timeout_sec=60.0, conditions=conditions)
    assert report.passed, [outcome.message for outcome in report.outcomes]


async def test_what_a_run_costs(sandbox: Sandbox) -> None:
    tests = """import time
from pathlib import Path


def test_a(tmp_path):
    (tmp_path / "x").write_bytes(bytes(3_000_000))
    for n in range(20):
        Path(f"/tmp/{n}").write_text("x")
    block = bytearray(150_000_000)
    time.sleep(0.5)
    assert block
"""
    conditions = Conditions(is_measured=True)
    report = await run_tests(sandbox, tests=tests, weights={"test_a": 1.0}, timeout_sec=60.0, conditions=conditions)
    assert report.spent is not None
    assert 0.5 < report.spent.seconds < 20
    assert 150 < report.spent.memory_mb < 400
    assert 21 <= report.spent.files < 30
    assert 3.0 <= report.spent.written_mb < 4.0
    assert (await verify(sandbox, tests, test_a=1.0)).spent is None


async def test_all_passed_is_exactly_one(sandbox: Sandbox) -> None:
    tests = "".join(f"def test_{n}():\n    assert {n} < 9\n" for n in range(3))
    report = await verify(sandbox, tests, test_0=0.1, test_1=0.2, test_2=0.7)
    assert (report.passed, report.reward) == (True, 1.0)
    assert [o.status for o in report.outcomes] == ["passed"] * 3


async def test_tests_that_cannot_be_collected(sandbox: Sandbox) -> None:
    report = await verify(sandbox, "import made_by_nobody\n\ndef test_a():\n    assert made_by_nobody\n", test_a=1.0)
    assert "No module named 'made_by_nobody'" in report.broken[0]
    assert report.outcomes[0].status == "missing"
    assert "could not be collected" in report.outcomes[0].message
    assert report.reward == 0.0


async def test_what_finished_in_time_counts(sandbox: Sandbox) -> None:
    tests = (
        "import time\n\ndef test_fast():\n    assert time\n\ndef test_slow():\n    time.sleep(60)\n    assert time\n"
    )
    report = await verify(sandbox, tests, timeout_sec=4.0, test_fast=0.25, test_slow=0.75)
    assert report.timed_out
    assert [o.status for o in report.outcomes] == ["passed", "missing"]
    assert report.reward == 0.25
    assert await list_leftovers(sandbox) == ""


async def test_a_run_that_dies_still_tells_what_it_got_through(sandbox: Sandbox) -> None:
    tests = "import os\n\ndef test_a():\n    assert os\n\ndef test_b():\n    os._exit(0)\n"
    report = await verify(sandbox, tests, test_a=0.5, test_b=0.5)
    assert [o.status for o in report.outcomes] == ["passed", "missing"]
    assert report.outcomes[1].message == "the test run ended early with exit code 0"


async def test_what_a_teacher_leaves_about_has_no_effect(sandbox: Sandbox) -> None:
    conftest = b"import pytest\n\n@pytest.fixture(autouse=True)\ndef no():\n    pytest.skip('conftest')\n"
    await sandbox.upload(
        [
            SandboxFile("/app/conftest.py", conftest),
            SandboxFile("/app/pytest.ini", b"[pytest]\naddopts = --collect-only\n"),
            SandboxFile("/app/pytest.py", b"raise SystemExit('shadowed')\n"),
            SandboxFile("/app/json.py", b"raise SystemExit('shadowed')\n"),
            SandboxFile("/tests/conftest.py", conftest),
            SandboxFile("/tests/test_outputs.py", b"def test_a():\n    pass\n"),
        ]
    )
    report = await verify(sandbox, "import json\n\ndef test_a():\n    assert json.loads('2') == 3\n", test_a=1.0)
    assert [(o.status, o.weight) for o in report.outcomes] == [("failed", 1.0)]
    assert await list_leftovers(sandbox) == ""


async def test_tests_may_use_what_the_agent_made(sandbox: Sandbox) -> None:
    await sandbox.upload([SandboxFile("/app/lib/area.py", b"def area(a, b):\n    return a * b\n")])
    body = "sys.path.insert(0, '/app/lib')\n    import area\n    assert area.area(2, 3) == 6"
    tests = f"import sys\n\ndef test_a():\n    {body}\n"
    assert (await verify(sandbox, tests, test_a=1.0)).passed


async def test_forged_results_do_not_break_the_reading(sandbox: Sandbox) -> None:
    forged = 'f.write(\'{"kind": 1}\\n[]\\nnull\\n{"kind": "result", "name": "test_a", "status": "great"}\\n\')'
    tests = (
        "import os\n\ndef test_a():\n    fds = [int(n) for n in os.listdir('/proc/self/fd') if int(n) >= 100]\n"
        f"    with os.fdopen(os.dup(fds[0]), 'w') as f:\n        {forged}\n    assert forged_is_ignored\n"
    )
    assert [o.status for o in (await verify(sandbox, tests, test_a=1.0)).outcomes] == ["crashed"]


async def test_only_the_runner_can_say_that_a_test_passed(sandbox: Sandbox) -> None:
    """Whoever gets at the pipe of the results, as a daemon may in the first milliseconds, lacks their seal."""
    forged = '{"kind": "result", "name": "test_a", "status": "passed"}'
    tests = f"import os\n\ndef test_a():\n    os.write(100, {forged + chr(10)!r}.encode())\n    os._exit(0)\n"
    assert [o.status for o in (await verify(sandbox, tests, test_a=1.0)).outcomes] == ["missing"]


@pytest.mark.parametrize(
    "path",
    [
        "/usr/bin/python3.13",
        "/usr/local/bin/python3",
        "/bin/sh",
        "/usr/bin/bash",
        "/usr/lib/python3.13/json/decoder.py",
        "/usr/lib/python3.13/lib-dynload/_json.cpython-313-x86_64-linux-gnu.so",
        "/usr/lib/python3/dist-packages/evil.pth",
        "/usr/local/lib/python3.13/dist-packages/sitecustomize.py",
        "/usr/local/lib/python3.13/site-packages/evil.pth",
        "/usr/lib/python3/dist-packages/usercustomize/__init__.py",
        "/usr/lib/python3.13/sitecustomize.py",
        "/lib/python3/dist-packages/evil.pth",
        "/etc/python3.13/sitecustomize.py",
        "/etc/ld.so.preload",
        "/etc/ld.so.conf.d/evil.conf",
        "/usr/lib/x86_64-linux-gnu/libc.so.6",
        "/usr/bin/env",
        "/usr/bin/pyvenv.cfg",
    ],
)
def test_changes_that_concern_the_verifier(path: str) -> None:
    assert list_tampering(["/usr/bin", "/usr/bin/jq", path, "/etc", "/etc/motd"]) == (path,)


def test_changes_that_do_not() -> None:
    harmless = [
        "/app/.venv/bin/python3",
        "/app/.venv/lib/python3.13/site-packages/distutils-precedence.pth",
        "/app/.venv/lib/python3.13/site-packages/sitecustomize.py",
        "/app/project/sitecustomize.py",
        "/opt/tool/lib/python3.13/site-packages/__editable__.tool.pth",
        "/app/out.txt",
        "/etc",
        "/etc/ld.so.cache",
        "/usr/bin",
        "/usr/bin/jq",
        "/usr/lib/python3.13",
        "/usr/lib/python3.13/json",
        "/usr/lib/python3.13/__pycache__/json.cpython-313.pyc",
        "/usr/lib/python3.13/json/__pycache__/decoder.cpython-313.pyc",
        "/usr/lib/python3/dist-packages/yaml/__init__.py",
        "/usr/local/lib/python3.13/dist-packages/numpy/core.so",
        "/usr/lib/x86_64-linux-gnu/libcurl.so.4",
    ]
    assert list_tampering(harmless) == ()
