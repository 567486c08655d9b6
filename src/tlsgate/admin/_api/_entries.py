"""
Entries of the settings document's lists: bindings, sites, upstreams.  What their operations have in common.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from ...problems import Problem, ProblemError
from ...settings import Draft, json_schema, merge_patch
from .._bodies import json_object
from .._changing import changed, make_change
from .._operations import Answer, Call
from .._script import settings_options

__all__ = [
    "CHANGE_CODES",
    "create",
    "editable",
    "effective",
    "entry_schema",
    "find_effective",
    "merge",
    "remove",
    "replace",
    "show_all",
    "show_one",
]

#: Problems that any change of the settings can meet.
CHANGE_CODES: Final = (
    "invalid-settings",
    "pinned",
    "port-in-use",
    "port-forbidden",
    "would-lock-out",
    "no-valid-certificate",
    "generation-moved",
    "storage-failed",
    "worker-unresponsive",
)

Check = Callable[[Mapping[str, Any], Mapping[str, Any]], None]


def entry_schema(model: str) -> Mapping[str, Any]:
    """
    The JSON Schema of one table of the settings document.

    @param model: its name in the settings' schema.
    """
    return {"$ref": f"#/$defs/{model}", "$defs": json_schema()["$defs"]}


def effective(call: Call, kind: str) -> list[dict[str, Any]]:
    """
    All entries of a kind as they are in force: with defaults, and with what options pin.
    """
    found: list[dict[str, Any]] = call.control.changes.effective.model_dump(mode="json", by_alias=True)[kind]
    return found


def find_effective(call: Call, kind: str, name: str) -> dict[str, Any]:
    """
    The entry in force with a name.

    @raise Problem: C{not-found}.
    """
    for entry in effective(call, kind):
        if entry["name"] == name:
            return entry
    raise Problem("not-found", f"There is no {kind} named {name!r}.")


def editable(draft: Draft, kind: str, name: str) -> dict[str, Any]:
    """
    The entry of a draft with a name, to be written to.

    @raise Problem: C{not-found}.
    """
    entry = draft.find(kind, name)
    if entry is None:
        raise Problem("not-found", f"There is no {kind} named {name!r}.")
    return entry


def _etag(call: Call) -> int:
    number: int = call.control.changes.current.number
    return number


def show_all(call: Call, kind: str) -> Answer:
    """
    All entries of a kind.
    """
    return Answer(document={f"{kind}s": effective(call, kind)}, etag=_etag(call))


def show_one(call: Call, kind: str) -> Answer:
    """
    One entry.
    """
    return Answer(document=find_effective(call, kind, call.parameters["name"]), etag=_etag(call))


def _shown(call: Call, kind: str, entry: Mapping[str, Any]) -> Mapping[str, Any]:
    if call.query.get("dry_run"):
        return entry
    try:
        return find_effective(call, kind, str(entry.get("name")))
    except Problem:
        return entry


def _named(body: dict[str, Any], name: str) -> dict[str, Any]:
    if body.setdefault("name", name) != name:
        raise Problem(
            "invalid-settings",
            "The name in the content is not the one in the path.",
            errors=[ProblemError("/name", "conflict", f"must be {name!r}")],
        )
    return body


def _nothing(old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """
    No further check.
    """


async def create(call: Call, kind: str, check: Check = _nothing) -> Answer:
    """
    Add an entry.

    @param check: gets the old (empty) and the new entry; raises L{Problem} if the principal may not do that.

    @raise Problem: C{exists}, and what any change can meet.
    """
    body = json_object(call)
    name = body.get("name")

    def edit(draft: Draft) -> None:
        if any(entry["name"] == name for entry in effective(call, kind)):
            raise Problem("exists", f"There is a {kind} named {name!r}; PUT replaces it.")
        check({}, body)
        draft.document.setdefault(kind, []).append(body)

    outcome = await make_change(call, edit)
    return changed(
        call,
        outcome,
        [kind, "add", *_options(body)],
        document=body,
        status=201,
        fields={"Location": f"{call.path}/{name}"},
        shown={kind: _shown(call, kind, body)},
    )


async def replace(call: Call, kind: str, check: Check = _nothing) -> Answer:
    """
    Replace an entry wholly, or create it.
    """
    name = call.parameters["name"]
    body = _named(json_object(call), name)
    exists = any(entry["name"] == name for entry in effective(call, kind))

    def edit(draft: Draft) -> None:
        check(find_effective(call, kind, name) if exists else {}, body)
        if exists:
            entry = editable(draft, kind, name)
            entry.clear()
            entry.update(body)
        else:
            draft.document.setdefault(kind, []).append(body)

    outcome = await make_change(call, edit)
    return changed(
        call,
        outcome,
        [kind, "set", "--replace", *_options(body)],
        document=body,
        status=200 if exists else 201,
        shown={kind: _shown(call, kind, body)},
    )


async def merge(call: Call, kind: str, check: Check = _nothing) -> Answer:
    """
    Change members of an entry by RFC 7396.
    """
    name = call.parameters["name"]
    patch = json_object(call)
    changed_entry: dict[str, Any] = {}

    def edit(draft: Draft) -> None:
        entry = editable(draft, kind, name)
        merged = merge_patch(dict(entry), patch)
        check(entry, merged)
        entry.clear()
        entry.update(merged)
        changed_entry.update(merged)

    outcome = await make_change(call, edit)
    command = [kind, "set", f"--name={name}", *settings_options(patch)]
    return changed(call, outcome, command, document=patch, shown={kind: _shown(call, kind, changed_entry)})


async def remove(call: Call, kind: str) -> Answer:
    """
    Remove an entry.

    @raise Problem: C{not-found}, C{in-use}, and what any change can meet.
    """
    name = call.parameters["name"]

    def edit(draft: Draft) -> None:
        entry = editable(draft, kind, name)
        draft.document[kind] = [other for other in draft.document[kind] if other is not entry]

    outcome = await make_change(call, edit)
    return changed(call, outcome, [kind, "remove", name])


def _options(body: Mapping[str, Any]) -> list[str]:
    return settings_options(body)
