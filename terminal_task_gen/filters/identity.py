"""Whether a text tells which model wrote it.

Three kinds of words betray it, sought in the teacher's prose (reasoning, analysis, plan), not in keystrokes:

* names of the teacher itself: of its model family, its own model name, what FilterConfig.identity_terms adds, and
  always those of the paper's teacher (DeepSeek, hosted_vllm). Those of them that are also packages, people or plain
  words (openai, Claude, Kimi, llama) need a version, or a policy of theirs that the teacher follows;
* claims to be, or to be made by, any known assistant: "I am Qwen", "created by Anthropic, I", "as ChatGPT, I";
* the phrases of models about themselves: "as an AI language model".

A mere mention of an assistant is no leak: tasks are about the `openai` package, Claude Shannon, the GPT partition
table; only what has no other meaning counts by itself, and only as the teacher's own. Nor is a name that the task's own
instruction uses: then it is the subject. "You are an AI assistant" stands in Terminus 2's prompt, so "as an AI
assistant" is no leak either.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class Family:
    """A family of models: how to know it by a model's name, and what betrays it in a text."""

    marker: str
    """Regular expression sought in the lower-case model name."""
    names: str
    """Regular expression of names with no other meaning. Homonyms (GLM, GPT, Grok) need a version number."""
    words: str = ""
    """Regular expression of names that are ordinary words too; what the teacher obeys of theirs betrays it."""


_ALWAYS = r"deepseek|hosted_vllm"

_OBEYED = r"['’]s\s+(?:(?:content|usage|safety)\s+)?(?:policy|policies|guidelines)\b"
_END = r"(?![A-Za-z0-9])"
_LETTERS_END = r"(?![A-Za-z])"

_FAMILIES = (
    Family("deepseek", r"deepseek"),
    Family("qwen|qwq", rf"qwen{_LETTERS_END}|qwq-?\d|tongyi{_END}"),
    Family(r"gpt|openai|\bo[134]\b", rf"chatgpt{_LETTERS_END}|gpt-?\d|gpt-oss{_END}", "openai"),
    Family("claude|anthropic", rf"claude[ -]?(?:\d|(?:sonnet|opus|haiku|instant){_END})", "anthropic|claude"),
    Family(
        "gemini|gemma",
        rf"gemini[ -]?(?:\d|(?:pro|flash|ultra|nano){_END})|gemma-?\d|google deepmind{_END}",
        "gemini",
    ),
    Family("llama", rf"llama[ -]?\d|meta ai{_END}", "llama"),
    Family(
        "mistral|mixtral|codestral|devstral",
        rf"(?:mixtral|codestral|devstral){_LETTERS_END}|mistral[ -]?(?:\d|(?:ai|small|medium|large|nemo){_END})",
        "mistral",
    ),
    Family("glm|zai", rf"glm-?\d|chatglm{_LETTERS_END}|zhipu(?:ai)?{_END}"),
    Family("kimi|moonshot", rf"kimi[ -]?k\d|moonshot ?ai{_END}", "kimi|moonshot"),
    Family("minimax", rf"minimax-?(?:m\d|(?:text|ai){_END})|abab-?\d"),
    Family("grok", r"grok-?\d", "grok|xai"),
    Family("nemotron", rf"nemotron{_LETTERS_END}"),
    Family("phi-", r"phi-[34]"),
    Family("command-r|command-a|cohere", rf"command-[ra]{_END}", "cohere"),
)

_ASSISTANTS = (
    r"(?:deepseek|qwen|qwq|tongyi|chatgpt|gpt-?\d|openai|claude|anthropic|gemini|gemma|llama|mistral|mixtral|glm|chatglm"
    r"|zhipu|kimi|moonshot|minimax|grok|nemotron|cohere|copilot|doubao|hunyuan|ernie bot)"
)
# Nothing but a name for what it is may stand between "I am" and "made by": "I am reading a file made by" is no claim.
_KIND = r"(?:an?|the)\s+(?:[\w-]+\s+){0,2}(?:assistant|model|AI)"
_CLAIMS = re.compile(
    rf"""
    \b(?:I\s+am|I['’]m|my\s+name\s+is|call\s+me)\s+(?:an?\s+|the\s+)?(?P<a>{_ASSISTANTS})(?![a-z])
    | \bas\s+(?:an?\s+)?{_ASSISTANTS}[\w-]*(?:\.\d[\w-]*)*\s*,?\s+(?:I|I['’]\w+|my)\b
    | \b(?:(?:I\s+(?:am|was)|I['’]m)(?:\s+(?:just\s+|only\s+)?{_KIND})?|as\s+{_KIND}),?
      \s+(?:made|built|created|developed|trained)\s+(?:and\s+\w+\s+)?by\s+{_ASSISTANTS}(?![a-z])
    | \bas\s+an?\s+(?:AI|artificial\s+intelligence)\s+language\s+model\b
    | \bas\s+a\s+(?:large\s+)?language\s+model\s*,?\s+(?:I|I['’]\w+|my)\b
    | \b(?:I\s+am|I['’]m)\s+(?:just\s+|only\s+)?an?\s+(?:(?:AI|artificial\s+intelligence|large)\s+)*language\s+model\b
    """,
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True)
class Leak:
    """Where a text gives its author away."""

    start: int
    end: int
    claimed: bool
    """A claim about itself; else the mere name."""


def find_leak(prose: str, *, model: str, terms: Sequence[str], instruction: str) -> Leak | None:
    """The first leak in `prose`; a claim counts before a name. `terms` come on top of the built-in ones."""
    claim = _CLAIMS.search(prose)
    if claim is not None:
        return Leak(*claim.span(), claimed=True)
    pattern = _compile_names(model, tuple(terms))
    for name in pattern.finditer(prose):
        if name[0].casefold() not in instruction.casefold():
            return Leak(*name.span(), claimed=False)
    return None


@lru_cache(maxsize=64)
def _compile_names(model: str, terms: tuple[str, ...]) -> re.Pattern[str]:
    own = [family for family in _FAMILIES if re.search(family.marker, model.lower())]
    names = [family.names for family in own]
    obeyed = [rf"(?:{family.words}){_OBEYED}" for family in own if family.words]
    exact = [re.escape(term) + r"(?![A-Za-z0-9])" for term in (*_list_own_names(model), *terms) if term.strip()]
    # Letters and digits bound a name, not \b: in running Chinese or in `deepseek_key` there is no \b to find.
    return re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join([*exact, _ALWAYS, *names, *obeyed])})", re.IGNORECASE)


def _list_own_names(model: str) -> list[str]:
    """The model's name, whole and without its maker's; none that is a plain word, as servers call models `default`."""
    names = dict.fromkeys((model, model.rpartition("/")[2]))
    return [name for name in names if len(name) >= 4 and not name.isalpha()]
