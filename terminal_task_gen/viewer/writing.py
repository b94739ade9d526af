"""Puts what was extracted into the index: rows by id, words, columns, and where each file has been read to."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from terminal_task_gen.store import REJECTED, TASKS, TRAJECTORIES
from terminal_task_gen.viewer.columns import DTYPES, MAX_CODE, OTHERS
from terminal_task_gen.viewer.extract import FailureFacts, ItemFacts, RulingFacts, TrajectoryFacts, is_owed
from terminal_task_gen.viewer.scan import BadLine, Extracted, KnownShard, Place, take_fingerprint

MAX_DAMAGE_ROWS = 1_000
SEGMENT_ROWS = 65_536
"""A live run adds to its last segment until it has so many rows."""
MAX_REASONS = 63
"""Bits of the set of reasons found in a row; words beyond share the last one."""


class IndexWriter:
    """One transaction at a time: `begin`, any number of `add_…`, `commit`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._words: dict[str, dict[str, int]] = defaultdict(dict)
        for kind, code, text in connection.execute("SELECT kind, code, text FROM word"):
            self._words[kind][text] = code
        self._new_words: list[tuple[str, int, str]] = []
        self._columns: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        self._first = {kind: self._count_rows(kind) for kind in DTYPES}
        self._has_failures = connection.execute("SELECT 1 FROM failure LIMIT 1").fetchone() is not None

    def begin(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def commit(self, **meta: object) -> None:
        """Make what was added since `begin` seen by readers, as a new revision."""
        for kind in list(self._columns):
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
        rows: Any = extracted.rows
        if kind == TRAJECTORIES.prefix:
            self._add_trajectories(shard, rows)
        elif kind in (TASKS.prefix, REJECTED.prefix):
            self._add_items(shard, rows)
        else:
            self._add_failures(shard, rows)
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

    def clear_rulings(self) -> None:
        self._db.execute("DELETE FROM ruling")
        self._db.execute("DELETE FROM segment WHERE kind = 'ruling'")
        self._columns.pop("ruling", None)

    def add_rulings(self, path: str, rows: Sequence[tuple[RulingFacts, Place]]) -> None:
        self._db.executemany(
            "INSERT OR REPLACE INTO ruling VALUES(?, ?, ?, ?, ?, ?)",
            [
                (facts.id, self._encode("ruling", facts.drop), self._encode_set(facts.found), path, *place)
                for facts, place in rows
            ],
        )

    def match_rulings(self) -> int:
        """Lay the rulings beside the trajectories' rows; how many found none."""
        rows = self._db.execute(
            "SELECT t.row, r.drop_code, r.found FROM ruling r JOIN trajectory t ON t.id = r.id ORDER BY t.row"
        ).fetchall()
        self._db.execute("DELETE FROM segment WHERE kind = 'ruling'")
        self._first["ruling"] = 0
        self._columns["ruling"] = rows
        (count,) = self._db.execute("SELECT count(*) FROM ruling").fetchone()
        return max(0, int(count) - len(rows))

    def _add_trajectories(self, shard: int, rows: Sequence[tuple[TrajectoryFacts, Place]]) -> None:
        first = self._first["trajectory"] + len(self._columns["trajectory"])
        self._columns["trajectory"] += [
            (
                place.offset,
                place.size_bytes,
                self._encode("task", facts.task_id),
                facts.attempt,
                facts.turns,
                facts.prompt_tokens,
                facts.completion_tokens,
                facts.seconds,
                facts.reward,
                facts.cost_usd,
                shard,
                self._encode("domain", facts.domain),
                self._encode("stop", facts.stop),
                self._encode("model", facts.model),
                facts.flags,
            )
            for facts, place in rows
        ]
        ids = [(first + n, facts.id) for n, (facts, _) in enumerate(rows)]
        self._db.executemany("INSERT INTO trajectory VALUES(?, ?)", ids)
        self._db.executemany(
            "INSERT INTO trajectory_text(rowid, words) VALUES(?, ?)",
            [(first + n, facts.words) for n, (facts, _) in enumerate(rows)],
        )
        if self._has_failures:
            self._db.executemany("UPDATE failure SET final = 0 WHERE id = ?", [(key,) for _, key in ids])

    def _add_items(self, shard: int, rows: Sequence[tuple[ItemFacts, Place]]) -> None:
        first = self._first["item"] + len(self._columns["item"])
        for n, (facts, place) in enumerate(rows):
            self._columns["item"].append(
                (
                    place.offset,
                    place.size_bytes,
                    0 if facts.cause else self._encode("task", facts.id),
                    shard,
                    self._encode("domain", facts.domain),
                    self._encode("mode", facts.mode),
                    self._encode("difficulty", facts.difficulty),
                    self._encode("cause", facts.cause),
                    self._encode("reason", facts.reason),
                    self._encode("gate", facts.gate),
                    self._encode("author", facts.author),
                    facts.repairs,
                )
            )
            self._columns["skill"] += [
                (first + n, self._encode("skill", skill)) for skill in dict.fromkeys(facts.skills)
            ]
        self._db.executemany(
            "INSERT INTO item VALUES(?, ?, ?, ?, ?, ?)",
            [
                (first + n, facts.id, facts.request_id, facts.title, facts.evidence, _rank(facts.cause))
                for n, (facts, _) in enumerate(rows)
            ],
        )
        self._db.executemany(
            "INSERT INTO item_text(rowid, words) VALUES(?, ?)",
            [(first + n, facts.words) for n, (facts, _) in enumerate(rows)],
        )
        self._supersede(first)

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

    def _add_failures(self, shard: int, rows: Sequence[tuple[FailureFacts, Place]]) -> None:
        for facts, place in rows:
            self._has_failures = True
            self._db.execute("UPDATE failure SET final = 0 WHERE id = ?", (facts.id,))
            self._db.execute(
                "INSERT INTO failure(id, task_id, cause, reason, final, shard, at, size)"
                " SELECT ?, ?, ?, ?, NOT EXISTS (SELECT 1 FROM trajectory WHERE id = ?), ?, ?, ?",
                (facts.id, facts.task_id, facts.cause, facts.reason, facts.id, shard, *place),
            )

    def _append_segment(self, kind: str) -> None:
        rows = self._columns.pop(kind)
        if not rows:
            return
        data = np.array(rows, dtype=DTYPES[kind]).tobytes()
        last = self._db.execute(
            "SELECT first, rows, data FROM segment WHERE kind = ? ORDER BY first DESC LIMIT 1", (kind,)
        ).fetchone()
        begins, count = self._first[kind], len(rows)
        self._first[kind] += count
        if last is not None and last[1] + count <= SEGMENT_ROWS:
            begins, count, data = last[0], last[1] + count, last[2] + data
        self._db.execute("INSERT OR REPLACE INTO segment VALUES(?, ?, ?, ?)", (kind, begins, count, data))

    def _count_rows(self, kind: str) -> int:
        (count,) = self._db.execute("SELECT coalesce(sum(rows), 0) FROM segment WHERE kind = ?", (kind,)).fetchone()
        return int(count)

    def _encode(self, kind: str, text: str) -> int:
        """The word's number; 0 for none."""
        if not text:
            return 0
        known = self._words[kind]
        code = known.get(text)
        if code is None:
            if len(known) >= MAX_CODE and kind != "task":
                return self._encode(kind, OTHERS) if OTHERS in known else self._add_word(kind, OTHERS)
            code = self._add_word(kind, text)
        return code

    def _add_word(self, kind: str, text: str) -> int:
        code = len(self._words[kind]) + 1
        self._words[kind][text] = code
        self._new_words.append((kind, code, text))
        return code

    def _encode_set(self, reasons: Sequence[str]) -> int:
        """Bits; as SQLite's signed integer."""
        bits = 0
        for reason in reasons:
            bits |= 1 << min(self._encode("ruling", reason), MAX_REASONS - 1)
        return bits


def _rank(cause: str) -> int:
    """Of an item among those of its request: 0 a task, 1 given up for good, 2 owed."""
    return 0 if not cause else 2 if is_owed(cause) else 1
