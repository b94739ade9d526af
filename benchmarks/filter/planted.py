"""Plants what the filters must find, and what they must leave alone, and tells what came of it.

    python -m benchmarks.filter.planted                           prints the table
    python -m benchmarks.filter.planted --write docs/filters.md   and puts it there

Every case is one trajectory (or one pair of texts), judged by the same functions as in `ttg filter`. Texts come from a
seed; how alike two of them are is computed exactly from their shingles, beside what the signatures say.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from terminal_task_gen.filters.benchmarks import BenchmarkPrompt
from terminal_task_gen.filters.contamination import BenchmarkScreen, build_indexes
from terminal_task_gen.filters.similarity import SHINGLE_WORDS, find_similar, sign
from terminal_task_gen.filters.words import split_texts, split_words
from terminal_task_gen.finding import RuleName
from terminal_task_gen.trajectory import Message, Trajectory
from tests.filters.cases import list_flags, make_trajectory, reply

MARK = "<!-- planted -->"
NGRAM = 14
SIMILARITY = 0.75
WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in ("rn", "st", "lk", "mp", "nd")]

LEAKS = {
    "English": ("As an AI language model, I cannot see the screen.", "I am Qwen, made by Alibaba."),
    "Chinese": ("作为一个人工智能语言模型，我会先看文件。", "我是通义千问，由阿里巴巴开发。"),
    "Japanese": ("AI言語モデルとして、まずファイルを確認します。", "私はQwenです。"),
    "Korean": ("AI 언어 모델로서 먼저 파일을 확인하겠습니다.", "저는 DeepSeek입니다."),
    "Spanish": ("Como modelo de lenguaje de IA, primero miro los archivos.", "Soy ChatGPT, creado por OpenAI."),
    "French": ("En tant que modèle de langage, je regarde d'abord.", "Je suis Claude, créé par Anthropic."),
    "German": ("Als KI-Sprachmodell sehe ich zuerst nach.", "Ich bin DeepSeek und sehe nach."),
    "Portuguese": ("Como um modelo de linguagem de IA, vejo primeiro.", "Eu sou o ChatGPT, criado pela OpenAI."),
    "Italian": ("Come modello linguistico di IA, guardo prima i file.", "Sono ChatGPT, creato da OpenAI."),
    "Russian": ("Как языковая модель ИИ, я сначала посмотрю.", "Я ChatGPT, созданный OpenAI."),
}
"""Language → a phrase of models about themselves, and a claim to be one."""
NO_LEAKS = (
    "The openai package is pinned to 1.40 in requirements.txt.",
    "Claude Shannon's entropy of the column is 2.3 bits.",
    "The disk has a GPT partition table.",
    "llama.cpp is not installed here.",
    "The gemini constellation is in row 12 of the catalogue.",
    "The language model in /app/lm.arpa has 3-grams.",
)
CHINESE = "订单编号与客户名称"
FOREIGN: dict[str, tuple[Message | str, bool]] = {
    "prose": (reply(f"The header says {CHINESE}, and 我先看一下文件。"), True),
    "reasoning": (Message(role="assistant", content=reply(), reasoning="我先看一下文件。"), True),
    "keystrokes that write a file": (reply(keystrokes=f"echo '{CHINESE}' > /app/kopf.txt\n"), False),
    "keystrokes that search": (reply(keystrokes=f"grep -c '{CHINESE}' orders.csv\n", escape=True), False),
}
"""Where Chinese stands → the reply, and whether it must go. Screens are planted apart."""


class Line(NamedTuple):
    """One line of the table. `found` of `planted` cases; for what must be left alone, `planted` is 0."""

    what: str
    planted: int
    found: int
    clean: int
    false: int


def measure(seed: int) -> list[Line]:
    """Every kind of case but near-duplicates."""
    dice = random.Random(seed)
    return [*_plant_contamination(dice), *_plant_leaks(), *_plant_scripts(), *_plant_secrets()]


def measure_similarity(seed: int, *, pairs: int = 200) -> list[tuple[float, float, int, int]]:
    """Least and greatest exact similarity of a class, pairs in it, pairs that were found."""
    dice = random.Random(seed)
    classes = [(low / 100, (low + 5) / 100) for low in range(50, 100, 5)]
    counts = dict.fromkeys(classes, (0, 0))
    while min(total for total, _ in counts.values()) < pairs:
        first = [dice.choice(WORDS) + str(dice.randrange(400)) for _ in range(300)]
        second = list(first)
        for _ in range(dice.randrange(0, 40)):
            second[dice.randrange(len(second))] = f"edit{dice.randrange(10_000)}"
        exact = _compare_exactly(first, second)
        for low, high in classes:
            total, found = counts[low, high]
            if low <= exact < high and total < pairs:
                counts[low, high] = (total + 1, found + _is_found(" ".join(first), " ".join(second)))
    return [(low, high, *counts[low, high]) for low, high in classes]


def _compare_exactly(first: list[str], second: list[str]) -> float:
    a, b = ({tuple(t[i : i + SHINGLE_WORDS]) for i in range(len(t) - SHINGLE_WORDS + 1)} for t in (first, second))
    return len(a & b) / len(a | b)


def _is_found(first: str, second: str) -> bool:
    signed = sign(split_texts([first, second]), [0, 1, 2])
    return bool(find_similar(signed.slots, iter(signed.bands), np.arange(2), similarity=SIMILARITY))


def _plant_contamination(dice: random.Random) -> Iterator[Line]:
    prompts = [" ".join(dice.choices(WORDS, k=dice.randrange(60, 120))) + f" {n}." for n in range(100)]
    short = [" ".join(dice.sample(WORDS, k=8)) for _ in range(20)]
    texts = enumerate([*prompts, *short])
    known = tuple(BenchmarkPrompt(benchmark="made-up", entry=str(n), text=text) for n, text in texts)

    def screen(*, mask_numbers: bool = False) -> BenchmarkScreen:
        return BenchmarkScreen(tuple(build_indexes(known, ngram=NGRAM, mask_numbers=mask_numbers)))

    plain, masked = screen(), screen(mask_numbers=True)

    def surround(words: list[str]) -> str:
        before, after = (" ".join(f"x{dice.randrange(99_999)}" for _ in range(30)) for _ in range(2))
        return f"{before} {' '.join(words)} {after}"

    def count(used: BenchmarkScreen, make: Callable[[list[str]], str]) -> int:
        return sum(used.find_overlap(make(split_words(prompt))) is not None for prompt in prompts)

    def cut(length: int) -> Callable[[list[str]], str]:
        return lambda words: surround(words[5 : 5 + length])

    for length in (NGRAM, NGRAM + 1, 20, 40):
        yield Line(f"{length} words of a benchmark prompt", 100, count(plain, cut(length)), 0, 0)

    def shout(words: list[str]) -> str:
        return surround([word.upper() + ("," if n % 3 else " —") for n, word in enumerate(words[:20])])

    shouted = count(plain, shout)
    yield Line("20 words, other case and punctuation", 100, shouted, 0, 0)
    edited = count(plain, lambda w: surround([f"e{n}" if n % 20 == 19 else word for n, word in enumerate(w)]))
    yield Line("a whole prompt, every 20th word replaced", 100, edited, 0, 0)
    numbered = [" ".join(f"{word} {n}" for n, word in enumerate(split_words(prompt)[:12])) for prompt in prompts]
    listed = tuple(BenchmarkPrompt(benchmark="numbered", entry=str(n), text=text) for n, text in enumerate(numbered))
    other = BenchmarkScreen(tuple(build_indexes(listed, ngram=NGRAM, mask_numbers=True)))
    changed = [" ".join(f"{w} {n + 7}" for n, w in enumerate(split_words(prompt)[:12])) for prompt in prompts]
    yield Line("other numbers, masked", 100, sum(other.find_overlap(text) is not None for text in changed), 0, 0)
    whole = sum(plain.find_overlap(surround(split_words(text))) is not None for text in short)
    yield Line("a prompt of 8 words, as a whole", 20, whole, 0, 0)
    below = count(plain, cut(NGRAM - 1))
    yield Line(f"{NGRAM - 1} words (no overlap by definition)", 0, 0, 100, below)
    strangers = [" ".join(dice.choices(WORDS, k=100)) for _ in range(300)]
    false = sum(used.find_overlap(text) is not None for text in strangers for used in (plain, masked))
    yield Line("other texts of the same words", 0, 0, 600, false)


def _flags(rule: RuleName, trajectory: Trajectory) -> bool:
    return rule in list_flags(trajectory)


def _plant_leaks() -> Iterator[Line]:
    wraps: dict[str, Callable[[str], Trajectory]] = {
        "content": lambda text: make_trajectory(reply(text)),
        "reasoning": lambda text: make_trajectory(Message(role="assistant", content=reply(), reasoning=text)),
    }
    for place, wrap in wraps.items():
        phrases = [text for pair in LEAKS.values() for text in pair]
        found = sum(_flags(RuleName.IDENTITY, wrap(text)) for text in phrases)
        false = sum(_flags(RuleName.IDENTITY, wrap(text)) for text in NO_LEAKS)
        what = f"identity leaks in {place}, {len(LEAKS)} languages"
        yield Line(what, len(phrases), found, len(NO_LEAKS), false)
    typed = [reply(keystrokes=f"echo '{text}' > notes.txt\n") for pair in LEAKS.values() for text in pair]
    wrong = sum(_flags(RuleName.IDENTITY, make_trajectory(said)) for said in typed)
    yield Line("the same, typed into a file", 0, 0, len(typed), wrong)


def _plant_scripts() -> Iterator[Line]:
    for place, (said, must_go) in FOREIGN.items():
        found = _flags(RuleName.FOREIGN_SCRIPT, make_trajectory(said))
        yield Line(
            f"Chinese in {place}", int(must_go), int(found and must_go), int(not must_go), int(found and not must_go)
        )
    shown = make_trajectory(reply(), observation=f"$ head orders.csv\n{CHINESE}\n")
    yield Line("Chinese on the screen", 0, 0, 1, int(_flags(RuleName.FOREIGN_SCRIPT, shown)))


def _plant_secrets() -> Iterator[Line]:
    keys = (
        "AKIA" + "Q7LZ3PX5TN2MVB4H",
        "ghp_" + "q8Zt4LmX2vRk9WcY7bNs3HdJ6fPa1GeU5oTi",
        "-----BEGIN RSA PRIVATE KEY-----\n"
        "MIIEpAIBAAKCAQEA7bq9x1Zk3vT8sQ0yLw5RjHn2fUcXe6dGpKmB4oVaIzYtSrNq\n"
        "-----END RSA PRIVATE KEY-----",
    )
    made_up = [make_trajectory(reply(keystrokes=f"export TOKEN='{key}'\n")) for key in keys]
    yield Line("keys in keystrokes", len(keys), sum(_flags(RuleName.SECRETS, one) for one in made_up), 0, 0)
    plain = ("password_min_length = 12", "token = tokens[0]", "sha256 of the file: " + "ab12" * 16, "api_key = None")
    false = sum(_flags(RuleName.SECRETS, make_trajectory(reply(keystrokes=f"echo '{text}'\n"))) for text in plain)
    yield Line("words like them that hold none", 0, 0, len(plain), false)


def render(lines: list[Line], curve: list[tuple[float, float, int, int]]) -> str:
    table = ["| planted | cases | found | left alone | wrongly objected to |", "|---|--:|--:|--:|--:|"]
    for x in lines:
        counts = (x.planted or "", x.found if x.planted else "", x.clean or "", x.false if x.clean else "")
        table.append(f"| {x.what} | " + " | ".join(map(str, counts)) + " |")
    planted, found = sum(x.planted for x in lines), sum(x.found for x in lines)
    clean, false = sum(x.clean for x in lines), sum(x.false for x in lines)
    table += [
        f"| **all** | {planted} | {found} ({found / planted:.1%}) | {clean} | {false} ({false / clean:.1%}) |",
        "",
    ]
    table += [f"Pairs of texts of 300 words by their exact similarity, and how many were found at {SIMILARITY}:", ""]
    table += ["| similarity | " + " | ".join(f"{low:.2f}–{high:.2f}" for low, high, *_ in curve) + " |"]
    table += ["|---|" + "--:|" * len(curve)]
    table += ["| found | " + " | ".join(f"{found / total:.0%}" for *_, total, found in curve) + " |"]
    return "\n".join(table) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--write", type=Path, help="file whose table is to be replaced")
    arguments = parser.parse_args()
    table = render(measure(arguments.seed), measure_similarity(arguments.seed))
    print(table)
    if arguments.write:
        text = arguments.write.read_text(encoding="utf-8")
        before, _, rest = text.partition(MARK)
        after = rest.partition(MARK)[2]
        arguments.write.write_text(f"{before}{MARK}\n\n{table}\n{MARK}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
