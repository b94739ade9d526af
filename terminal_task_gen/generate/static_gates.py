"""Gates that only read: what a draft must be before anybody spends a sandbox on it.

Each gate is a small function of a case that returns its complaints; none means passed. All of them run, so
that one repair round can mend everything; only a suite that does not parse hides what comes after it.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable

from terminal_task_gen.generate.complaint import Complaint, RefusedError
from terminal_task_gen.generate.draft import Draft
from terminal_task_gen.generate.static_case import StaticCase
from terminal_task_gen.generate.suite import (
    Suite,
    list_created_paths,
    list_imported_modules,
    list_strings,
    list_unseeded_draws,
    parse_suite,
)
from terminal_task_gen.taxonomy import Domain

MIN_INSTRUCTION_CHARS = 80
"""Shorter than a text message: it cannot say what to make, where and in which form."""
MAX_INSTRUCTION_CHARS = 12_000
"""An actor reads it in every turn; beyond this it is a recipe or a paste of data."""
WEIGHT_TOLERANCE = 1e-6
MAX_TESTS = 50

_APP_PATH = re.compile(r"/app/[\w.\-+@%/]*[\w\-+@%]")
_MODULE_TOOL = re.compile(r"^python3?:([A-Za-z_]\w*)")


Gate = Callable[[StaticCase], list[Complaint]]


def list_promised_modules(domain: Domain) -> frozenset[str]:
    """Python modules in the domain's image: its tools written as `python3:<module>`."""
    matches = (_MODULE_TOOL.match(tool) for tool in domain.tools)
    return frozenset(match[1] for match in matches if match)


def read_suite(draft: Draft) -> Suite:
    """The tests, parsed. Raises RefusedError where Python would refuse them, since no other gate can read them."""
    try:
        return parse_suite(draft.tests)
    except (SyntaxError, ValueError) as error:
        line = f"line {error.lineno}: " if isinstance(error, SyntaxError) else ""
        complaints = [*check_instruction(draft), Complaint("tests_syntax", f"{line}{error}")]
        raise RefusedError("static", complaints) from error


def check_statics(case: StaticCase) -> list[Complaint]:
    """Everything that a look at the draft alone finds."""
    return [*check_instruction(case.draft), *(complaint for check in STATIC_GATES for complaint in check(case))]


def check_instruction(draft: Draft) -> list[Complaint]:
    size = len(draft.instruction.strip())
    if size < MIN_INSTRUCTION_CHARS:
        return [Complaint("instruction_length", f"{size} characters; at least {MIN_INSTRUCTION_CHARS} are needed")]
    if size > MAX_INSTRUCTION_CHARS:
        return [Complaint("instruction_length", f"{size} characters; at most {MAX_INSTRUCTION_CHARS} are allowed")]
    return []


def check_functions(case: StaticCase) -> list[Complaint]:
    complaints = [
        Complaint("test_class", f"class {name}: write plain functions test_*") for name in case.suite.test_classes
    ]
    complaints += [Complaint("duplicate_test", f"{name} is defined twice") for name in case.suite.duplicates]
    complaints += [
        Complaint("async_test", f"{f.name} (line {f.line}) is async, which nothing runs")
        for f in case.suite.functions
        if f.is_async
    ]
    if not case.suite.functions and not case.suite.test_classes:
        complaints.append(Complaint("no_tests", "there is no function test_* in <tests>"))
    if len(case.suite.functions) > MAX_TESTS:
        complaints.append(Complaint("too_many_tests", f"{len(case.suite.functions)} tests; at most {MAX_TESTS}"))
    return complaints


def check_assertions(case: StaticCase) -> list[Complaint]:
    complaints: list[Complaint] = []
    for function in case.suite.functions:
        for line in function.trivial_assertions:
            complaints.append(
                Complaint("trivial_assertion", f"{function.name}, line {line}: this assertion can never fail")
            )
        if not function.has_real_assertion and not function.trivial_assertions:
            complaints.append(
                Complaint("no_assertion", f"{function.name} (line {function.line}) has no assertion that can fail it")
            )
    complaints += [
        Complaint("skipped_test", f"line {line}: a test must not be skipped or expected to fail")
        for line in case.suite.skips
    ]
    return complaints


