"""The rules over whole trajectories: where they look, where they do not, and what a ruling says."""

from __future__ import annotations

import pickle
from pathlib import Path

import orjson
import pytest

from terminal_task_gen.config import FilterConfig, load_config
from terminal_task_gen.config.filtering import RulesConfig
from terminal_task_gen.errors import Cause, UsageError
from terminal_task_gen.filters.criteria import build_criteria
from terminal_task_gen.filters.presets import resolve_actions
from terminal_task_gen.filters.rules import CORPUS_RULES, RULES, judge_tasks
from terminal_task_gen.finding import REASON_RULES, Action, BenchmarkFacts, Finding, Reason, RuleName, Ruling
from terminal_task_gen.trajectory import Message, TestOutcome
from tests.filters.cases import INSTRUCTION, judge, make_config, make_task, make_trajectory, reply


def get_only(ruling: Ruling) -> Finding:
    assert len(ruling.findings) == 1, ruling.findings
    return ruling.findings[0]


def test_a_clean_trajectory_is_kept_without_a_flag() -> None:
    assert judge(make_trajectory(reply(), reply()), make_config("strict")) == Ruling(
        trajectory_id="traj-0123456789abcdef"
    )


def test_every_rule_is_registered_once_and_has_its_setting() -> None:
    assert sorted([*(rule.name for rule in RULES), *CORPUS_RULES]) == sorted(RuleName)
    order = list(RuleName)
    assert [rule.name for rule in RULES] == sorted((rule.name for rule in RULES), key=order.index)
    assert set(RulesConfig.model_fields) == set(RuleName) - {RuleName.EMPTY}
    assert set(REASON_RULES) == set(Reason) and set(REASON_RULES.values()) == set(RuleName)


def test_identity_in_reasoning_and_in_analysis_drops_with_its_place() -> None:
    thought = Message(role="assistant", content=reply(), reasoning="Hm. As DeepSeek I would list the files.")
    finding = get_only(judge(make_trajectory(reply(), thought)))
    assert (finding.rule, finding.reason, finding.where) == (
        RuleName.IDENTITY,
        Reason.IDENTITY_CLAIM,
        "message 3 reasoning",
    )
    finding = get_only(judge(make_trajectory(reply("Well.\nDeepSeek sees\na prompt."))))
    assert (finding.reason, finding.match) == (Reason.IDENTITY_NAME, "DeepSeek")
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
def test_ideographs_drop_in_prose_and_reasoning_and_not_in_what_is_typed(text: str, found: str) -> None:
    thought = Message(role="assistant", content=reply(), reasoning=text)
    for message in (thought, reply(text), reply(text, escape=True)):
        finding = get_only(judge(make_trajectory(message)))
        assert (finding.rule, finding.match) == (RuleName.FOREIGN_SCRIPT, found)
        assert found in finding.evidence
    typed = f'cat > /app/zh.json <<\'EOF\'\n{{"greeting": "{text}"}}\nEOF\n'
    for escape in (False, True):
        assert judge(make_trajectory(reply(keystrokes=typed, escape=escape), observation=text)).kept


@pytest.mark.parametrize(
    ("script", "text"),
    [("kana", "カタカナ"), ("hangul", "한국어"), ("cyrillic", "смотрю файл"), ("arabic", "ملف"), ("thai", "ไฟล์")],
)
def test_other_scripts_are_foreign_when_configured(script: str, text: str) -> None:
    assert judge(make_trajectory(reply(text))).kept
    config = make_config(foreign_script={"scripts": [script]})
    assert get_only(judge(make_trajectory(reply(text)), config)).rule is RuleName.FOREIGN_SCRIPT
    assert judge(make_trajectory(reply("先看")), config).kept


@pytest.mark.parametrize(
    "text", ["ひらがな カタカナ ｶﾅ", "한국어", "“引”".replace("引", "x") + "，。！", "naïve Größe Ω ж"]
)
def test_other_scripts_are_kept(text: str) -> None:
    thought = Message(role="assistant", content=reply(text), reasoning=text)
    assert judge(make_trajectory(thought)).kept


def test_an_expression_that_names_ideographs_is_not_chinese() -> None:
    assert judge(make_trajectory(reply(keystrokes="grep -P '[\\u4e00-\\u9fff]' notes.txt\n"))).kept


def test_contamination_tells_instruction_and_turns_apart(tmp_path: Path) -> None:
    benchmark = tmp_path / "bench.jsonl"
    benchmark.write_bytes(orjson.dumps({"task": "hours", "instruction": INSTRUCTION.upper()}) + b"\n")
    config = FilterConfig(benchmarks=(benchmark,))
    finding = get_only(judge(make_trajectory(reply(), reply()), config))
    assert (finding.rule, finding.reason, finding.where) == (
        RuleName.CONTAMINATION,
        Reason.BENCHMARK_NGRAM,
        "instruction",
    )
    assert (finding.benchmark, finding.entry) == ("bench", "hours")
    assert finding.match.split()[:4] == ["sum", "the", "column", "hours"]
    assert len(finding.match.split()) == 14
    other = make_task("Count the lines of /app/a.txt into /app/b.txt.")
    for quoting, where in (
        (make_trajectory(reply(analysis=INSTRUCTION)), "message 1"),
        (make_trajectory(reply(), observation=INSTRUCTION), "message 2"),
        (make_trajectory(Message(role="assistant", content=reply(), reasoning=INSTRUCTION)), "message 1 reasoning"),
    ):
        ruling = judge(quoting, config, other)
        assert ruling.kept
        flag = next(flag for flag in ruling.flags if flag.rule is RuleName.CONTAMINATED_TURNS)
        assert (flag.reason, flag.where, flag.entry) == (Reason.BENCHMARK_NGRAM_IN_TURNS, where, "hours")
    wide = FilterConfig(benchmarks=(benchmark,), ngram=40)
    assert judge(make_trajectory(reply()), wide).findings[0].reason is Reason.BENCHMARK_WHOLE


