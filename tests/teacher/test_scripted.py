"""The scripted teacher over HTTP on loopback, asked by the real client and, where the wire matters, by aiohttp."""

from __future__ import annotations

import asyncio
import io
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from terminal_task_gen.config import EndpointConfig
from terminal_task_gen.errors import TeacherError, TeacherRefusedError, UsageError
from terminal_task_gen.teacher.client import OpenAITeacher
from terminal_task_gen.teacher.faults import Fault, FaultProfile, choose_fault, parse_faults
from terminal_task_gen.teacher.scripted import UNMATCHED, ScriptedTeacher, run_scripted, serve_scripted
from terminal_task_gen.trajectory import Message

AUTHOR = Message(role="system", content="You write terminal tasks.\nWell.")


def user(content: str) -> Message:
    return Message(role="user", content=content)


def assistant(content: str) -> Message:
    return Message(role="assistant", content=content)


def write_script(root: Path, name: str, script: str, **replies: str) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "script.yaml").write_text(script)
    for stem, content in replies.items():
        (folder / f"{stem.replace('__', '.').replace('_', '-')}.md").write_bytes(content.encode())
    return root


@pytest.fixture
def repertoire(tmp_path: Path) -> Path:
    """Two plain scripts, one of which is more particular, and a template."""
    write_script(
        tmp_path,
        "security/tokens",
        "author: {match: ['^Task category: security$']}\nactor: {match: ['find the leaked tokens']}\n",
        author_1="first <task>\r\n",
        author_2="mended",
        actor_1="look",
        actor_1__reasoning="hm",
        actor_2="done",
    )
    write_script(
        tmp_path,
        "security/first_commission",
        "author: {match: ['^Task category: security$', '^Commission number: 1$']}\n",
        author_1="find the leaked tokens",
    )
    write_script(
        tmp_path,
        "scale/template",
        "author: {match: ['^Task category: scale$', '^Commission number: (?P<number>\\d+)$']}\ntemplate: true\n",
        author_1="task {{number}}, {{ literal }} and again {{number}}",
        author_1__reasoning="thinking of {{number}}",
    )
    return tmp_path


@asynccontextmanager
async def teach(server: ScriptedTeacher, **config: Any) -> AsyncIterator[OpenAITeacher]:
    defaults = {"base_url": server.base_url, "model": "any", "api_key_env": "", "max_backoff_sec": 0.005}
    teacher = OpenAITeacher(EndpointConfig.model_validate(defaults | config), environ={"K": "sk-right-0123"})
    try:
        yield teacher
    finally:
        await teacher.close()


async def test_the_reply_progresses_with_the_conversation(repertoire: Path) -> None:
    async with serve_scripted([repertoire]) as server, teach(server) as teacher:
        talk = [AUTHOR, user("Task category: security\nMode: skill")]
        first = await teacher.complete(talk)
        assert first.content == "first <task>\r\n", "bytes as they lie in the file"
        second = await teacher.complete([*talk, assistant("x"), user("wrong")])
        assert second.content == "mended"
        again = await teacher.complete([*talk, assistant("x"), user("wrong"), assistant("y"), user("still")])
        assert again.content == "mended"
        assert (first.model, first.finish_reason) == ("any", "stop")


async def test_actor_replies_carry_reasoning_and_the_last_repeats(repertoire: Path) -> None:
    async with serve_scripted([repertoire]) as server, teach(server) as teacher:
        talk = [user("Task: find the leaked tokens")]
        replies = [await teacher.complete(talk + [assistant("a"), user("screen")] * turn) for turn in range(4)]
        assert [reply.content for reply in replies] == ["look", "done", "done", "done"]
        assert [reply.reasoning for reply in replies] == ["hm", None, None, None]
        assert replies[0].usage.prompt_tokens == 7
        assert (replies[0].usage.completion_tokens, replies[0].usage.reasoning_tokens) == (2, 1)


async def test_more_regexes_win_and_the_system_prompt_tells_author_from_actor(repertoire: Path) -> None:
    write_script(repertoire, "security/a_rival", "actor: {match: ['leaked tokens']}", actor_1="rival")
    ask = "Task category: security\nCommission number: 1\nfind the leaked tokens"
    async with serve_scripted([repertoire]) as server, teach(server) as teacher:
        assert (await teacher.complete([AUTHOR, user(ask)])).content == "find the leaked tokens"
        assert (await teacher.complete([user(ask)])).content == "rival", "equal counts: first by name"
        assert (await teacher.complete([AUTHOR, user("find the leaked tokens")])).content == UNMATCHED
        assert server.stats.model_dump() == {
            "requests": 3,
            "answered": 2,
            "unmatched": 1,
            "refused": 0,
            "faults": {},
            "in_flight": 0,
            "most_in_flight": 1,
        }


