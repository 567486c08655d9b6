"""
Which generations there were, and which of them still wait to be confirmed.

A generation I{waits} if it asked to be confirmed and was not, or was made after one that waits.  Confirming one settles
all that it was made from; when time is up, everything after the last settled generation is undone at once.
"""

from __future__ import annotations

from typing import Any

import attrs

from ..settings import Generation

__all__ = ["History", "Row", "Waiting"]


@attrs.define(kw_only=True)
class Row:
    """
    What is remembered of a generation without its content.
    """

    number: int
    parent: int
    time: float
    author: str
    reason: str
    summary: tuple[str, ...]
    confirm_by: float | None
    undoes: int
    confirmed: bool

    @classmethod
    def of(cls, generation: Generation, *, confirmed: bool) -> Row:
        """
        The row of a generation.
        """
        return cls(
            number=generation.number,
            parent=generation.parent,
            time=generation.time,
            author=generation.author,
            reason=generation.reason,
            summary=generation.summary,
            confirm_by=generation.confirm_by,
            undoes=generation.undoes,
            confirmed=confirmed,
        )


@attrs.frozen(kw_only=True)
class Waiting:
    """
    Generations that wait to be confirmed.

    @ivar base: the settled generation to go back to.
    @ivar numbers: of those that wait, ascending.
    @ivar confirm_by: the earliest time that one of them named, Unix time.
    """

    base: int
    numbers: tuple[int, ...]
    confirm_by: float


class History:
    """
    The rows of all kept generations.
    """

    def __init__(self) -> None:
        self._rows: dict[int, Row] = {}

    def add(self, row: Row) -> None:
        """
        A generation was made, or found.
        """
        self._rows[row.number] = row

    def forget(self, number: int) -> None:
        """
        A generation was pruned.
        """
        self._rows.pop(number, None)

    def confirm(self, number: int) -> None:
        """
        A generation was confirmed.
        """
        self._rows[number].confirmed = True

    def waiting(self, number: int) -> Waiting | None:
        """
        What waits to be confirmed when C{number} is current; L{None} if it is settled.
        """
        numbers: list[int] = []
        waiting: Waiting | None = None
        row = self._rows.get(number)
        while row is not None and not row.confirmed and not row.undoes:
            numbers.append(row.number)
            if row.confirm_by is not None:
                earliest = row.confirm_by if waiting is None else min(row.confirm_by, waiting.confirm_by)
                waiting = Waiting(base=row.parent, numbers=tuple(reversed(numbers)), confirm_by=earliest)
            row = self._rows.get(row.parent)
        return waiting

    def _passed_over(self) -> set[int]:
        """
        What was put by and never served: a later generation was made from an earlier one.
        """
        return {number for row in self._rows.values() for number in range(row.parent + 1, row.number)}

    def rows(self, current: int) -> list[dict[str, Any]]:
        """
        The rows as the admin API shows them, newest first.

        @param current: the number that is current.
        """
        waiting = self.waiting(current)
        unconfirmed = frozenset(waiting.numbers) if waiting else frozenset()
        undone: set[int] = set()
        for row in self._rows.values():
            if row.undoes:
                past = self.waiting(row.undoes)
                undone.update(past.numbers if past else (row.undoes,))
        shown = []
        for number in sorted(self._rows.keys() - self._passed_over(), reverse=True):
            row = self._rows[number]
            state = "past"
            if number in unconfirmed:
                state = "unconfirmed"
            elif number == current:
                state = "current"
            elif number in undone:
                state = "undone"
            shown.append(
                {
                    "number": number,
                    "parent": row.parent,
                    "time": row.time,
                    "author": row.author,
                    "reason": row.reason,
                    "summary": list(row.summary),
                    "state": state,
                    "confirm_by": waiting.confirm_by if waiting and number in unconfirmed else None,
                    "undoes": row.undoes or None,
                }
            )
        return shown