def check_imports(case: StaticCase) -> list[Complaint]:
    complaints: list[Complaint] = []
    allowed = sys.stdlib_module_names | case.modules | {"pytest"} | list_task_modules(case.draft)
    for module, line in list_imported_modules(case.suite.tree):
        if module not in allowed:
            complaints.append(
                Complaint(
                    "foreign_import",
                    f"line {line}: the tests import {module!r}, which is neither in the standard library nor pytest, "
                    "nor promised by the image, nor a module that the instruction or the files name under /app",
                )
            )
    return list(dict.fromkeys(complaints))


def check_weights(case: StaticCase) -> list[Complaint]:
    names = case.suite.list_names()
    unknown = [name for name in case.draft.weights if name not in names]
    unweighted = [name for name in names if name not in case.draft.weights]
    complaints: list[Complaint] = []
    if unknown:
        complaints.append(Complaint("weights_names", f"weights for tests that do not exist: {', '.join(unknown)}"))
    if unweighted:
        complaints.append(Complaint("weights_names", f"tests without a weight: {', '.join(unweighted)}"))
    for name, weight in case.draft.weights.items():
        if weight <= 0:
            complaints.append(Complaint("weights_positive", f"the weight of {name} is {weight:g}; it must be above 0"))
    total = math.fsum(case.draft.weights.values())
    if abs(total - 1) > WEIGHT_TOLERANCE:
        complaints.append(Complaint("weights_sum", f"the weights sum to {total:.6g}; they must sum to 1"))
    return complaints


def check_outputs(case: StaticCase) -> list[Complaint]:
    """An output that a test looks at must be named in the instruction, by absolute path at least once."""
    strings = "\n".join(list_strings(case.suite.tree))
    named = {match.rstrip("/") for match in _APP_PATH.findall(case.draft.instruction)}
    if not any(path in strings or path.rsplit("/", 1)[-1] in strings for path in named):
        found = ", ".join(sorted(named)) or "none"
        return [
            Complaint(
                "output_not_named",
                "the instruction must name what is to be made by absolute path under /app, and the tests must look "
                f"there; paths named in the instruction: {found}; none of them is in the tests",
            )
        ]
    return []


def check_hidden_paths(case: StaticCase) -> list[Complaint]:
    """A path that a test looks at and that nobody could know of: neither said nor shipped, nor below one that is."""
    instruction = case.draft.instruction
    said = {path.rstrip("/") for path in _APP_PATH.findall(instruction)}
    shipped = {f"/app/{file.path}" for file in case.draft.files}
    created = list_created_paths(case.suite.tree)
    hidden = {
        path
        for path in (string.rstrip("/") for string in list_strings(case.suite.tree) if string not in created)
        if _APP_PATH.fullmatch(path)
        and path.rsplit("/", 1)[-1] not in instruction
        and not any(known == path or known.startswith(f"{path}/") for known in shipped | said)
        and not any(path.startswith(f"{known}/") for known in said)
    }
    return [
        Complaint("hidden_path", f"the tests look at {path}, which neither the instruction nor the files mention")
        for path in sorted(hidden)
    ]


def check_randomness(case: StaticCase) -> list[Complaint]:
    return [
        Complaint("unseeded_random", f"line {line}: a random draw without a seed; make a random.Random(some number)")
        for line in list_unseeded_draws(case.suite.tree)
    ]


def list_task_modules(draft: Draft) -> set[str]:
    """Modules under /app that the tests may load: shipped, or asked for in the instruction."""
    paths = [*(file.path for file in draft.files), *_APP_PATH.findall(draft.instruction)]
    parts = {part for path in paths for part in path.removeprefix("/app/").split("/")}
    return {part.removesuffix(".py") for part in parts}


STATIC_GATES: tuple[Gate, ...] = (
    check_functions,
    check_assertions,
    check_imports,
    check_weights,
    check_outputs,
    check_hidden_paths,
    check_randomness,
)
"""All run whatever the others say."""