async def test_a_template_is_filled_from_the_named_groups(repertoire: Path) -> None:
    async with serve_scripted([repertoire]) as server, teach(server) as teacher:
        reply = await teacher.complete([AUTHOR, user("Task category: scale\nCommission number: 4711")])
        assert reply.content == "task 4711, {{ literal }} and again 4711"
        assert reply.reasoning == "thinking of 4711"


async def post(server: ScriptedTeacher, body: Any) -> tuple[int, dict[str, str], Any]:
    data = io.BytesIO(body if isinstance(body, bytes) else orjson.dumps(body))
    url = f"{server.base_url}/chat/completions"
    async with aiohttp.ClientSession() as session, session.post(url, data=data) as response:
        return response.status, dict(response.headers), await response.json()


async def test_the_answer_is_a_chat_completion(repertoire: Path) -> None:
    parts = [{"type": "text", "text": "find the "}, {"type": "text", "text": "leaked tokens"}]
    body = {"model": "any", "messages": [{"role": "developer", "content": "d"}, {"role": "user", "content": parts}]}
    async with serve_scripted([repertoire]) as server:
        status, headers, document = await post(server, body)
        assert (status, headers["x-scripted"]) == (200, "security/tokens/actor-1")
        assert document["object"] == "chat.completion"
        assert document["choices"][0]["message"] == {
            "role": "assistant",
            "content": "look",
            "refusal": None,
            "reasoning_content": "hm",
        }
        assert document["usage"]["total_tokens"] == 9
        assert (await post(server, body))[2]["id"] == document["id"]
        _, headers, document = await post(server, {"model": "any", "messages": [{"role": "user", "content": "?"}]})
        assert headers["x-scripted"] == "none"
        assert document["choices"][0]["message"]["content"] == UNMATCHED


MESSAGES = [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "not JSON"),
        ([], "JSON object"),
        ({"messages": MESSAGES}, "'model'"),
        ({"model": "m", "messages": []}, "'messages'"),
        ({"model": "m", "messages": ["hi"]}, "messages[0]"),
        ({"model": "m", "messages": [{"role": "king", "content": ""}]}, "'king'"),
        ({"model": "m", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "text parts"),
        ({"model": "m", "messages": MESSAGES, "stream": True}, "does not stream"),
        ({"model": "m", "messages": MESSAGES, "n": 2}, "one choice"),
    ],
)
async def test_what_it_cannot_honour_is_refused_by_name(repertoire: Path, body: Any, message: str) -> None:
    async with serve_scripted([repertoire]) as server:
        status, _, document = await post(server, body)
        assert status == 400
        assert document["error"]["type"] == "invalid_request_error"
        assert message in document["error"]["message"]
        assert server.stats.refused == 1


async def test_large_conversations_are_taken(repertoire: Path) -> None:
    messages = [{"role": "user", "content": "find the leaked tokens" + "x" * 3_000_000}]
    async with serve_scripted([repertoire]) as server:
        status, headers, _ = await post(server, {"model": "m", "messages": messages})
        assert (status, headers["x-scripted"]) == (200, "security/tokens/actor-1")


async def test_the_other_routes(repertoire: Path) -> None:
    async with serve_scripted([repertoire]) as server, aiohttp.ClientSession() as session:
        root = server.base_url.removesuffix("/v1")
        answers = []
        for url in (f"{server.base_url}/models", f"{root}/health", f"{root}/stats", f"{root}/nothing"):
            async with session.get(url) as response:
                answers.append(await response.json())
        assert answers[0]["data"][0]["id"] == "scripted"
        assert answers[1] == {"status": "ok", "scripts": 3}
        assert answers[2]["requests"] == 0
        assert answers[3]["error"]["message"] == "Not Found: GET /nothing"


