"""Rows that were spooled before all was known: near-duplicates and solve rates come out when every row has been read.

Only those rows are written again, into a spool of their own; the index of their first spool forgets them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from terminal_task_gen.export.parts import DROPPED
from terminal_task_gen.export.rows import CorpusRow, DroppedRow
from terminal_task_gen.export.spool import RowSpool, SpoolIndex
from terminal_task_gen.export.tally import Tally
from terminal_task_gen.finding import RuleName, Ruling


@dataclass
class _Amending:
    more: Mapping[str, Ruling]
    spool: RowSpool
    tally: Tally
    order: dict[RuleName, int] = field(default_factory=lambda: {rule: place for place, rule in enumerate(RuleName)})

    def amend(self, line: bytes, index: SpoolIndex, model: type[CorpusRow]) -> None:
        before = model.model_validate_json(line)
        more = self.more[before.id]
        after = self._add_findings(before, more)
        if model is CorpusRow:
            index.statistics.add(before, -1)
        self.spool.add(after)
        self.tally.amend(before, after, more)

    def _add_findings(self, row: CorpusRow, more: Ruling) -> CorpusRow:
        before = row.findings if isinstance(row, DroppedRow) else ()
        findings = tuple(sorted((*before, *more.findings), key=lambda finding: self.order[finding.rule]))
        columns = {name: getattr(row, name) for name in CorpusRow.model_fields}
        columns["flags"] = (*row.flags, *(flag.reason for flag in more.flags))
        if not findings:
            return CorpusRow.trust(columns)
        return DroppedRow.trust({**columns, "drop_reason": findings[0].reason, "findings": findings})


def amend_rows(indexes: Sequence[SpoolIndex], more: Mapping[str, Ruling], spool: RowSpool, tally: Tally) -> None:
    """Add to each row of `more` (by its id) what was found late; `indexes` and `tally` are put right."""
    late_ids = np.array([text.encode() for text in more], dtype=np.bytes_)
    if not len(late_ids):
        return
    amending = _Amending(more, spool, tally)
    for index in indexes:
        fd = os.open(index.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            for part, places in list(index.parts.items()):
                late = np.isin(places.ids, late_ids)
                if late.any():
                    index.parts[part] = places.take(~late)
                    gone = places.take(late)
                    for offset, size_bytes in zip(gone.offsets.tolist(), gone.sizes.tolist(), strict=True):
                        line = os.pread(fd, size_bytes, offset)
                        amending.amend(line, index, DroppedRow if part == DROPPED else CorpusRow)
        finally:
            os.close(fd)
