"""What a rollout's verdict rests on: a sandbox that lived to the end, and tests that nobody has bent."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from terminal_task_gen.errors import POLICY, Cause
from terminal_task_gen.records import Usage
from terminal_task_gen.rollout.verify import MAX_SYSTEM_CHANGES, select_system_changes
from terminal_task_gen.sandbox.docker import DockerFactory
from tests.rollout.rollout_bench import COPY, DONE, SUM, TESTS, Bench, WatchedBubblewrap, make_task, open_bench, say

bubblewrap = pytest.mark.bubblewrap
docker = pytest.mark.docker

SERVER_TESTS = """
from urllib.request import urlopen

def test_serves():
    assert urlopen("http://127.0.0.1:8765/data/numbers.txt", timeout=5).read() == b"1\\n2\\n3\\n"
"""


@pytest.fixture
def factory() -> WatchedBubblewrap:
    return WatchedBubblewrap()


@pytest.fixture
async def bench(factory: WatchedBubblewrap, tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(factory, tmp_path) as opened:
        yield opened


@pytest.fixture
async def docker_bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(DockerFactory(), tmp_path) as opened:
        yield opened


# -------------------------------------------------------------------------------------------- a sandbox that dies


@bubblewrap
async def test_a_dead_sandbox_is_owed_and_never_shown(bench: Bench, factory: WatchedBubblewrap) -> None:
    result = await bench.fail(
        say("echo fine\n"), say("echo dead\n", meanwhile=factory.kill_last), DONE, max_sandbox_retries=1
    )
    assert (result.cause, POLICY[result.cause].retry) == (Cause.SANDBOX_FAILED, True)
    assert result.reason
    assert len(factory.started) == 2
    assert [len(call) for call in bench.endpoint.calls] == [1, 3, 1, 3]  # nothing was said after the death
    assert result.usage.calls == 4


@bubblewrap
async def test_a_fresh_sandbox_starts_the_conversation_over(bench: Bench, factory: WatchedBubblewrap) -> None:
    result = await bench.finish(say(SUM), say(COPY, meanwhile=factory.kill_first), DONE)
    assert result.verdict.passed
    assert (len(factory.started), result.usage.calls) == (2, 4)
    assert result.wasted_usage == Usage(calls=2, prompt_tokens=200, completion_tokens=20)


@bubblewrap
async def test_a_sandbox_that_dies_before_the_verdict_gives_none(bench: Bench, factory: WatchedBubblewrap) -> None:
    result = await bench.fail(DONE, say(done=True, meanwhile=factory.kill_last), max_sandbox_retries=0)
    assert result.cause is Cause.SANDBOX_FAILED


# -------------------------------------------------------------------------------------------- the verdict


@bubblewrap
async def test_a_hanging_test_is_missing_and_what_finished_counts(bench: Bench) -> None:
    tests = TESTS + "\ndef test_hangs():\n    import time\n    time.sleep(600)\n"
    task = make_task(tests, {"test_sum": 0.5, "test_hangs": 0.5}, verifier_timeout_sec=5.0)
    verdict = (await bench.finish(say(SUM), DONE, task=task)).verdict
    assert (verdict.reward, [test.status for test in verdict.tests]) == (0.5, ["passed", "missing"])


@bubblewrap
async def test_background_servers_are_up_when_the_tests_run(bench: Bench) -> None:
    await check_server_is_up(bench)


@docker
async def test_background_servers_are_up_when_the_tests_run_in_docker(docker_bench: Bench) -> None:
    await check_server_is_up(docker_bench)


async def check_server_is_up(bench: Bench) -> None:
    serve = "python3 -m http.server 8765 >/dev/null 2>&1 &\n"
    wait = "until (: < /dev/tcp/127.0.0.1/8765) 2>/dev/null; do sleep 0.1; done\n"
    task = make_task(SERVER_TESTS, {"test_serves": 1.0})
    verdict = (await bench.finish(say(serve, duration=0.1), say(wait), DONE, task=task)).verdict
    assert verdict.passed, verdict


@docker
async def test_a_solved_task_in_docker(docker_bench: Bench) -> None:
    begun = time.monotonic()
    result = await docker_bench.finish(say(SUM, COPY), DONE)
    assert (result.sandbox, result.stop_reason, result.verdict.passed) == ("docker", Cause.COMPLETED, True)
    assert (result.verdict.tampered, result.verdict.system_changes) == (False, ())
    assert time.monotonic() - begun < 30


@docker
@pytest.mark.parametrize(
    ("keys", "path"),
    [
        ("cp --remove-destination /bin/true $(readlink -f /usr/bin/python3)\n", "/usr/bin/python3"),
        ("echo libc.so.6 > /etc/ld.so.preload\n", "/etc/ld.so.preload"),
        ("echo /lib/no-such.so > /etc/ld.so.preload\n", "/etc/ld.so.preload"),
    ],
)
async def test_tampering_is_flagged_in_docker(docker_bench: Bench, keys: str, path: str) -> None:
    result = await docker_bench.finish(say(SUM, keys), DONE)
    assert result.verdict.tampered
    assert any(change.startswith(path) for change in result.verdict.system_changes)
    assert not any(change.startswith("/app") for change in result.verdict.system_changes)


def test_system_changes_leave_out_what_is_there_to_be_written() -> None:
    changes = ["/app/x", "/etc", "/etc/passwd", "/tmp", "/tmpfoo", "/root/.bashrc", "/var/lib/x", "/run/y", "/home/z"]
    assert select_system_changes(changes, ()) == ("/etc", "/etc/passwd", "/tmpfoo")


def test_too_many_system_changes_keep_the_tampering() -> None:
    changes = [f"/opt/{number:04}" for number in range(1_000)] + ["/usr/bin/python3"]
    kept = select_system_changes(changes, ["/usr/bin/python3"])
    assert len(kept) == MAX_SYSTEM_CHANGES
    assert (kept[0], kept[-1]) == ("/opt/0000", "/usr/bin/python3")


# ------------------------------------------------------------------------------------------- a task without outcome


@bubblewrap
async def test_without_tests_a_verdict_says_that_it_judges_nothing(bench: Bench) -> None:
    task = make_task().model_copy(update={"tests": "", "weights": {}})
    verdict = (await bench.finish(say("echo hi > note.txt\n"), DONE, task=task)).verdict
    assert (verdict.judged, verdict.reward, verdict.passed, verdict.tests) == (False, 0.0, False, ())