async def test_wrong_key_wrong_path_and_stream_reach_the_user_as_they_should(repertoire: Path) -> None:
    async with serve_scripted([repertoire], api_key="sk-right-0123") as server:
        async with teach(server) as teacher:
            with pytest.raises(UsageError, match="it wants a key"):
                await teacher.complete([user("hi")])
        async with teach(server, api_key_env="K") as teacher:
            assert (await teacher.complete([user("find the leaked tokens")])).content == "look"
        async with teach(server, base_url=server.base_url + "/oops") as teacher:
            with pytest.raises(UsageError, match="base_url"):
                await teacher.complete([user("hi")])
        async with teach(server, api_key_env="K", extra_body={"n": 2}) as teacher:
            with pytest.raises(TeacherRefusedError, match="one choice"):
                await teacher.complete([user("hi")])


async def test_run_scripted_serves_until_cancelled_and_gives_the_port_back(repertoire: Path) -> None:
    announced: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    options: dict[str, Any] = {"faults": FaultProfile(), "latency_sec": 0.0}

    def announce(server: ScriptedTeacher) -> None:
        announced.set_result(server.base_url)

    running = asyncio.create_task(run_scripted([repertoire], host="127.0.0.1", port=0, announce=announce, **options))
    port = int((await announced).removesuffix("/v1").rpartition(":")[2])
    with pytest.raises(UsageError, match=rf"cannot listen on 127\.0\.0\.1:{port}: .*--port"):
        await run_scripted([repertoire], host="127.0.0.1", port=port, announce=announce, **options)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    async with serve_scripted([repertoire], port=port) as server:
        assert server.base_url == f"http://127.0.0.1:{port}/v1"


FIRST_TRY_FAILS = {
    Fault.RATE_LIMIT: "teacher_rate_limited",
    Fault.SERVER_ERROR: "teacher_server_error",
    Fault.HANG: "teacher_timeout",
    Fault.DISCONNECT: "teacher_connection",
    Fault.MALFORMED: "teacher_malformed",
    Fault.EMPTY: "teacher_empty",
    Fault.IDLE: "teacher_timeout",
}


@pytest.mark.parametrize("fault", FIRST_TRY_FAILS)
async def test_each_fault_reaches_the_client_as_what_it_is(repertoire: Path, fault: Fault) -> None:
    faults = FaultProfile.model_validate({fault: 1.0, "retry_after_sec": 0.01, "hang_sec": 30})
    async with serve_scripted([repertoire], faults=faults) as server:
        async with teach(server, max_retries=1, timeout_sec=0.3) as teacher:
            with pytest.raises(TeacherError) as caught:
                await teacher.complete([user("find the leaked tokens")])
        assert caught.value.reason == FIRST_TRY_FAILS[fault]
        assert server.stats.faults == {fault: 2}


async def test_a_truncated_reply_says_so(repertoire: Path) -> None:
    async with serve_scripted([repertoire], faults=FaultProfile(truncated=1.0)) as server, teach(server) as teacher:
        reply = await teacher.complete([user("find the leaked tokens")])
        assert (reply.content, reply.finish_reason) == ("lo", "length")


async def test_hanging_ends_with_a_dropped_connection(repertoire: Path) -> None:
    faults = FaultProfile(hang=1.0, hang_sec=0.01)
    async with serve_scripted([repertoire], faults=faults) as server, teach(server, max_retries=0) as teacher:
        with pytest.raises(TeacherError, match="teacher_connection"):
            await teacher.complete([user("find the leaked tokens")])


async def run_campaign(repertoire: Path, parallel: int) -> tuple[dict[int, str], dict[Fault, int]]:
    """200 requests, half of their tries spoilt. Gives what came back for each, and what was dealt."""
    faults = parse_faults("all=0.5,retry_after_sec=0.01,hang_sec=0.03,seed=7")
    async with serve_scripted([repertoire], faults=faults) as server:
        async with teach(server, parallel=parallel, max_retries=20) as teacher:

            async def ask(number: int) -> str:
                reply = await teacher.complete([AUTHOR, user(f"Task category: scale\nCommission number: {number}")])
                return f"{reply.finish_reason}: {reply.content}"

            answers = await asyncio.gather(*(ask(number) for number in range(200)))
        assert server.stats.most_in_flight <= parallel
        return dict(enumerate(answers)), server.stats.faults


async def test_all_faults_together_lose_nothing_and_are_the_same_at_any_concurrency(repertoire: Path) -> None:
    answers, dealt = await run_campaign(repertoire, parallel=64)
    assert dealt.keys() == set(Fault)
    for number, answer in answers.items():
        whole = f"task {number}, {{{{ literal }}}} and again {number}"
        assert answer in (f"stop: {whole}", f"length: {whole[: len(whole) // 2]}")
    assert Counter(answer.partition(":")[0] for answer in answers.values())["length"] == dealt[Fault.TRUNCATED]
    assert await run_campaign(repertoire, parallel=5) == (answers, dealt)


