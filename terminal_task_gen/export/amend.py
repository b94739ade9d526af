"""Rows that were spooled before all was known: near-duplicates and solve rates come out when every row has been read.

Only those rows are written again, into a spool of their own; the index of their first spool forgets them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from terminal_task_gen.export.parts import DROPPED
from terminal_task_gen.export.rows import CorpusRow, DroppedRow
from terminal_task_gen.export.spool import Place, RowSpool, SpoolIndex
from terminal_task_gen.export.tally import Tally
from terminal_task_gen.finding import RuleName, Ruling


def amend_rows(indexes: Sequence[SpoolIndex], more: Mapping[str, Ruling], spool: RowSpool, tally: Tally) -> None:
    """Add to each row of `more` (by its id) what was found late; `indexes` and `tally` are put right."""
    for index in indexes:
        for part, places in index.parts.items():
            late = [place for place in places if place.row_id in more]
            if not late:
                continue
            index.parts[part] = [place for place in places if place.row_id not in more]
            for place in late:
                before = _read_row(place, DroppedRow if part == DROPPED else CorpusRow)
                after = _add_findings(before, more[place.row_id])
                if part != DROPPED:
                    index.statistics.add(before, -1)
                spool.add(after)
                tally.amend(before, after, more[place.row_id])


def _read_row(place: Place, model: type[CorpusRow]) -> CorpusRow:
    fd = os.open(place.spool, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return model.model_validate_json(os.pread(fd, place.size_bytes, place.offset))
    finally:
        os.close(fd)


def _add_findings(row: CorpusRow, more: Ruling) -> CorpusRow:
    order = list(RuleName)
    before = row.findings if isinstance(row, DroppedRow) else ()
    findings = sorted((*before, *more.findings), key=lambda finding: order.index(finding.rule))
    common = {name: getattr(row, name) for name in CorpusRow.model_fields}
    common["flags"] = (*row.flags, *(flag.reason for flag in more.flags))
    if not findings:
        return CorpusRow.model_construct(**common)
    return DroppedRow.model_construct(**common, drop_reason=findings[0].reason, findings=tuple(findings))
