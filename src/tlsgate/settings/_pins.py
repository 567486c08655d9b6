"""
What command-line options and C{--config} set: it overlays the stored document and cannot be changed by the API.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from ..problems import Problem, ProblemError
from ._generations import Document
from ._validation import pointer_of

__all__ = ["Pins"]

#: The lists whose entries are merged by name.
NAMED: Final = ("binding", "site", "upstream", "certificate")


@attrs.frozen
class Pins:
    """
    A partial document that wins over the stored one.

    Entries of C{binding}, C{site}, C{upstream} and C{certificate} are merged by their C{name}; tables are merged key
    by key; every other value, lists included, is replaced as a whole.  A pinned entry cannot be removed, and of it
    only keys that are not pinned can be changed.

    @ivar overlay: the partial document.
    @ivar origins: pointer to who pins it (C{--http}, C{--config FILE}); in a pointer, entries of the four lists are
        named, not counted: C{/binding/http/endpoint}.
    @ivar schemes: which schemes have no binding, and who says so: C{--http none} is C{{"http": "--http none"}}.
    """

    overlay: Document = attrs.field(factory=dict)
    origins: Mapping[str, str] = attrs.field(factory=dict)
    schemes: Mapping[str, str] = attrs.field(factory=dict)

    def __bool__(self) -> bool:
        return bool(self.overlay or self.schemes)

    @classmethod
    def of(cls, overlay: Document, origin: str) -> Pins:
        """
        Pin everything that a partial document names.
        """
        return cls(overlay, {pointer_of(path): origin for path, _ in _leaves(overlay)})

    def over(self, other: Pins) -> Pins:
        """
        Both, these winning: options win over C{--config}.
        """
        below = dict(other.overlay)
        dropped: set[str] = set()
        if self.schemes and "binding" in below:
            dropped = {entry["name"] for entry in below["binding"] if entry.get("scheme") in self.schemes}
            below["binding"] = [entry for entry in below["binding"] if entry["name"] not in dropped]
        lost = tuple(f"{pointer_of(('binding', name))}/" for name in dropped)
        kept = {pointer: origin for pointer, origin in other.origins.items() if not pointer.startswith(lost)}
        return Pins(_overlaid(below, self.overlay), {**kept, **self.origins}, {**other.schemes, **self.schemes})

    def apply(self, document: Document) -> Document:
        """
        The document as it is served: a copy with everything pinned.
        """
        applied = copy.deepcopy(document)
        if self.schemes and isinstance(applied.get("binding"), list):
            pinned = {entry["name"] for entry in self.overlay.get("binding", [])}
            applied["binding"] = [
                entry
                for entry in applied["binding"]
                if not (
                    isinstance(entry, dict) and entry.get("scheme") in self.schemes and entry.get("name") not in pinned
                )
            ]
        return _overlaid(applied, self.overlay)

    def check(self, old: Document, new: Document) -> None:
        """
        Refuse a change of what is pinned.  A value that is what it was, or what it is pinned to, is no change.

        @param old: the document as it is stored, or as it is served after L{apply}.
        @param new: an edited copy of it.

        @raise Problem: C{pinned}, naming the option, with an error for each pinned value.
        """
        served = self.apply(old)
        errors: list[ProblemError] = []
        origins: list[str] = []
        for path, value in _leaves(self.overlay):
            found, asked = _at(new, path)
            was_there, was = _at(old, path)
            if found and (_same(asked, value) or (was_there and _same(asked, was))):
                continue
            if not found and not was_there:
                continue
            origin = self.origins.get(pointer_of(path), "the command line")
            origins.append(origin)
            message = f"{'.'.join(path)} is pinned by {origin}; change it there."
            errors.append(ProblemError(_index_pointer(new, path), "pinned", message))
        errors.extend(self._added(old, served, new, origins))
        if errors:
            detail = errors[0].message
            raise Problem("pinned", detail, errors=errors, pinned_by=sorted(set(origins)))

    def strip(self, new: Document, stored: Document) -> Document:
        """
        The part of a changed document that is to be stored: pinned values are put back to what is stored, so that
        they do not outlive the option that pins them.

        @param new: a changed form of C{self.apply(stored)}, for which L{check} passed.
        """
        stripped = copy.deepcopy(new)
        for path, _ in _leaves(self.overlay):
            kept, value = _at(stored, path)
            _put(stripped, path, value if kept else None)
        for kind in NAMED:
            before = {entry.get("name") for entry in stored.get(kind, []) if isinstance(entry, dict)}
            added = [entry["name"] for entry in self.overlay.get(kind, []) if entry["name"] not in before]
            if isinstance(stripped.get(kind), list):
                stripped[kind] = [
                    entry
                    for entry in stripped[kind]
                    if not (isinstance(entry, dict) and set(entry) == {"name"} and entry["name"] in added)
                ]
        for scheme in self.schemes:
            hidden = [entry for entry in stored.get("binding", []) if entry.get("scheme") == scheme]
            if not hidden:
                continue
            bindings = stripped.setdefault("binding", [])
            if isinstance(bindings, list):
                names = [entry.get("name") for entry in bindings if isinstance(entry, dict)]
                bindings.extend(copy.deepcopy(entry) for entry in hidden if entry.get("name") not in names)
        return stripped

    def describe(self) -> dict[str, str]:
        """
        What is pinned and by whom, for the API: pointers with names in place of indices.
        """
        return {**self.origins, **{f"/binding?scheme={scheme}": origin for scheme, origin in self.schemes.items()}}

    def _added(self, old: Document, served: Document, new: Document, origins: list[str]) -> Iterator[ProblemError]:
        known = {entry.get("name") for document in (old, served) for entry in document.get("binding", [])}
        bindings = new.get("binding")
        for index, entry in enumerate(bindings if isinstance(bindings, list) else []):
            if not isinstance(entry, dict) or not isinstance(entry.get("scheme"), str):
                continue  # Not validated yet: that will refuse it.
            name = entry.get("name")
            if (isinstance(name, str) and name in known) or entry["scheme"] not in self.schemes:
                continue
            origin = self.schemes[entry["scheme"]]
            origins.append(origin)
            message = f"Which {entry['scheme']} bindings there are is pinned by {origin}; change it there."
            yield ProblemError(f"/binding/{index}", "pinned", message)


def _overlaid(document: Document, overlay: Mapping[str, Any]) -> Document:
    merged = dict(document)
    for key, value in overlay.items():
        if key in NAMED:
            merged[key] = _overlaid_entries(merged.get(key), value)
        elif isinstance(value, Mapping) and isinstance(merged.get(key), Mapping) and not _is_reference(value):
            merged[key] = _overlaid(merged[key], value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def _overlaid_entries(entries: object, overlays: list[dict[str, Any]]) -> list[Any]:
    merged = list(entries) if isinstance(entries, list) else []
    for overlay in overlays:
        for index, entry in enumerate(merged):
            if isinstance(entry, dict) and entry.get("name") == overlay["name"]:
                merged[index] = _overlaid(entry, overlay)
                break
        else:
            merged.append(copy.deepcopy(overlay))
    return merged


def _leaves(document: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in document.items():
        if not path and key in NAMED:
            for entry in value:
                yield from _leaves(entry, (key, entry["name"]))
        elif isinstance(value, Mapping) and not _is_reference(value):
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value


def _at(document: object, path: tuple[str, ...]) -> tuple[bool, Any]:
    """
    Is there a value at a path with names in place of indices, and which?
    """
    place = document
    for position, step in enumerate(path):
        if position == 1 and path[0] in NAMED:
            entries = place if isinstance(place, list) else []
            named = [entry for entry in entries if isinstance(entry, dict) and entry.get("name") == step]
            if not named:
                return False, None
            place = named[0]
        elif isinstance(place, dict) and step in place:
            place = place[step]
        else:
            return False, None
    return True, place


def _put(document: Document, path: tuple[str, ...], value: object) -> None:
    """
    Set a value, or remove it if it is C{None}; where its table is gone there is nothing to do.  Names stay.
    """
    found, table = _at(document, path[:-1])
    if not found or not isinstance(table, dict) or (path[0] in NAMED and path[2:] == ("name",)):
        return
    if value is None:
        table.pop(path[-1], None)
    else:
        table[path[-1]] = copy.deepcopy(value)


def _index_pointer(document: Document, path: tuple[str, ...]) -> str:
    """
    The JSON pointer into a document of a path with names.
    """
    if path[0] not in NAMED:
        return pointer_of(path)
    entries = document.get(path[0])
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        if isinstance(entry, dict) and entry.get("name") == path[1]:
            return pointer_of((path[0], index, *path[2:]))
    return pointer_of(path[:1])


def _is_reference(value: Mapping[str, Any]) -> bool:
    """
    Is it a secret's reference, which is one value and not a table?
    """
    return bool(value) and set(value) <= {"env", "file"}


def _same(left: object, right: object) -> bool:
    """
    Equal, and not merely because Python thinks that 1 is true.
    """
    return left == right and isinstance(left, bool) == isinstance(right, bool)
