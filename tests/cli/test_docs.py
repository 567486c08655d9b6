"""
The pages about the command say what it does.
"""

import re
import shlex
from pathlib import Path

import click
import pytest

from tlsgate.cli import command

DOCS = Path(__file__).parents[2] / "docs"


def commands_of(group: click.Group, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for name, each in group.commands.items():
        found |= commands_of(each, (*path, name)) if isinstance(each, click.Group) else {(*path, name)}
    return found


def shown_lines() -> list[str]:
    """
    Every command that stands in a block of a page.
    """
    lines: list[str] = []
    for page in ("cli.md", "automation.md"):
        for block in re.findall(r"```\n(.*?)```", (DOCS / page).read_text(), re.DOTALL):
            lines += [line for line in block.splitlines() if line.startswith("tlsgate ")]
    return lines


def parse(line: str) -> tuple[str, ...]:
    """
    Parse a command without running it.

    @return: the command's path.
    """
    words = shlex.split(line.partition(" > ")[0], comments=True)[1:]
    context = command.make_context("tlsgate", list(words))
    path: list[str] = []
    while isinstance(context.command, click.Group):
        name, found, rest = context.command.resolve_command(
            context, [*getattr(context, "_protected_args", ()), *context.args]
        )
        assert found is not None
        path.append(str(name))
        context = found.make_context(str(name), rest, parent=context)
    return tuple(path)


@pytest.fixture
def in_a_folder_with_files(tmp_path, monkeypatch) -> None:
    """
    The files that the pages name.
    """
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shops").mkdir()
    for name in (
        "fullchain.pem",
        "privkey.pem",
        "shop.pem",
        "shop.key",
        "shop.pfx",
        "shop.password",
        "shop.crt",
        "gate.toml",
        "node.backup",
        "passphrase",
    ):
        (tmp_path / name).touch()


def test_every_shown_command_is_one(in_a_folder_with_files) -> None:
    """
    What the pages show can be typed, and every command is shown.
    """
    shown = {parse(line) for line in shown_lines()}
    assert commands_of(command) - shown - {("completion",)} == set()
