"""Crashes at random in all stages: every request accounted for once, every shard whole, the corpus as undisturbed.

The long one (200 rounds) is benchmarks/crash.
"""

from __future__ import annotations

import json

import pytest

from benchmarks.crash.campaign import run_on_small_disk

pytestmark = [pytest.mark.bubblewrap, pytest.mark.slow, pytest.mark.timeout(900)]


def test_nothing_is_lost_doubled_or_different() -> None:
    result = run_on_small_disk(["--rounds", "3"])
    report = json.loads(result.stdout.splitlines()[-1])
    assert report["differences"] == []
    assert report["rounds"] == 3
    assert sum(report["dealt"].values()) >= 4
