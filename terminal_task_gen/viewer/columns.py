"""The types of the index's columns: one numpy record a row, kept in pieces as bytes and put together in memory.

Some 60 bytes a trajectory: half a million are 30 MB, and any facet is a count over one array.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TRAJECTORY = np.dtype(
    [
        ("offset", "<u8"),
        ("size", "<u4"),
        ("task", "<u4"),
        ("attempt", "<u4"),
        ("turns", "<u4"),
        ("prompt_tokens", "<u8"),
        ("completion_tokens", "<u8"),
        ("seconds", "<f4"),
        ("reward", "<f4"),
        ("cost_usd", "<f4"),
        ("shard", "<u2"),
        ("domain", "<u2"),
        ("stop", "<u2"),
        ("model", "<u2"),
        ("flags", "u1"),
    ]
)
ITEM = np.dtype(
    [
        ("offset", "<u8"),
        ("size", "<u4"),
        ("task", "<u4"),
        ("shard", "<u2"),
        ("domain", "<u2"),
        ("mode", "<u2"),
        ("difficulty", "<u2"),
        ("cause", "<u2"),
        ("reason", "<u2"),
        ("gate", "<u2"),
        ("author", "<u2"),
        ("repairs", "<u2"),
    ]
)
SKILL = np.dtype([("item", "<u4"), ("skill", "<u4")])
RULING = np.dtype([("row", "<u4"), ("drop", "<u2"), ("found", "<u8")])
DTYPES = {"trajectory": TRAJECTORY, "item": ITEM, "skill": SKILL, "ruling": RULING}
MAX_CODE = 65_534
"""Words of a kind beyond so many are counted together, as the word OTHERS."""
OTHERS = "(others)"

Table = NDArray[np.void]
Mask = NDArray[np.bool_]
