"""Per-minute limits, configured and told by headers, on a clock of the test's own."""

from __future__ import annotations

import pytest

from terminal_task_gen.teacher.quota import Quota, read_span


def make_quota(requests: int = 0, tokens: int = 0) -> Quota:
    return Quota(requests, tokens, longest_wait_sec=600.0)


def count_starts(quota: Quota, *, for_sec: float, tokens: int = 0) -> int:
    """Start a call whenever one may start, each used so many tokens at once."""
    now, starts = 0.0, 0
    while (now := max(now, quota.tell_opening(now))) < for_sec:
        guess = quota.start(400, now)
        quota.settle(guess, tokens=tokens, completion_tokens=0, now=now)
        starts += 1
        assert starts < 100_000
    return starts


def test_without_limits_a_call_starts_at_once() -> None:
    quota = make_quota()
    for _ in range(1000):
        assert quota.tell_opening(5.0) == 5.0
        quota.start(10_000, 5.0)


@pytest.mark.parametrize("limit", [6, 600])
def test_any_minute_sees_no_more_requests_than_the_limit_and_a_second(limit: int) -> None:
    assert limit <= count_starts(make_quota(requests=limit), for_sec=60.0) <= limit + max(1, limit // 60)


def test_tokens_are_counted_as_the_replies_say() -> None:
    starts = count_starts(make_quota(tokens=60_000), for_sec=600.0, tokens=2_000)
    assert 299 <= starts <= 302


def test_what_a_reply_used_is_guessed_from_those_before() -> None:
    quota = make_quota(tokens=60_000)
    assert quota.start(400, 0.0) == pytest.approx(100)
    for _ in range(200):
        quota.settle(0.0, tokens=0, completion_tokens=900, now=0.0)
    assert quota.start(400, 0.0) == pytest.approx(1_000, rel=0.01)


def test_headers_close_it_until_the_reset_and_count_down_before() -> None:
    quota = make_quota()
    quota.learn({"x-ratelimit-remaining-requests": "2", "x-ratelimit-reset-requests": "1m30s"}, 10.0)
    for _ in range(2):
        assert quota.tell_opening(11.0) == 11.0
        quota.start(40, 11.0)
    assert quota.tell_opening(12.0) == 100.0
    assert quota.tell_opening(100.0) == 100.0
    assert quota.tell_opening(101.0) == 101.0


def test_a_reset_far_away_is_waited_for_as_long_as_any_wait() -> None:
    quota = make_quota()
    quota.learn({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "2h"}, 0.0)
    assert quota.tell_opening(0.0) == 600.0


@pytest.mark.parametrize("reset", ["", "soon", "-"])
def test_headers_without_sense_change_nothing(reset: str) -> None:
    quota = make_quota()
    quota.learn({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": reset}, 0.0)
    quota.learn({"x-ratelimit-remaining-requests": "none", "x-ratelimit-reset-requests": "9s"}, 0.0)
    assert quota.tell_opening(0.0) == 0.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("20ms", 0.02), ("1.5s", 1.5), ("6m0s", 360), ("2h", 7200), ("1d2h3m4.5s", 93784.5), ("17", 17), ("0.25", 0.25)],
)
def test_spans(text: str, seconds: float) -> None:
    assert read_span(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", " ", "x", "5 apples", "1s2h", "nan", "-3"])
def test_what_is_no_span(text: str) -> None:
    assert read_span(text) is None
