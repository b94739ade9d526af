"""Puts what was extracted into the index: rows by id, words, columns, and where each file has been read to."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import count, repeat
from pathlib import Path
from typing import Any

import numpy as np

from terminal_task_gen.store import DUPLICATES, REJECTED, TASKS, TRAJECTORIES
from terminal_task_gen.viewer.columns import DTYPES, MAX_CODE, OTHERS, RULING, Table
from terminal_task_gen.viewer.extract import is_owed
from terminal_task_gen.viewer.scan import BadLine, Columns, Extracted, KnownShard, take_fingerprint

MAX_DAMAGE_ROWS = 1_000
SEGMENT_ROWS = 65_536
"""A live run adds to its last segment until it has so many rows."""
MAX_REASONS = 63
"""Bits of the set of reasons found in a row; words beyond share the last one."""


class IndexWriter:
    """One transaction at a time: `begin`, any number of `add_…`, `commit`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._words: dict[str, dict[str, int]] = defaultdict(lambda: {"": 0})
        for kind, code, text in connection.execute("SELECT kind, code, text FROM word"):
            self._words[kind][text] = code
        self._new_words: list[tuple[str, int, str]] = []
        self._tables: dict[str, list[Table]] = defaultdict(list)
        self._rows = {kind: self._count_rows(kind) for kind in DTYPES}
        """Those of `_tables`, which no reader sees yet, included."""
        self._has_failures = connection.execute("SELECT 1 FROM failure LIMIT 1").fetchone() is not None

    def begin(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def commit(self, **meta: object) -> None:
        """Make what was added since `begin` seen by readers, as a new revision."""
        for kind in list(self._tables):
            self._append_segment(kind)
        self._db.executemany("INSERT INTO word VALUES(?, ?, ?)", self._new_words)
        self._new_words.clear()
        revision = (self.get_meta("revision") or 0) + 1
        self.set_meta(revision=revision, **meta)
        self._db.execute("COMMIT")

    def get_meta(self, key: str) -> Any:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def set_meta(self, **values: object) -> None:
        self._db.executemany("INSERT OR REPLACE INTO meta VALUES(?, ?)", values.items())

    def list_shards(self) -> list[KnownShard]:
        query = "SELECT number, kind, path, done_bytes, head_bytes, head, tail FROM shard ORDER BY number"
        return [KnownShard(*row) for row in self._db.execute(query)]

    def move_shard(self, number: int, path: str) -> None:
        self._db.execute("UPDATE shard SET path = ? WHERE number = ? AND path <> ?", (path, number, path))

    def open_shard(self, number: int | None, kind: str, path: str) -> int:
        """Its number; a new one for a new file."""
        if number is None:
            (number,) = self._db.execute("SELECT coalesce(max(number), -1) + 1 FROM shard").fetchone()
            self._db.execute("INSERT INTO shard VALUES(?, ?, ?, 0, 0, x'', x'')", (number, kind, path))
        assert number is not None
        return number

    def add(self, kind: str, shard: int, path: Path, relative: str, extracted: Extracted) -> None:
        """Rows of a chunk of a shard; raises OSError where the file has gone."""
        if kind == TRAJECTORIES.prefix:
            self._add_trajectories(shard, extracted.columns)
        elif kind in (TASKS.prefix, REJECTED.prefix):
            self._add_items(shard, extracted.columns)
        else:
            self._add_failures(shard, extracted.columns)
        self.add_damage(relative, extracted.bad)
        if extracted.end:
            head_bytes, head, tail = take_fingerprint(path, extracted.end)
            self._db.execute(
                "UPDATE shard SET done_bytes = ?, head_bytes = ?, head = ?, tail = ? WHERE number = ?",
                (extracted.end, head_bytes, head, tail, shard),
            )

    def add_damage(self, path: str, bad: Sequence[BadLine]) -> None:
        if not bad:
            return
        (count,) = self._db.execute("SELECT count(*) FROM damage").fetchone()
        rows = [(path, line.place.offset, line.place.size_bytes, line.why[:500]) for line in bad]
        self._db.executemany(
            "INSERT INTO damage(path, at, size, why) VALUES(?, ?, ?, ?)", rows[: max(0, MAX_DAMAGE_ROWS - count)]
        )
        self.set_meta(damaged_lines=(self.get_meta("damaged_lines") or 0) + len(bad))

    def clear_views(self) -> None:
        self._db.execute("DELETE FROM duplicate")
        self._db.execute("DELETE FROM ruling")
        self._db.execute("DELETE FROM segment WHERE kind = 'ruling'")
        self._tables.pop("ruling", None)
        self._rows["ruling"] = 0

    def add_view(self, kind: str, path: str, extracted: Extracted) -> None:
        """Rows of a chunk of a view."""
        if kind == DUPLICATES.prefix:
            pairs = zip(extracted.columns["task_id"], extracted.columns["evidence"], strict=True)
            self._db.executemany("INSERT OR REPLACE INTO duplicate VALUES(?, ?)", pairs)
        else:
            self._add_rulings(path, extracted.columns)
        self.add_damage(path, extracted.bad)

    def _add_rulings(self, path: str, found: Columns) -> None:
        drops = self._encode("ruling", found["drop"])
        sets = {reasons: self._encode_set(reasons) for reasons in set(found["found"])}
        self._db.executemany(
            "INSERT OR REPLACE INTO ruling VALUES(?, ?, ?, ?, ?, ?)",
            zip(
                found["id"],
                drops,
                map(sets.__getitem__, found["found"]),
                repeat(path),
                found["offset"],
                found["size"],
            ),
        )

    def match_rulings(self) -> int:
        """Lay the rulings beside the trajectories' rows; how many found none."""
        query = "SELECT t.row, r.drop_code, r.found FROM trajectory t CROSS JOIN ruling r ON r.id = t.id ORDER BY t.row"
        table = np.fromiter(self._db.execute(query), dtype=RULING)
        self._db.execute("DELETE FROM segment WHERE kind = 'ruling'")
        self._tables["ruling"], self._rows["ruling"] = [table], len(table)
        (count,) = self._db.execute("SELECT count(*) FROM ruling").fetchone()
        return max(0, int(count) - len(table))

    def _add_trajectories(self, shard: int, found: Columns) -> None:
        first, ids = self._rows["trajectory"], found["id"]
        self._add_table(
            "trajectory",
            {
                **{name: found[name] for name in DTYPES["trajectory"].names or () if name in found},
                "task": self._encode("task", found["task_id"]),
                "shard": shard,
                **{name: self._encode(name, found[name]) for name in ("domain", "stop", "model")},
            },
            len(ids),
        )
        self._db.executemany("INSERT INTO trajectory VALUES(?, ?)", zip(count(first), ids))
        self._add_words("trajectory", first, found)
        if self._has_failures:
            self._db.executemany("UPDATE failure SET final = 0 WHERE id = ?", [(key,) for key in ids])

    def _add_items(self, shard: int, found: Columns) -> None:
        first, ids, causes = self._rows["item"], found["id"], found["cause"]
        kinds = ("domain", "mode", "difficulty", "cause", "reason", "gate", "author")
        self._add_table(
            "item",
            {
                **{name: found[name] for name in ("offset", "size", "repairs")},
                "task": self._encode("task", ["" if cause else key for key, cause in zip(ids, causes, strict=True)]),
                "shard": shard,
                **{name: self._encode(name, found[name]) for name in kinds},
            },
            len(ids),
        )
        pairs = [(row, skill) for row, skills in enumerate(found["skills"], first) for skill in dict.fromkeys(skills)]
        codes = self._encode("skill", [skill for _, skill in pairs])
        self._add_table("skill", {"item": [row for row, _ in pairs], "skill": codes}, len(pairs))
        self._db.executemany(
            "INSERT INTO item VALUES(?, ?, ?, ?, ?, ?)",
            zip(count(first), ids, found["request_id"], found["title"], found["evidence"], map(_rank, causes)),
        )
        self._add_words("item", first, found)
        self._supersede(first)

    def _add_table(self, kind: str, columns: Mapping[str, object], rows: int) -> None:
        table = np.empty(rows, dtype=DTYPES[kind])
        for name in DTYPES[kind].names or ():
            table[name] = columns[name]
        self._tables[kind].append(table)
        self._rows[kind] += rows

    def _add_words(self, kind: str, first: int, found: Columns) -> None:
        self._db.executemany(f"INSERT INTO {kind}_text(rowid, words) VALUES(?, ?)", zip(count(first), found["words"]))

    def _supersede(self, first: int) -> None:
        """A draft that was given up counts until the same request is made after all, or given up again: for good before
        for now, else the later one."""
        same = "FROM item new JOIN item old ON old.request_id = new.request_id AND old.row <> new.row"
        self._db.execute(
            f"INSERT OR IGNORE INTO superseded SELECT old.row {same} WHERE new.row >= ? AND old.given_up AND"
            " (new.given_up < old.given_up OR (new.given_up = old.given_up AND new.row > old.row))",
            (first,),
        )
        self._db.execute(
            f"INSERT OR IGNORE INTO superseded SELECT new.row {same} WHERE new.row >= ?"
            " AND old.given_up < new.given_up",
            (first,),
        )

    def _add_failures(self, shard: int, found: Columns) -> None:
        names = ("id", "task_id", "cause", "reason", "offset", "size")
        for row_id, task_id, cause, reason, *place in zip(*(found[name] for name in names), strict=True):
            self._has_failures = True
            self._db.execute("UPDATE failure SET final = 0 WHERE id = ?", (row_id,))
            self._db.execute(
                "INSERT INTO failure(id, task_id, cause, reason, final, shard, at, size)"
                " SELECT ?, ?, ?, ?, NOT EXISTS (SELECT 1 FROM trajectory WHERE id = ?), ?, ?, ?",
                (row_id, task_id, cause, reason, row_id, shard, *place),
            )

    def _append_segment(self, kind: str) -> None:
        table = np.concatenate(self._tables.pop(kind))
        rows = len(table)
        if not rows:
            return
        last = self._db.execute(
            "SELECT first, rows, data FROM segment WHERE kind = ? ORDER BY first DESC LIMIT 1", (kind,)
        ).fetchone()
        begins, data = self._rows[kind] - rows, table.tobytes()
        if last is not None and last[1] + rows <= SEGMENT_ROWS:
            begins, rows, data = last[0], last[1] + rows, last[2] + data
        self._db.execute("INSERT OR REPLACE INTO segment VALUES(?, ?, ?, ?)", (kind, begins, rows, data))

    def _count_rows(self, kind: str) -> int:
        (count,) = self._db.execute("SELECT coalesce(sum(rows), 0) FROM segment WHERE kind = ?", (kind,)).fetchone()
        return int(count)

    def _encode(self, kind: str, texts: Sequence[str]) -> list[int]:
        """The words' numbers; 0 for none."""
        known = self._words[kind]
        for text in dict.fromkeys(texts):
            word = text if text in known or kind == "task" or len(known) <= MAX_CODE else OTHERS
            if word not in known:
                known[word] = len(known)
                self._new_words.append((kind, known[word], word))
        others = known.get(OTHERS, 0)
        return [known.get(text, others) for text in texts]

    def _encode_set(self, reasons: Sequence[str]) -> int:
        """Bits; as SQLite's signed integer."""
        bits = 0
        for code in self._encode("ruling", reasons):
            bits |= 1 << min(code, MAX_REASONS - 1)
        return bits


def _rank(cause: str) -> int:
    """Of an item among those of its request: 0 a task, 1 given up for good, 2 owed."""
    return 0 if not cause else 2 if is_owed(cause) else 1
