"""
What differs between two generations: a JSON Patch (RFC 6902) for programs, a sentence per change for people.

Lists whose entries have a C{name} are compared by it, so that a new first entry is one addition.  Secrets stand in
neither: literals of the document show as C{{"set": true}}, certificates as fingerprints.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from ..settings import Document, StoredCertificate, hide_secrets, json_schema

__all__ = ["certificate_changes", "json_patch", "shown_patch", "summarise"]

Operation = dict[str, Any]

# Above so many certificates with the same fate, so many are named.
MANY: Final = 20
LISTED: Final = 3


def json_patch(old: Any, new: Any, pointer: str = "") -> Iterator[Operation]:
    """
    The operations that turn one JSON value into another, in the order in which they are to be applied.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old:
            if key not in new:
                yield {"op": "remove", "path": f"{pointer}/{_escape(key)}"}
        for key, value in new.items():
            path = f"{pointer}/{_escape(key)}"
            if key not in old:
                yield {"op": "add", "path": path, "value": value}
            else:
                yield from json_patch(old[key], value, path)
    elif _are_named(old) and _are_named(new):
        yield from _patch_named(old, new, pointer)
    elif not _same(old, new):
        yield {"op": "replace", "path": pointer, "value": new}


def shown_patch(old: Document, new: Document) -> list[Operation]:
    """
    L{json_patch} of two documents, without a secret; a secret that changed shows as such.
    """
    hidden = hide_secrets(new)
    patch = []
    for operation in json_patch(old, new):
        shown = dict(operation)
        if "value" in shown:
            shown["value"] = _at(hidden, shown["path"])
        patch.append(shown)
    return patch


def certificate_changes(
    old: Mapping[str, StoredCertificate], new: Mapping[str, StoredCertificate]
) -> list[dict[str, str | None]]:
    """
    Which certificates came, went or changed: C{name}, C{from} and C{to}, fingerprints or C{None}.
    """
    changes: list[dict[str, str | None]] = []
    # Of thousands most are the same object, which is frozen.
    for name in sorted(name for name in {*old, *new} if old.get(name) is not new.get(name)):
        before = old[name].certificate.fingerprint if name in old else None
        after = new[name].certificate.fingerprint if name in new else None
        if before != after:
            changes.append({"name": name, "from": before, "to": after})
    return changes


def summarise(
    old: Document,
    new: Document,
    old_certificates: Mapping[str, StoredCertificate],
    new_certificates: Mapping[str, StoredCertificate],
) -> tuple[str, ...]:
    """
    A sentence for each change, or one for many certificates; what only spells out a default is none.
    """
    sentences = [*_of_certificates(certificate_changes(old_certificates, new_certificates))]
    shown_old, shown_new = hide_secrets(old), hide_secrets(new)
    for operation in json_patch(old, new):
        if not _spells_default(operation):
            sentences.append(_sentence(operation, shown_old, shown_new))
    return tuple(sentences)


def _of_certificates(changes: list[dict[str, str | None]]) -> Iterator[str]:
    """
    A sentence for each; of many that have the same fate, one that names the first.
    """
    fates: dict[str, list[str]] = {}
    for change in changes:
        verb = "added" if change["from"] is None else "removed" if change["to"] is None else "replaced"
        fates.setdefault(verb, []).append(str(change["name"]))
    for verb, names in fates.items():
        if len(names) > MANY:
            yield f"Certificates {', '.join(names[:LISTED])} and {len(names) - LISTED} others {verb}."
        else:
            yield from (f"Certificate {name} {verb}." for name in names)


def _sentence(operation: Operation, old: Document, new: Document) -> str:
    steps = _steps(operation["path"])
    verb = operation["op"]
    # The index of an entry that goes counts in the old list, every other one in the new list; see _patch_named.
    where = old if verb == "remove" and len(steps) == 2 else new
    subject, rest = "Settings", steps
    if len(steps) >= 2 and _are_named(where.get(steps[0])):
        subject = f"{steps[0].capitalize()} {where[steps[0]][int(steps[1])]['name']}"
        rest = steps[2:]
    elif steps:
        subject, rest = steps[0].capitalize(), steps[1:]
    if not rest:
        return f"{subject} {'added' if verb == 'add' else 'removed' if verb == 'remove' else 'changed'}."
    key = ".".join(rest)
    if verb == "remove":
        return f"{subject}: {key} set back to its default."
    default = _default_of(steps)
    return f"{subject}: {_told(key, _at(new, operation['path']), default)}."


