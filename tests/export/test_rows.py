"""A judged trajectory as a row: the released corpus's columns, ours, and what must never be in them."""

from __future__ import annotations

from terminal_task_gen.errors import Cause
from terminal_task_gen.export.rows import COLUMN_MEANINGS, CorpusRow, DroppedRow, RunStamp, build_row
from terminal_task_gen.finding import Finding, Judged, Reason, RuleName, Ruling
from terminal_task_gen.records import Usage
from terminal_task_gen.task import GateResult, Lineage, Task
from terminal_task_gen.trajectory import Message, TestOutcome, Timings, Trajectory, Verdict

STAMP = RunStamp(run_id="6f9619ff-8b86-5011-b42d-00cf4fc964ff", date="2025-12-31")
RELEASED_COLUMNS = (
    "conversations", "agent", "model", "model_provider", "date", "task", "episode", "run_id", "trial_name",
    "enable_thinking", "source",
)  # fmt: skip
FINDING = Finding(
    rule=RuleName.FOREIGN_SCRIPT, reason=Reason.FOREIGN_CHARACTERS, where="message 1", match="好", evidence="a 好 b"
)

TASK = Task(
    id="security-0011223344556677",
    domain="security",
    image="security",
    difficulty="medium",
    title="Find the key",
    instruction="Find it and write it to /app/key.txt.",
    files=(),
    tests="def test_key(): assert True",
    weights={"test_key": 1.0},
    skills=("read hashes",),
    solution="echo secret > /app/key.txt",
    gates=(GateResult(gate="oracle", evidence="1 passed in 0.12 s"),),
    lineage=Lineage(
        request_id="req-1", mode="seed", index=3, seed_id="seed-9", author_model="local/author", prompt_version="1"
    ),
)
OPENING = Message(role="user", content="Task Description: …")
SCREEN = Message(role="user", content="New Terminal Output: …")


def judge(*messages: Message, ruling: Ruling | None = None) -> Judged:
    trajectory = Trajectory(
        id="traj-0123456789abcdef",
        task_id=TASK.id,
        domain=TASK.domain,
        attempt=2,
        agent="terminus-2",
        model="local/actor",
        messages=messages,
        steps=(),
        stop_reason=Cause.MAX_TURNS,
        verdict=Verdict(
            reward=0.0,
            passed=False,
            tests=(TestOutcome(name="test_key", status="crashed", weight=1.0, message="KeyError"),),
            log="took 0.31 s",
        ),
        usage=Usage(calls=2, prompt_tokens=100, completion_tokens=20, cached_tokens=7, cost_usd=0.5),
        sandbox="docker",
        timings=Timings(started_at="2025-01-01T00:00:00Z", total_sec=3.25),
    )
    return Judged(TASK, trajectory, ruling or Ruling(trajectory_id=trajectory.id))


def say(content: str, reasoning: str | None = None) -> Message:
    return Message(role="assistant", content=content, reasoning=reasoning)


def test_the_released_columns_come_first_with_the_released_values() -> None:
    row = build_row(judge(OPENING, say("{}", "Hm."), SCREEN, say("{}", "Yes.")), STAMP)
    assert tuple(CorpusRow.model_fields)[: len(RELEASED_COLUMNS)] == RELEASED_COLUMNS
    assert row.model_dump(include=set(RELEASED_COLUMNS) - {"conversations"}) == {
        "agent": "terminus-2",
        "model": "local/actor",
        "model_provider": "openai_compatible",
        "date": "2025-12-31T00:00:00.000000",
        "task": "security-0011223344556677",
        "episode": "episode-1",
        "run_id": STAMP.run_id,
        "trial_name": "security-0011223344556677__0123456",
        "enable_thinking": True,
        "source": "seed_based",
    }


def test_the_outcome_of_the_row_is_told() -> None:
    row = build_row(judge(OPENING, say("{}")), STAMP)
    assert (row.reward, row.passed, row.completed, row.stop_reason) == (0.0, False, False, "max_turns")
    assert [tuple(t.values()) for t in row.tests] == [("test_key", "crashed", 1.0)]
    assert (row.mode, row.seed_id, row.difficulty, row.skills, row.gates) == (
        "seed", "seed-9", "medium", ("read hashes",), ("oracle",),
    )  # fmt: skip
    assert (row.turns, row.attempt, row.prompt_tokens, row.completion_tokens) == (1, 2, 100, 20)


