"""The rules over whole trajectories: where they look, where they do not, and what a ruling says."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from terminal_task_gen.config import FilterConfig
from terminal_task_gen.errors import Cause, UsageError
from terminal_task_gen.filters.rules import RULES, apply_rules, build_criteria
from terminal_task_gen.finding import Finding, Reason, RuleName, Ruling
from terminal_task_gen.records import Usage
from terminal_task_gen.task import Lineage, Task
from terminal_task_gen.trajectory import Message, TestOutcome, Timings, Trajectory, Verdict

INSTRUCTION = (
    "Sum the column hours of /app/hours.csv and write the total as one number to /app/total.txt, nothing else."
)


def make_task(instruction: str = INSTRUCTION) -> Task:
    return Task(
        id="data_processing-0011223344556677",
        domain="data_processing",
        image="data_processing",
        difficulty="easy",
        title="Hours",
        instruction=instruction,
        files=(),
        tests="def test_total(): assert True",
        weights={"test_total": 1.0},
        lineage=Lineage(request_id="req-1", mode="skill", index=0, author_model="local/tutor-7b", prompt_version="1"),
    )


def reply(analysis: str = "Empty screen.", keystrokes: str = "ls\n", *, escape: bool = False) -> str:
    body = {"analysis": analysis, "plan": "Look.", "commands": [{"keystrokes": keystrokes, "duration": 0.1}]}
    return json.dumps(body, ensure_ascii=escape)


def make_trajectory(
    *said: Message | str,
    observation: str = "root@sandbox:/app# ",
    stop_reason: Cause = Cause.COMPLETED,
    tests: Sequence[TestOutcome] = (TestOutcome(name="test_total", status="passed", weight=1.0),),
) -> Trajectory:
    messages = [Message(role="user", content=INSTRUCTION)]
    for message in said:
        spoken = Message(role="assistant", content=message) if isinstance(message, str) else message
        messages += [spoken, Message(role="user", content=observation)]
    passed = all(test.status == "passed" for test in tests)
    reward = sum(test.weight for test in tests if test.status == "passed")
    return Trajectory(
        id="traj-0123456789abcdef",
        task_id="data_processing-0011223344556677",
        domain="data_processing",
        attempt=0,
        agent="terminus-2",
        model="local/tutor-7b",
        messages=tuple(messages),
        steps=(),
        stop_reason=stop_reason,
        verdict=Verdict(reward=reward, passed=passed, tests=tuple(tests)),
        usage=Usage(),
        sandbox="bubblewrap",
        timings=Timings(started_at="2025-01-01T00:00:00Z"),
    )


def judge(trajectory: Trajectory, config: FilterConfig | None = None, task: Task | None = None) -> Ruling:
    return apply_rules(task or make_task(), trajectory, build_criteria(config or FilterConfig()))


def get_only(ruling: Ruling) -> Finding:
    assert len(ruling.findings) == 1, ruling.findings
    return ruling.findings[0]


def test_a_clean_trajectory_is_kept() -> None:
    assert judge(make_trajectory(reply(), reply())) == Ruling(trajectory_id="traj-0123456789abcdef")


def test_every_rule_is_registered_once_and_has_its_switch() -> None:
    assert [rule.name for rule in RULES] == list(RuleName)
    switches = {name for name in RuleName if name in FilterConfig.model_fields}
    assert switches == set(RuleName) - {RuleName.EMPTY}


def test_identity_in_reasoning_and_in_analysis_drops_with_its_place() -> None:
    thought = Message(role="assistant", content=reply(), reasoning="Hm. As DeepSeek I would list the files.")
    finding = get_only(judge(make_trajectory(reply(), thought)))
    assert (finding.rule, finding.reason, finding.where) == (
        RuleName.IDENTITY,
        Reason.IDENTITY_CLAIM,
        "message 3 reasoning",
    )
    finding = get_only(judge(make_trajectory(reply("I am Qwen and see a prompt."))))
    assert (finding.reason, finding.where, finding.match) == (Reason.IDENTITY_CLAIM, "message 1", "I am Qwen")
    assert finding.match in finding.evidence and len(finding.evidence) <= 120


@pytest.mark.parametrize(
    "content",
    [
        reply(keystrokes='echo "I am DeepSeek" > /app/total.txt\n'),
        reply(keystrokes="grep -c 'hosted_vllm' access.log\n"),
        '{"analysis": "x", "commands": [{"keystrokes": "cat > a <<E\nI am Qwen\nE\n", "duration": 1}, {"key',
        '{"analysis": "x", "commands": [{"keystrokes" : "echo \\"deepseek\\" and then it is cut of',
    ],
    ids=["claim", "name", "raw newlines", "cut off"],
)
def test_what_is_typed_into_the_terminal_tells_nothing_of_the_teacher(content: str) -> None:
    assert judge(make_trajectory(content)).kept


def test_prose_after_keystrokes_is_read_again() -> None:
    content = '{"commands": [{"keystrokes": "ls \\"deepseek\\"\\n"}], "plan": "DeepSeek lists"}'
    finding = get_only(judge(make_trajectory(content)))
    assert (finding.reason, finding.match) == (Reason.IDENTITY_NAME, "DeepSeek")
    assert "DeepSeek lists" in finding.evidence


def test_identity_and_chinese_on_the_screen_are_not_the_teachers_words() -> None:
    assert judge(make_trajectory(reply(), observation="motd: I am DeepSeek 你好 root@sandbox")).kept


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("先看 files", "先看"),
        ("rare: \u3400", "\u3400"),
        ("compat: \uf900", "\uf900"),
        ("far: \U00020000\U00031350", "\U00020000\U00031350"),
        ("日本語 has kanji", "日本語"),
    ],
)
def test_ideographs_drop_in_content_keystrokes_and_reasoning(text: str, found: str) -> None:
    thought = Message(role="assistant", content=reply(), reasoning=text)
    for message in (thought, reply(text), reply(keystrokes=text), reply(text, escape=True)):
        finding = get_only(judge(make_trajectory(message)))
        assert (finding.rule, finding.match) == (RuleName.CHINESE, found)
        assert found in finding.evidence


@pytest.mark.parametrize(
    "text", ["ひらがな カタカナ ｶﾅ", "한국어", "“引”".replace("引", "x") + "，。！", "naïve Größe Ω ж"]
)
def test_other_scripts_are_kept(text: str) -> None:
    thought = Message(role="assistant", content=reply(text), reasoning=text)
    assert judge(make_trajectory(thought)).kept


def test_an_expression_that_names_ideographs_is_not_chinese() -> None:
    assert judge(make_trajectory(reply(keystrokes="grep -P '[\\u4e00-\\u9fff]' notes.txt\n"))).kept


def test_contamination_looks_at_the_instruction_alone(tmp_path: Path) -> None:
    benchmark = tmp_path / "bench.jsonl"
    benchmark.write_bytes(orjson.dumps({"task": "hours", "instruction": INSTRUCTION.upper()}) + b"\n")
    config = FilterConfig(benchmarks=(benchmark,))
    finding = get_only(judge(make_trajectory(reply()), config))
    assert (finding.rule, finding.reason, finding.where) == (
        RuleName.CONTAMINATION,
        Reason.BENCHMARK_NGRAM,
        "instruction",
    )
    assert (finding.benchmark, finding.entry) == ("bench", "hours")
    assert finding.match.split()[:4] == ["sum", "the", "column", "hours"]
    assert len(finding.match.split()) == 14
    quoting = make_trajectory(reply(analysis=INSTRUCTION), observation=INSTRUCTION)
    assert judge(quoting, config, make_task("Count the lines of /app/a.txt into /app/b.txt.")).kept
    assert judge(quoting, FilterConfig(benchmarks=(benchmark,), ngram=40)).findings[0].reason is Reason.BENCHMARK_WHOLE


def test_all_objections_are_collected_in_the_order_of_the_registry() -> None:
    ruling = judge(
        make_trajectory(reply("I am Qwen. 好"), stop_reason=Cause.MAX_TURNS), FilterConfig(completed_only=True)
    )
    assert [f.rule for f in ruling.findings] == [RuleName.IDENTITY, RuleName.CHINESE, RuleName.COMPLETED_ONLY]
    assert not ruling.flags


def test_a_rule_that_is_off_flags_and_does_not_drop() -> None:
    failed = TestOutcome(name="test_total", status="failed", weight=0.75)
    other = TestOutcome(name="test_file", status="passed", weight=0.25)
    trajectory = make_trajectory(reply("好"), stop_reason=Cause.TIMEOUT, tests=(failed, other))
    ruling = judge(trajectory, FilterConfig(chinese=False))
    assert ruling.kept
    assert [f.reason for f in ruling.flags] == [Reason.CHINESE_CHARACTERS, Reason.NOT_COMPLETED, Reason.NOT_SOLVED]
    assert "timeout" in ruling.flags[1].evidence
    assert ruling.flags[2].evidence == "reward 0.25; not passed: test_total"
    strict = judge(trajectory, FilterConfig(chinese=False, completed_only=True, success_only=True))
    assert [f.reason for f in strict.findings] == [Reason.NOT_COMPLETED, Reason.NOT_SOLVED]


def test_a_trajectory_without_a_single_reply_is_dropped_always() -> None:
    config = FilterConfig(contamination=False, identity=False, chinese=False)
    finding = get_only(judge(make_trajectory(stop_reason=Cause.TIMEOUT), config))
    assert (finding.rule, finding.reason) == (RuleName.EMPTY, Reason.NO_REPLY)


def test_criteria_tell_what_they_are_and_travel_to_other_processes(tmp_path: Path) -> None:
    benchmark = tmp_path / "bench.jsonl"
    benchmark.write_bytes(b'{"prompt": "Do one thing."}\n{"prompt": "Do another thing."}\n')
    criteria = pickle.loads(
        pickle.dumps(build_criteria(FilterConfig(benchmarks=(benchmark,), ngram=9, identity=False)))
    )
    facts = criteria.describe()
    assert facts.enabled == (RuleName.EMPTY, RuleName.CONTAMINATION, RuleName.CHINESE)
    assert (facts.ngram, facts.benchmark_prompts) == (9, {"bench": 2})
    assert apply_rules(make_task("Do another thing."), make_trajectory(reply()), criteria).findings


def test_a_missing_benchmark_is_refused_before_any_row_is_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read benchmark"):
        build_criteria(FilterConfig(benchmarks=(tmp_path / "absent.jsonl",)))
