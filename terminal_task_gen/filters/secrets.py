"""Keys, passwords and personal data in a text.

Known forms of keys (of clouds, hosts, model vendors, PEM private keys) count by their form, if what follows the prefix
looks random; values that are only named like a secret count when they do. A value of the task's own (it stands in the
task's files, instruction, tests or solution) is planted and no leak; nor is a documented placeholder.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

MIN_KEY_BITS = 3.0
"""Entropy a character from which on the body of a known form is taken for a key and not for `ghp_xxxxxxxx…`."""

_KEYS = re.compile(
    r"""
    (?<![A-Za-z0-9])(?:
      (?P<aws>(?:AKIA|ASIA)[0-9A-Z]{16})(?![0-9A-Za-z])
    | (?P<github>gh[opusr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})
    | (?P<gitlab>glpat-[A-Za-z0-9_-]{20,})
    | (?P<slack>xox[abprs]-[A-Za-z0-9-]{16,})
    | (?P<stripe>(?:sk|rk)_live_[A-Za-z0-9]{16,})
    | (?P<model>sk-(?:proj-|ant-|or-)?[A-Za-z0-9_-]{24,})
    | (?P<google>AIza[0-9A-Za-z_-]{35}|ya29\.[0-9A-Za-z_-]{30,})
    | (?P<hub>hf_[A-Za-z0-9]{30,})
    | (?P<npm>npm_[A-Za-z0-9]{36})
    | (?P<pypi>pypi-AgEI[A-Za-z0-9_-]{40,})
    | (?P<jwt>eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{16,})
    )
    | -----BEGIN\ (?:[A-Z]+\ )?PRIVATE\ KEY-----(?:\\n|\s)*(?P<pem>[A-Za-z0-9+/]{32,})
    """,
    re.VERBOSE,
)
_NAMED = re.compile(
    r"""(?i:\b\w*(?:api_?key|access_?key|secret(?:_?key)?|auth_?token|access_?token|password|passwd)\w*)
        \\*["']?\s*[:=]\s*\\*["']?(?P<value>[A-Za-z0-9+/_=.-]{16,})""",
    re.VERBOSE,
)
TRIGGERS = (
    "akia", "asia", "gho_", "ghp_", "ghu_", "ghs_", "ghr_", "github_p", "glpat", "xoxa", "xoxb", "xoxp", "xoxr", "xoxs",
    "sk_live", "rk_live", "sk-", "aiza", "ya29", "hf_", "npm_", "pypi-age", "eyj", "begin", "api", "access", "secret",
    "auth", "password", "passwd",
)  # fmt: skip
"""Each expression above needs one of them (triggers.py)."""

# Begins with a literal, so that a text without an address costs one scan.
_AT_DOMAIN = re.compile(r"@([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,})(?![\w:@/-])")
_LOCAL_PART = re.compile(r"[A-Za-z0-9._%+-]+$")
_NOBODY = re.compile(
    r"(?:^|\.)example(?:\.[a-z]+)?$|\.(?:test|example|invalid|local|localhost|internal|lan|svg|png|js|py|service|target)$"
    r"|^(?:users\.noreply\.)?(?:github|gitlab)\.com$",
    re.IGNORECASE,
)
_NO_PERSON = re.compile(r"^(?:git|root|admin|noreply|no-reply|info|support|user|you|me|test|security|bugs?)$", re.I)
_PHONE = re.compile(r"\+[1-9][0-9]{0,2}(?:[ .-]?\(?[0-9]{2,5}\)?){2,4}(?![0-9])")
_PLACEHOLDER = re.compile(r"example|placeholder|changeme|your[_-]|xxxx|dummy|redacted|\.\.\.|1234567890", re.IGNORECASE)


@dataclass(frozen=True)
class Private:
    """Something that should not be in a corpus."""

    start: int
    end: int
    value: str
    known_form: bool = True


def find_secrets(text: str, *, min_entropy_bits: float) -> Iterator[Private]:
    """Keys of a known form, then values that are named like secrets."""
    for key in _KEYS.finditer(text):
        value = key[key.lastgroup or 0]
        if measure_entropy(value) >= MIN_KEY_BITS and not _PLACEHOLDER.search(value):
            yield Private(*key.span(), value)
    for named in _NAMED.finditer(text):
        value = named["value"]
        mixed = re.search(r"[0-9]", value) and re.search(r"[A-Za-z]", value)
        if mixed and measure_entropy(value) >= min_entropy_bits and not _PLACEHOLDER.search(value):
            yield Private(*named.span("value"), value, known_form=False)


def find_emails(text: str) -> Iterator[Private]:
    """Addresses of persons: no reserved domains, no role names."""
    if "@" not in text:
        return
    for domain in _AT_DOMAIN.finditer(text):
        local = _LOCAL_PART.search(text, max(0, domain.start() - 64), domain.start())
        if local and not _NOBODY.search(domain[1]) and not _NO_PERSON.match(local[0]):
            yield Private(local.start(), domain.end(), text[local.start() : domain.end()])


def find_phones(text: str) -> Iterator[Private]:
    """International numbers in groups; a bare sum such as +1000000000 is none."""
    if "+" not in text:
        return
    for number in _PHONE.finditer(text):
        digits = sum(map(str.isdigit, number[0]))
        separated = len(re.findall(r"[ .-]", number[0])) >= 2
        before = text[number.start() - 1 : number.start()]
        if 9 <= digits <= 15 and separated and not (before.isalnum() or before in ("+", "-", ".")):
            yield Private(*number.span(), number[0])


def measure_entropy(value: str) -> float:
    """Shannon entropy of the characters, in bits a character."""
    size = len(value)
    return -sum(count / size * math.log2(count / size) for count in Counter(value).values())


def shorten(value: str) -> str:
    """Enough of it to be found again, too little to be used."""
    return f"{value[:4]}…{value[-2:]} ({len(value)} characters)" if len(value) > 12 else f"{value[:3]}…"
