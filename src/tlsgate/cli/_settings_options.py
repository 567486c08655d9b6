"""
Options made of the settings' own schema: C{hsts.max_age} is C{--hsts-max-age}.

Lists are JSON, or words between commas, or the option repeated.  C{null} puts a setting back to its default.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from ._commands import Command

__all__ = ["SettingsCommand", "chosen_settings"]

META: Final = "tlsgate.settings"

Path = tuple[str, ...]


def _schema_of(model: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    from ..settings import json_schema  # noqa: PLC0415  # pydantic's models take half a second

    definitions = json_schema()["$defs"]
    return definitions[model], definitions


def _members(
    schema: Mapping[str, Any], definitions: Mapping[str, Any], path: Path = ()
) -> Iterator[tuple[Path, Mapping[str, Any], bool]]:
    """
    All settings, and the tables that hold them.

    @return: path, schema, and whether it is a table.
    """
    for name, member in schema["properties"].items():
        reference = member.get("$ref", "").removeprefix("#/$defs/")
        yield (*path, name), member, bool(reference)
        if reference:
            yield from _members(definitions[reference], definitions, (*path, name))


def _metavar(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "|".join(map(str, schema["enum"]))
    kind = schema.get("type", "string")
    return {"boolean": "true|false", "integer": "N", "number": "N", "array": "LIST"}.get(str(kind), "TEXT")


def _read(schema: Mapping[str, Any], text: str) -> Any:
    """
    The value that a text stands for; the gate says whether it may be.

    @raise ValueError: it is nothing of the kind.
    """
    kind = schema.get("type", "string")
    kinds = kind if isinstance(kind, list) else [kind]
    if text == "null":
        return None
    for choice in schema.get("enum", ()):
        if text.lower() == str(choice):
            return choice
    if kinds == ["boolean"]:
        if text.lower() not in ("true", "false"):
            raise ValueError("must be true or false")
        return text.lower() == "true"
    if "integer" in kinds and text.lstrip("-").isascii() and text.lstrip("-").isdecimal():
        return int(text)
    if kinds == ["number"]:
        return float(text)
    if kinds == ["integer"]:
        raise ValueError("must be a whole number")
    return text


def _read_list(schema: Mapping[str, Any], texts: tuple[str, ...]) -> Any:
    if texts == ("null",):
        return None
    found: list[Any] = []
    for text in texts:
        if text.startswith("["):
            found += json.loads(text)
        else:
            found += [word.strip() for word in text.split(",") if word.strip()]
    tables = "$ref" in schema.get("items", {})
    return [{"url": item} if tables and isinstance(item, str) else item for item in found]


def _offered(schema: Mapping[str, Any], incomplete: str) -> list[CompletionItem]:
    words = [str(choice) for choice in schema.get("enum", ())]
    if schema.get("type") == "boolean":
        words = ["true", "false"]
    return [CompletionItem(word) for word in words if word.startswith(incomplete)]


class SettingOption(click.Option):
    """
    An option that stands for one setting.

    @ivar path: of the setting, as C{("hsts", "max_age")}.
    """

    def __init__(self, path: Path, schema: Mapping[str, Any], names: list[str]) -> None:
        self.path = path
        self._schema = schema
        many = schema.get("type") == "array"
        more: dict[str, Any] = {}
        if schema.get("type") == "boolean":
            more = {"is_flag": False, "flag_value": "true"}
        super().__init__(
            [*names, "_".join(("setting", *path))],
            multiple=many,
            metavar=_metavar(schema),
            help=str(schema.get("description", "")),
            expose_value=False,
            callback=self._keep,
            **more,
        )

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """
        What a shell offers: the words that the setting may be.
        """
        return _offered(self._schema, incomplete)

    def _keep(self, context: click.Context, parameter: click.Parameter, value: Any) -> None:
        if value is None or value == ():
            return
        try:
            read = _read_list(self._schema, value) if self.multiple else _read(self._schema, str(value))
        except ValueError as error:
            raise click.BadParameter(str(error), ctx=context, param=parameter) from None
        context.meta.setdefault(META, {})[self.path] = read


class TableOption(click.Option):
    """
    An option that stands for a whole table: C{null} puts all of it back to its defaults.

    @ivar main: the setting that a plain word is for, as C{mode} in C{--redirect=all}; empty for none.
    """

    def __init__(self, path: Path, main: str, schema: Mapping[str, Any], description: str) -> None:
        """
        @param schema: of C{main}.
        """
        self.path = path
        self.main = main
        self._schema = schema
        super().__init__(
            ["--" + "-".join(path).replace("_", "-"), "_".join(("table", *path))],
            metavar="MODE" if main else "null",
            help=f"The same as --{path[-1]}-{main}." if main else description,
            hidden=not main,
            expose_value=False,
            callback=self._keep,
        )

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """
        What a shell offers.
        """
        return _offered(self._schema, incomplete)

    def _keep(self, context: click.Context, parameter: click.Parameter, value: Any) -> None:
        if value is None:
            return
        chosen = context.meta.setdefault(META, {})
        if value == "null":
            chosen[self.path] = None
        elif self.main:
            chosen[(*self.path, self.main)] = value
        else:
            raise click.BadParameter("is a table; name a setting in it, or null", ctx=context, param=parameter)


class SettingsCommand(Command):
    """
    A command with an option for each setting of a model.

    @ivar model: its name in the schema.
    @ivar without: settings that the command names otherwise.
    @ivar spellings: further names of an option.
    @ivar plain_words: tables for which a word may stand, and the setting that is meant.
    """

    model: str = ""
    without: tuple[str, ...] = ()
    spellings: Mapping[Path, tuple[str, ...]] = {}
    plain_words: Mapping[Path, str] = {("redirect",): "mode"}

    _made: list[click.Parameter] | None = None

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """
        The command's own, then the settings'; made when they are asked for, since the schema takes its time.
        """
        if self._made is None:
            schema, definitions = _schema_of(self.model)
            self._made = [
                self._table(path, leaf, definitions)
                if is_table
                else SettingOption(path, leaf, ["--" + "-".join(path).replace("_", "-"), *self.spellings.get(path, ())])
                for path, leaf, is_table in _members(schema, definitions)
                if path[0] not in self.without
            ]
        own = super().get_params(ctx)
        return [*own[:-1], *self._made, own[-1]]

    def _table(self, path: Path, leaf: Mapping[str, Any], definitions: Mapping[str, Any]) -> TableOption:
        main = self.plain_words.get(path, "")
        members = definitions[leaf["$ref"].removeprefix("#/$defs/")]["properties"]
        return TableOption(path, main, members.get(main, {}), leaf.get("description", ""))


def chosen_settings(context: click.Context) -> dict[str, Any]:
    """
    What the options set, as a (merge) document.
    """
    document: dict[str, Any] = {}
    for path, value in context.meta.get(META, {}).items():
        table = document
        for step in path[:-1]:
            if not isinstance(table.setdefault(step, {}), dict):
                table[step] = {}
            table = table[step]
        table[path[-1]] = value
    return document