def test_the_dealt_faults_follow_their_probabilities() -> None:
    profile = FaultProfile(rate_limit=0.1, hang=0.02, empty=0.3, seed=1)
    digests = [number.to_bytes(32, "big") for number in range(20_000)]
    dealt = Counter(choose_fault(profile, digest, 0) for digest in digests)
    assert set(dealt) == {None, Fault.RATE_LIMIT, Fault.HANG, Fault.EMPTY}
    assert all(abs(dealt[fault] / 20_000 - profile.get_probability(fault)) < 0.01 for fault in Fault)
    assert [choose_fault(profile, d, 0) for d in digests[:50]] != [choose_fault(profile, d, 1) for d in digests[:50]]


def test_parse_faults() -> None:
    profile = parse_faults(" rate_limit=0.1, hang=0.02,seed=3,hang_sec=5 ")
    assert profile == FaultProfile(rate_limit=0.1, hang=0.02, seed=3, hang_sec=5)
    assert parse_faults("") == FaultProfile()
    spread = parse_faults("all=0.7,hang=0.0")
    assert spread.hang == 0.0
    assert spread.empty == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rate_limit", "'rate_limit' is not name=number"),
        ("typo=0.1", "all, rate_limit, server_error"),
        ("hang=2", "hang=2: Input should be less than or equal to 1"),
        ("hang=x", "hang=x"),
        ("hang=nan", "hang=nan"),
        ("all=x", "all must be a number"),
        ("hang=0.6,empty=0.6", "add up to more than 1"),
        ("hang=0.1,hang=0.2", "hang is given twice"),
    ],
)
def test_nonsense_faults(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_faults(text)
    assert message in str(caught.value)
    assert str(caught.value).startswith("--faults: ")


async def test_more_requests_than_a_window_allows_are_refused_until_it_ends(repertoire: Path) -> None:
    faults = parse_faults("requests_per_window=3,window_sec=0.5")
    async with serve_scripted([repertoire], faults=faults) as server:
        async with teach(server, max_backoff_sec=1.0) as teacher:
            started = asyncio.get_running_loop().time()
            for _ in range(4):
                await teacher.complete([user("find the leaked tokens")])
            assert asyncio.get_running_loop().time() - started > 0.4
            assert teacher.stats.retries == {}, "the headers said so, no call was refused"
        async with teach(server, max_retries=0) as teacher, asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(teacher.complete([user("find the leaked tokens")]))
            await asyncio.sleep(0)
        async with aiohttp.ClientSession() as session:
            body = {"model": "any", "messages": [{"role": "user", "content": "x"}]}
            async with session.post(f"{server.base_url}/chat/completions", json=body) as response:
                assert response.status == 429
                assert response.headers["x-ratelimit-remaining-requests"] == "0"
                assert response.headers["x-ratelimit-reset-requests"].endswith("ms")
                assert int(response.headers["retry-after-ms"]) <= 500


async def test_a_server_dies_after_so_many_requests(repertoire: Path) -> None:
    faults = FaultProfile(dies_after=2)
    async with serve_scripted([repertoire], faults=faults) as server, teach(server, max_retries=1) as teacher:
        for _ in range(2):
            await teacher.complete([user("find the leaked tokens")])
        with pytest.raises(TeacherError, match="teacher_connection"):
            await teacher.complete([user("find the leaked tokens")])


async def test_a_script_says_which_reply_the_endpoint_cuts_short(tmp_path: Path) -> None:
    script = "actor: {match: ['(?P<word>ship)'], finish: {2: length}}\ntemplate: true"
    write_script(tmp_path, "d/s", script, actor_1="a {{word}}", actor_2="half a {{word}}")
    async with serve_scripted([tmp_path]) as server:
        teacher = OpenAITeacher(EndpointConfig(base_url=server.base_url, model="m", api_key_env=""))
        try:
            first = await teacher.complete([user("ship")])
            second = await teacher.complete([user("ship"), assistant("a ship"), user("go on")])
        finally:
            await teacher.close()
    assert (first.content, first.finish_reason) == ("a ship", "stop")
    assert (second.content, second.finish_reason) == ("half a ship", "length")