def test_reasoning_that_came_apart_is_put_before_the_content() -> None:
    turns = build_row(judge(OPENING, say('{"a": 1}', "Hm.")), STAMP).conversations
    assert turns[1] == {"role": "assistant", "content": '<think>\nHm.\n</think>\n\n{"a": 1}'}


def test_reasoning_that_came_inline_is_left_alone() -> None:
    inline = "<think>\nHm.\n</think>\n\n{}"
    for reasoning in (None, "", "Hm."):
        row = build_row(judge(OPENING, say(inline, reasoning)), STAMP)
        assert row.conversations[1]["content"] == inline
        assert row.enable_thinking
    assert not build_row(judge(OPENING, say("{}")), STAMP).enable_thinking


def test_reasoning_that_the_template_opened_gets_its_opening_tag_back() -> None:
    for content in ('I list.\n</think>\n\n{"a": 1}', "\nHm {x}.</Think>Now:\n{}", "I list.</think>\n"):
        row = build_row(judge(OPENING, say(content)), STAMP)
        assert row.conversations[1]["content"] == "<think>\n" + content.lstrip("\n")
        assert row.enable_thinking
    apart = build_row(judge(OPENING, say("\n</think>\n\n{}", "Hm.")), STAMP)
    assert apart.conversations[1]["content"] == "<think>\nHm.\n</think>\n\n{}"


def test_reasoning_after_prose_or_under_another_tag_is_left_alone() -> None:
    for content in ("Ok.\n<think>Hm.</think>\n{}", "<Thinking>Hm.</Thinking>{}"):
        row = build_row(judge(OPENING, say(content)), STAMP)
        assert (row.conversations[1]["content"], row.enable_thinking) == (content, True)


def test_a_tag_that_is_typed_is_no_reasoning() -> None:
    content = '{"commands": [{"keystrokes": "echo \'</think>{}\'"}]}'
    for lead in ("", "Reply: "):
        row = build_row(judge(OPENING, say(lead + content)), STAMP)
        assert (row.conversations[1]["content"], row.enable_thinking) == (lead + content, False)


def test_a_screen_that_nobody_answered_is_not_trained_on() -> None:
    row = build_row(judge(OPENING, say("{}"), SCREEN, SCREEN), STAMP)
    assert [turn["role"] for turn in row.conversations] == ["user", "assistant"]
    nobody = build_row(judge(OPENING), STAMP)
    assert (nobody.conversations, nobody.turns, nobody.episode) == ((), 0, "episode-0")


def test_no_column_is_ever_null_and_neither_clock_nor_solution_is_in_a_row() -> None:
    for ruling in (None, Ruling(trajectory_id="traj-0123456789abcdef", findings=(FINDING,))):
        line = build_row(judge(OPENING, say("{}"), ruling=ruling), STAMP).model_dump_json()
        assert "null" not in line
        assert not [secret for secret in ("3.25", "2025-01-01", "secret", "0.31", "0.12") if secret in line]


def test_an_objection_makes_it_a_dropped_row_with_two_columns_more() -> None:
    flag = FINDING.model_copy(update={"reason": Reason.NOT_SOLVED, "rule": RuleName.SOLVED})
    kept = build_row(judge(OPENING, say("好"), ruling=Ruling(trajectory_id="t", flags=(flag,))), STAMP)
    dropped = build_row(judge(OPENING, say("好"), ruling=Ruling(trajectory_id="t", findings=(FINDING, flag))), STAMP)
    assert type(kept) is CorpusRow and kept.flags == (Reason.NOT_SOLVED,)
    assert isinstance(dropped, DroppedRow)
    assert (dropped.drop_reason, dropped.findings) == (Reason.FOREIGN_CHARACTERS, (FINDING, flag))
    assert dropped.model_dump(exclude={"drop_reason", "findings", "flags"}) == kept.model_dump(exclude={"flags"})


def test_every_column_is_explained() -> None:
    assert list(COLUMN_MEANINGS) == list(DroppedRow.model_fields)
