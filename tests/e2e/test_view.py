"""`ttg view` over the demo's run: its numbers are the report's, and recordings and turns are in step."""

from __future__ import annotations

import orjson

from tests.e2e.conftest import FinishedDemo
from tests.viewer.conftest import open_client


async def test_the_funnel_is_the_reports(demo: FinishedDemo) -> None:
    report = orjson.loads((demo.run / "corpus" / "report.json").read_bytes())
    async with open_client(demo.run) as client:
        funnel = await client.get("api/runs/demo/funnel")
    for stage, of_report in (("generate", report["generated"]), ("rollout", report["rolled_out"])):
        common = set(funnel[stage]) & set(of_report)
        assert len(common) >= 6
        assert {name: funnel[stage][name] for name in common} == {name: of_report[name] for name in common}
    assert (funnel["filter"]["kept"], funnel["filter"]["dropped"]) == (12, 3)
    firsts = {rule["rule"]: rule["first"] for rule in report["filtered"]["rules"] if rule["first"]}
    assert sum(funnel["filter"]["drop_reasons"].values()) == sum(firsts.values())
    for group, of_report in zip(funnel["domains"], report["domains"], strict=True):
        assert {name: group[name] for name in of_report} == of_report


async def test_every_turn_that_types_is_found_in_its_recording(demo: FinishedDemo) -> None:
    async with open_client(demo.run) as client:
        rows = (await client.get("api/runs/demo/trajectories"))["rows"]
        assert len(rows) == 15
        for row in rows:
            shown = await client.get(f"api/runs/demo/trajectories/{row['id']}")
            starts = [turn["start_sec"] for turn in shown["turns"] if turn["commands"]]
            assert None not in starts
            assert starts == sorted(set(starts)), row["id"]
            assert starts[-1] <= shown["recording"]["seconds"]