def test_the_shipped_index_finds_terminal_bench_and_can_be_left_out() -> None:
    facts = build_criteria(FilterConfig()).describe()
    assert facts.benchmarks["terminal-bench-2.0"].prompts == 89
    assert build_criteria(FilterConfig(shipped_benchmarks=False)).describe().benchmarks == {}


def test_all_objections_are_collected_in_the_order_of_the_registry() -> None:
    ruling = judge(
        make_trajectory(reply("I am Qwen. 好"), reply(), stop_reason=Cause.MAX_TURNS), make_config(completed="drop")
    )
    assert [f.rule for f in ruling.findings] == [RuleName.IDENTITY, RuleName.FOREIGN_SCRIPT, RuleName.COMPLETED]
    assert not ruling.flags


def test_a_rule_that_flags_does_not_drop_and_one_that_is_off_is_not_asked() -> None:
    failed = TestOutcome(name="test_total", status="failed", weight=0.75)
    other = TestOutcome(name="test_file", status="passed", weight=0.25)
    trajectory = make_trajectory(reply("好"), reply(), stop_reason=Cause.TIMEOUT, tests=(failed, other))
    ruling = judge(trajectory, make_config(foreign_script="flag"))
    assert ruling.kept
    assert [f.reason for f in ruling.flags] == [Reason.FOREIGN_CHARACTERS, Reason.NOT_COMPLETED, Reason.NOT_SOLVED]
    assert "timeout" in ruling.flags[1].evidence
    assert ruling.flags[2].evidence == "reward 0.25; not passed: test_total"
    strict = judge(trajectory, make_config(foreign_script=False, completed="drop", solved={"action": "drop"}))
    assert [f.reason for f in strict.findings] == [Reason.NOT_COMPLETED, Reason.NOT_SOLVED]
    assert not strict.flags


def test_a_trajectory_without_a_single_reply_is_dropped_under_every_preset() -> None:
    for preset in ("paper", "strict", "labels-only"):
        finding = judge(make_trajectory(stop_reason=Cause.TIMEOUT), make_config(preset)).findings[0]
        assert (finding.rule, finding.reason) == (RuleName.EMPTY, Reason.NO_REPLY)


def test_presets_and_actions_settle_what_a_rule_does() -> None:
    paper = resolve_actions(make_config())
    assert {rule for rule, action in paper.items() if action is Action.DROP} == {
        RuleName.EMPTY, RuleName.CONTAMINATION, RuleName.IDENTITY, RuleName.FOREIGN_SCRIPT,
    }  # fmt: skip
    strict = resolve_actions(make_config("strict", near_duplicate="flag"))
    assert strict[RuleName.SOLVED] is Action.DROP and strict[RuleName.NEAR_DUPLICATE] is Action.FLAG
    labels = resolve_actions(make_config("labels-only", reward_band={"at_least": 0.5}))
    assert {rule for rule, action in labels.items() if action is Action.DROP} == {RuleName.EMPTY}
    bounded = resolve_actions(make_config(reward_band={"at_least": 0.5}))
    assert bounded[RuleName.REWARD_BAND] is Action.DROP and bounded[RuleName.SOLVE_RATE_BAND] is Action.FLAG


@pytest.mark.parametrize(
    "field", ["contamination", "identity", "identity_terms", "chinese", "completed_only", "success_only"]
)
def test_a_field_of_before_is_refused_naming_the_new_one(field: str) -> None:
    with pytest.raises(UsageError, match=rf"{field} is now filter\.rules\.") as refusal:
        load_config(None, [f"filter.{field}=true"])
    assert len(str(refusal.value)) < 200


def test_criteria_tell_what_they_are_and_travel_to_other_processes(tmp_path: Path) -> None:
    benchmark = tmp_path / "bench.jsonl"
    benchmark.write_bytes(b'{"prompt": "Do one thing."}\n{"prompt": "Do another thing."}\n')
    config = FilterConfig(
        benchmarks=(benchmark,),
        ngram=9,
        rules=RulesConfig.model_validate({"identity": "off"}),
        shipped_benchmarks=False,
    )
    criteria = pickle.loads(pickle.dumps(build_criteria(config)))
    facts = criteria.describe()
    assert facts.dropping == (RuleName.EMPTY, RuleName.CONTAMINATION, RuleName.FOREIGN_SCRIPT)
    assert facts.benchmarks == {"bench": BenchmarkFacts(prompts=2, ngram=9, mask_numbers=False)}
    assert facts.settings["few_turns.at_least"] == "2" and "identity.terms" not in facts.settings
    assert judge_tasks([make_task("Do another thing.")], criteria).findings


def test_a_missing_benchmark_is_refused_before_any_row_is_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read benchmark"):
        build_criteria(FilterConfig(benchmarks=(tmp_path / "absent.jsonl",)))


def test_two_benchmarks_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "terminal-bench-2.0.jsonl"
    path.write_bytes(b'{"prompt": "Do it."}\n')
    with pytest.raises(UsageError, match="two benchmarks are called"):
        build_criteria(FilterConfig(benchmarks=(path,)))


def test_what_was_given_at_the_start_is_not_judged_as_a_turn() -> None:
    trajectory = make_trajectory(reply(), reply())
    prompt = Message(role="user", content="Key: AKIAQ3EGR7XKZ5ABCD2M. No space left on device")
    assert not judge(trajectory.model_copy(update={"messages": (prompt, *trajectory.messages[1:])})).flags
