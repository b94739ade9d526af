"""Whether a text tells which model wrote it.

Three kinds of words betray it, sought in the teacher's prose (reasoning, analysis, plan), not in keystrokes:

* names of the teacher itself: of its model family, its own model name, what FilterConfig.identity_terms adds, and
  always those of the paper's teacher (DeepSeek, hosted_vllm). Those of them that are also packages, people or plain
  words (openai, Claude, Kimi, llama) need a version, or a policy of theirs that the teacher follows;
* claims to be, or to be made by, any known assistant: "I am Qwen", "created by Anthropic, I", "as ChatGPT, I";
* the phrases of models about themselves: "as an AI language model".

Claims and phrases are known in English, Chinese, Japanese, Korean, Spanish, French, German, Portuguese, Italian and
Russian.

A mere mention of an assistant is no leak: tasks are about the `openai` package, Claude Shannon, the GPT partition
table; only what has no other meaning counts by itself, and only as the teacher's own. Nor is a name that the task's own
instruction uses: then it is the subject. "You are an AI assistant" stands in Terminus 2's prompt, so "as an AI
assistant" is no leak either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from terminal_task_gen.filters.triggers import MIN_BYTES


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
    r"|zhipu|kimi|moonshot|minimax|grok|nemotron|cohere|copilot|doubao|hunyuan|ernie bot"
    r"|通义千问|文心一言|豆包|混元|智谱|深度求索|月之暗面)"
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
    | (?:我是|我叫|我的名字是|作为|身为|私は|僕は|저는|나는)\s*(?:一个|一個|一款)?\s*{_ASSISTANTS}
    | (?:我是|作为|身为)(?:一个|一個|一款)?(?:由)?\s*(?:人工智能|AI|大型?)?\s*
      (?:语言模型|語言模型|语言大模型|人工智能助手)
    | 我?(?:是)?由\s*{_ASSISTANTS}\s*(?:公司|团队)?\s*(?:开发|训练|研发|创建|打造)
    | (?:AI|大規模)?言語モデルとして | (?:AI\s*)?언어\s*모델로서
    | \b(?:soy|je\s+suis|ich\s+bin|eu\s+sou|sou|sono|io\s+sono|я)\s*[-—–]?\s*
      (?:(?:el|la|le|der|die|das|o|a|il|un|une|una|ein|eine|um|uma)\s+)?{_ASSISTANTS}(?![a-z])
    | \b(?:soy|fui|he\s+sido|je\s+suis|j['’]ai\s+été|ich\s+(?:bin|wurde)|sou|fui|sono(?:\s+stato)?|я)\b[^.\n"]{{0,60}}?
      \s(?:desarrollad|entrenad|cread|développé|entraîné|créé|entwickelt|trainiert|desenvolvid|treinad|criad|sviluppat
      |addestrat|creat|разработан|обучен|создан)\w*\s+(?:por|par|von|da|pela|pelo|компанией)?\s*{_ASSISTANTS}(?![a-z])
    | \bich\s+(?:bin|wurde)\s+von\s+{_ASSISTANTS}\s+(?:entwickelt|trainiert|erstellt)
    | \b(?:como|soy)\s+(?:un\s+)?(?:gran\s+)?modelo\s+de\s+(?:lenguaje|IA)\b
    | \bcomo\s+(?:um\s+)?modelo\s+de\s+linguagem\b | \bcome\s+modello\s+linguistico\b
    | \ben\s+tant\s+que\s+(?:grand\s+)?modèle\s+(?:de\s+langage|linguistique)\b
    | \bals\s+(?:großes\s+|ein\s+)?(?:KI-)?Sprachmodell\b | \bкак\s+(?:большая\s+)?языковая\s+модель\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_TRIGGERS = (
    "deepseek", "hosted", "qwen", "qwq", "tongyi", "chatgpt", "gpt-", *(f"gpt{digit}" for digit in range(10)),
    "openai", "claude", "anthropic", "gemini", "gemma", "llama", "mistral", "mixtral", "glm", "chatglm", "zhipu",
    "kimi", "moonshot", "minimax", "grok", "nemotron", "cohere", "copilot", "doubao", "hunyuan", "ernie",
    "google deepmind", "meta ai", "codestral", "devstral", "abab", "phi-3", "phi-4", "command-a", "command-r",
    "xai'", "xai ", "language", "lenguaje", "langage", "linguagem", "linguist", "sprachmodell",
    "modelo", "modèle", "языковая", "通", "文", "豆", "混", "智", "深", "月", "语", "語", "言", "人", "언어",
)  # fmt: skip
"""Each expression above needs one of them (triggers.py)."""


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


def list_triggers(models: Iterable[str], terms: Iterable[str]) -> list[str]:
    """Words of which a text must hold one to hold a leak."""
    own = [name for model in models for name in _list_own_names(model)]
    # A term counts in any place where a letter or digit run begins in it; of several runs the longest is rarest.
    runs = [max(re.findall(r"[^\W_]+", term), key=len, default=term) for term in (*own, *terms) if term.strip()]
    return [*_TRIGGERS, *(run for run in runs if len(run.encode()) >= MIN_BYTES)]


def needs_no_trigger(terms: Iterable[str]) -> bool:
    """Whether some term is too short to be a trigger, so that every text must be read."""
    return any(len(max(re.findall(r"[^\W_]+", term), key=len, default="").encode()) < MIN_BYTES for term in terms)


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