@cache
def _defaults() -> Mapping[str, Mapping[str, Any]]:
    """
    By the kind of a named entry, what its members are when nothing is said.
    """
    schema = json_schema()
    kinds = {
        kind: schema["$defs"][member["items"]["$ref"].rpartition("/")[2]]["properties"]
        for kind, member in schema["properties"].items()
        if "$ref" in member.get("items", {})
    }
    return {kind: {name: member.get("default") for name, member in members.items()} for kind, members in kinds.items()}


def _default_of(steps: list[str]) -> Any:
    """
    What a member of a named entry is when nothing is said; C{None} if it has no default.
    """
    found: Any = _defaults().get(steps[0]) if len(steps) > 2 else None
    for step in steps[2:]:
        found = found.get(step) if isinstance(found, dict) else None
    return found


def _spells_default(operation: Operation) -> bool:
    """
    Does it only write down what held before?
    """
    steps = _steps(operation["path"])
    default = _default_of(steps)
    return operation["op"] == "add" and default is not None and _is_alike(operation["value"], default)


def _is_alike(left: Any, right: Any) -> bool:
    """
    Equal as settings: 60 says what 60.0 says.
    """
    return isinstance(left, bool) is isinstance(right, bool) and bool(left == right)


def _told(key: str, value: Any, default: Any) -> str:
    """
    What a member is now; of a table, each of its own that is not its default.
    """
    if not isinstance(value, dict) or not isinstance(default, dict):
        return f"{key} is now {_spell(value)}"
    told = [
        f"{key}.{name} is now {_spell(member)}"
        for name, member in value.items()
        if not _is_alike(member, default.get(name))
    ]
    return ", ".join(told) or f"{key} is now its default"


def _spell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return _line(str(value)) or "empty"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return _line(", ".join(value)) or "empty"
    if value == {"set": True}:
        return "another secret"
    return "changed"


def _line(text: str) -> str:
    """
    A bounded piece of one line: what people type may hold anything.
    """
    return "".join(character if character.isprintable() else " " for character in text[:200])


def _patch_named(old: list[dict[str, Any]], new: list[dict[str, Any]], pointer: str) -> Iterator[Operation]:
    """
    Remove from the end, so that indices count in the old list; then add and change in ascending order, so that they
    count in the new one.
    """
    before = {entry["name"]: entry for entry in old}
    after = {entry["name"] for entry in new}
    kept = [entry["name"] for entry in old if entry["name"] in after]
    if kept != [entry["name"] for entry in new if entry["name"] in before]:
        yield {"op": "replace", "path": pointer, "value": new}
        return
    for index in range(len(old) - 1, -1, -1):
        if old[index]["name"] not in after:
            yield {"op": "remove", "path": f"{pointer}/{index}"}
    for index, entry in enumerate(new):
        if entry["name"] in before:
            yield from json_patch(before[entry["name"]], entry, f"{pointer}/{index}")
        else:
            yield {"op": "add", "path": f"{pointer}/{index}", "value": entry}


def _are_named(value: Any) -> bool:
    """
    Is this a list of tables with different names?
    """
    if not isinstance(value, list):
        return False
    names = [entry.get("name") for entry in value if isinstance(entry, dict)]
    return len(names) == len(value) == len({name for name in names if isinstance(name, str)})


def _same(left: Any, right: Any) -> bool:
    """
    Equal as JSON, where true is not 1.
    """
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(_same(*pair) for pair in zip(left, right, strict=True))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    return type(left) is type(right) and bool(left == right)


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _steps(pointer: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _at(document: Any, pointer: str) -> Any:
    found = document
    for step in _steps(pointer):
        found = found[int(step)] if isinstance(found, list) else found[step]
    return found
