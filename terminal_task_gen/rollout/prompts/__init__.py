"""The wording of the actor's first message: templates beside this file, in our own words.

Only the wording is ours: what is asked for is the standard's protocol.

`PROMPT_VERSION` changes with any of them, so a run cannot go on half in one wording and half in another.
"""

from __future__ import annotations

from pathlib import Path

from terminal_task_gen.records import content_digest

PROMPTS_DIR = Path(__file__).parent
PROMPT_VERSION = content_digest({p.name: p.read_text(encoding="utf-8") for p in PROMPTS_DIR.glob("*.j2")})[:16]
