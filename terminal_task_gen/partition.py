"""Partitions: a stage's items dealt to n processes that know nothing of one another, by a hash of each item's id."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from terminal_task_gen.errors import UsageError


@dataclass(frozen=True)
class Partition:
    """The `index`-th of `count` parts, counted from 0 as schedulers do; by default the whole."""

    index: int = 0
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Partition:
        """From `i/n`. Raises UsageError with the remedy."""
        found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
        if found is None:
            raise UsageError(f"--partition {text!r} is not of the form i/n; the first of four is 0/4")
        index, count = int(found[1]), int(found[2])
        if index >= count:
            raise UsageError(f"--partition {text}: partitions count from 0, so i is one of 0 to {max(count - 1, 0)}")
        return cls(index, count)

    @property
    def is_whole(self) -> bool:
        return self.count == 1

    def takes(self, item_id: str) -> bool:
        """Whether the item is this part's; of all partitions exactly one says yes, on any machine, in any order."""
        digest = hashlib.blake2b(item_id.encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.count == self.index


WHOLE = Partition()
