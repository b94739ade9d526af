"""How many calls a server may have in flight, as a function of what it answers."""

from __future__ import annotations

import pytest

from terminal_task_gen.teacher.pace import CUT, START, Pace


def answer_rounds(pace: Pace, rounds: int, *, from_sec: float = 0.0, share: float = 1.0) -> float:
    """Rounds of one second in which a share of what may be in flight is, and is answered; the time after them."""
    now = from_sec
    for _ in range(rounds):
        for _ in range(int(pace.limit * share)):
            # A slot that falls free, or is new, is taken at once.
            pace.note_answer(sent_at=now, now=now + 1.0, in_flight=int(pace.limit * share))
        now += 1.0
    return now


def overload(pace: Pace, *, count: int, at_sec: float, timeout: bool = False) -> None:
    for _ in range(count):
        pace.note_overload(sent_at=at_sec, now=at_sec + 0.1, timeout=timeout)


def test_slow_start_doubles_each_round_up_to_the_ceiling() -> None:
    pace = Pace(1000, adaptive=True)
    seen = [pace.limit]
    for second in range(7):
        answer_rounds(pace, 1, from_sec=second)
        seen.append(pace.limit)
    assert seen == [START, 32, 64, 128, 256, 512, 1000, 1000]


def test_a_limit_that_holds_nobody_back_does_not_grow() -> None:
    pace = Pace(1000, adaptive=True)
    answer_rounds(pace, 20, share=0.5)
    assert pace.limit == START


def test_overload_cuts_once_for_all_that_was_sent_before() -> None:
    pace = Pace(64, adaptive=True)
    now = answer_rounds(pace, 3)
    assert pace.limit == 64
    overload(pace, count=64, at_sec=now)
    assert pace.limit == int(64 * CUT)


def test_after_a_cut_it_rests_and_then_grows_by_a_twentieth_a_round() -> None:
    pace = Pace(640, adaptive=True)
    now = answer_rounds(pace, 6)
    overload(pace, count=20, at_sec=now)
    cut = pace.limit
    answer_rounds(pace, 1, from_sec=now + 0.2)
    assert pace.limit == cut, "cooling down"
    answer_rounds(pace, 1, from_sec=now + 3.0)
    assert cut * 1.04 < pace.limit < cut * 1.06


def test_an_overload_now_and_then_is_noise() -> None:
    pace = Pace(64, adaptive=True)
    now = answer_rounds(pace, 3)
    for _ in range(50):
        overload(pace, count=2, at_sec=now)
        now = answer_rounds(pace, 1, from_sec=now + 0.2)
    assert pace.limit == 64


def test_never_below_one_and_for_timeouts_never_below_a_quarter() -> None:
    pace, hanging = Pace(64, adaptive=True), Pace(64, adaptive=True)
    for second in range(100):
        overload(pace, count=10, at_sec=second)
        overload(hanging, count=10, at_sec=second, timeout=True)
    assert (pace.limit, hanging.limit) == (1, 16)


@pytest.mark.parametrize("ceiling", [1, 40])
def test_without_adaption_the_ceiling_is_the_limit(ceiling: int) -> None:
    pace = Pace(ceiling, adaptive=False)
    overload(pace, count=100, at_sec=0.0)
    assert pace.limit == ceiling
