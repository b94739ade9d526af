"""Every shipped command can be trusted as an example: it is bash, its programs are in its domain's image, it is unique.

A program that a command builds or brings along (a path in the working directory) need not be in the image.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter, defaultdict

import pytest
import tree_sitter_bash
from tree_sitter import Language, Node, Parser

from terminal_task_gen.resources import data_dir
from terminal_task_gen.seed_lint import find_syntax_error, list_alike_seeds
from terminal_task_gen.seeds import Seed, load_seeds
from terminal_task_gen.taxonomy import load_domains

COMMANDS = {seed.id: seed for seed in load_seeds([data_dir("seeds")]).values() if seed.kind == "command"}
DOMAINS = load_domains([data_dir("taxonomy")])
LEAST_OF_A_DOMAIN = 50
PARSER = Parser(Language(tree_sitter_bash.language()))


def list_programs(command: str) -> list[str]:
    """First word of every simple command, also of those within substitutions and loops."""
    tree = PARSER.parse(command.encode())
    assert not tree.root_node.has_error, command
    programs: list[str] = []
    pending: list[Node] = [tree.root_node]
    while pending:
        node = pending.pop()
        name = node.child_by_field_name("name") if node.type == "command" else None
        if name is not None and name.text is not None:
            programs.append(name.text.decode())
        pending += reversed(node.children)
    return programs


def get_command(seed: Seed) -> str:
    assert seed.command is not None
    return seed.command


@pytest.mark.parametrize("domain", DOMAINS)
def test_there_are_enough_and_no_program_is_everywhere(domain: str) -> None:
    own = [seed for seed in COMMANDS.values() if seed.domain == domain]
    assert len(own) >= LEAST_OF_A_DOMAIN
    programs = Counter(program for seed in own for program in set(list_programs(get_command(seed))))
    assert len(programs) >= 8
    assert all(times < 0.9 * len(own) for times in programs.values())


@pytest.mark.parametrize("seed", COMMANDS.values(), ids=COMMANDS)
def test_it_is_one_line_of_bash_with_one_sentence(seed: Seed) -> None:
    command = get_command(seed)
    assert "\n" not in command
    assert len(command) < 520
    assert find_syntax_error(command) is None
    assert re.fullmatch(r"[A-Z].{20,140}\.", seed.problem), seed.problem
    assert seed.id.startswith(f"cmd_{seed.domain}_")


def test_no_two_commands_are_alike() -> None:
    assert [(pair.first.id, pair.second.id) for pair in list_alike_seeds(COMMANDS.values())] == []


def test_programs_are_found_wherever_they_stand() -> None:
    command = 'for f in *; do cat <(sort "$f") | head; done && echo "$(date +%s)" > out || { env/bin/pip check; }'
    assert list_programs(command) == ["cat", "sort", "head", "echo", "date", "env/bin/pip"]


@pytest.mark.docker
@pytest.mark.parametrize("domain", DOMAINS)
def test_every_program_is_in_the_image(domain: str) -> None:
    users: dict[str, list[str]] = defaultdict(list)
    for seed in COMMANDS.values():
        for program in list_programs(get_command(seed)) if seed.domain == domain else ():
            if "/" not in program or program.startswith("/"):
                users[program].append(seed.id)
    probe = 'while read -r word; do command -v -- "$word" > /dev/null || echo "$word"; done'
    docker = shutil.which("docker")
    assert docker is not None
    ran = subprocess.run(
        [docker, "run", "--rm", "-i", "--network", "none", f"ttg-{DOMAINS[domain].image}:latest", "bash", "-c", probe],
        input="\n".join(users) + "\n",
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert {word: users[word] for word in ran.stdout.split()} == {}
