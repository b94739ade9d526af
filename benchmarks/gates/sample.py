"""A task as its author would hand it in, with what a defect must know of it."""

from __future__ import annotations

import base64
import json
import random
from dataclasses import dataclass, field

SETTINGS = (
    ("a ferry company", "crossing", "vessel", ("Alma", "Brisk", "Cormorant", "Dunlin", "Esker")),
    ("a seed bank", "lot", "vault", ("north-1", "cedar-4", "quarry", "polar-2", "annex")),
    ("a village brewery", "batch", "tank", ("copper", "oak-3", "steel-1", "steel-2", "pilot")),
    ("an observatory", "exposure", "camera", ("cam-red", "cam-blue", "wide-7", "deep-2", "guide")),
    ("a bus depot", "trip", "line", ("L12", "L40", "N3", "X9", "S7")),
    ("a hospital laundry", "load", "ward", ("surgery", "maternity", "ward-9", "icu-b", "dialysis")),
    ("a paper mill", "reel", "machine", ("PM1", "PM2", "coater", "winder-5", "slitter")),
    ("a chess federation", "game", "club", ("Rook End", "Blitzers", "Old Bridge", "Knightly", "Endgame 64")),
    ("a wind farm", "reading", "turbine", ("WT-03", "WT-11", "WT-19", "WT-24", "WT-30")),
    ("a regional archive", "box", "shelf", ("A-11", "B-02", "C-17", "D-08", "E-21")),
    ("an oyster farm", "harvest", "bed", ("shoal-1", "creek", "spit-4", "lagoon", "bar-2")),
    ("a translation bureau", "order", "desk", ("legal", "medical", "patents", "subtitles", "software")),
    ("a tram workshop", "repair", "bay", ("bay-1", "bay-2", "pit", "paint", "bogie")),
    ("a bell foundry", "casting", "mould", ("tenor", "treble", "fifth", "octave-2", "quint")),
    ("a mountain rescue service", "call-out", "station", ("Ridge", "Col-2", "Valley", "Hut-7", "Pass")),
    ("a toy museum", "loan", "gallery", ("tin", "trains", "dolls-2", "puzzles", "kites")),
)
"""Who, one item of his trade, what items belong to, names of these."""


@dataclass(frozen=True)
class Sample:
    """All parts of a reply; `answers` and `result` are what a good task must not show."""

    name: str
    instruction: str
    files: dict[str, str | bytes]
    tests: str
    weights: dict[str, float]
    solution: str
    output: str = ""
    """Path of the main output, relative to /app."""
    result: str = ""
    """Its right content."""
    answers: tuple[tuple[str, str], ...] = ()
    """What is asked → the answer, as the tests expect it."""
    tags: tuple[str, ...] = field(default=("planted",))

    def compose(self) -> str:
        """The reply."""
        files = "".join(_write_file(path, content) for path, content in self.files.items())
        return (
            f"<task>\n<title>{self.name}</title>\n<instruction>\n{self.instruction}\n</instruction>\n"
            f"<files>\n{files}</files>\n<tests>\n{self.tests}</tests>\n"
            f"<weights>\n{json.dumps(self.weights)}\n</weights>\n"
            f'<metadata>\n{{"skills": [], "tags": {json.dumps(self.tags)}}}\n</metadata>\n'
            f"<solution>\n{self.solution}</solution>\n</task>\n"
        )


def _write_file(path: str, content: str | bytes) -> str:
    if isinstance(content, bytes):
        return f'<file path="{path}" encoding="base64">\n{base64.b64encode(content).decode()}\n</file>\n'
    return f'<file path="{path}">\n{content}</file>\n'


def say(draw: random.Random, *ways: str) -> str:
    """One of several ways to say a thing."""
    return draw.choice(ways)
