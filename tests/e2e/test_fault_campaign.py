"""Three unreliable replicas, one slow, one killed half way, and kill -9: the ids of an undisturbed run all the same.

The long one (5,000 requests, twenty kills) is benchmarks/faults.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.faults.campaign import Plan, find_differences, run_campaign

pytestmark = [pytest.mark.bubblewrap, pytest.mark.slow]


def test_nothing_is_lost_and_nothing_doubled(tmp_path: Path) -> None:
    plan = Plan(requests=150, kills=2, parallel=32)
    undisturbed, disturbed, dealt = run_campaign(plan, tmp_path)
    assert find_differences(plan, undisturbed, disturbed) == []
    assert dealt["exits"][-9] >= 1
    spoilt = sum(sum(server["faults"].values()) for server in dealt["dealt"])
    asked = sum(server["requests"] for server in dealt["dealt"])
    assert 0.1 < spoilt / asked < 0.3
    assert all(len(server["faults"]) == 8 for server in dealt["dealt"][:1]), "every fault came"
