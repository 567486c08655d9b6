"""
What a change asks for beside its content, and what came of it.
"""

from __future__ import annotations

from typing import Final

import attrs

from ..problems import Finding, Problem
from ..settings import Generation
from ..sites import Snapshot

__all__ = ["ChangeRequest", "Outcome"]

SHORTEST_CONFIRM: Final = 5
LONGEST_CONFIRM: Final = 3600


@attrs.frozen(kw_only=True)
class ChangeRequest:
    """
    Who changes something, and under which conditions.

    @ivar author: a token's name, or C{local:USER}, C{files}, C{acme}, C{gate}.
    @ivar dry_run: check and plan, change nothing.
    @ivar confirm_within: undo the change unless it is confirmed in so many seconds, 5 to 3600; C{None} to keep it.
    @ivar force: names of sites, bindings and certificates for which a lock-out refusal is overridden.
    @ivar if_match: the number that must be current; C{None} for any.
    """

    author: str
    reason: str = ""
    dry_run: bool = False
    confirm_within: int | None = None
    force: frozenset[str] = frozenset()
    if_match: int | None = None

    @classmethod
    def undoing(cls, number: int) -> ChangeRequest:
        """
        The gate's own, when a generation was not confirmed in time.
        """
        return cls(author="gate", reason=f"generation {number} was not confirmed in time")

    def check(self) -> None:
        """
        @raise Problem: C{parameter-invalid}.
        """
        within = self.confirm_within
        if within is not None and not SHORTEST_CONFIRM <= within <= LONGEST_CONFIRM:
            raise Problem(
                "parameter-invalid", f"confirm_within must be {SHORTEST_CONFIRM} to {LONGEST_CONFIRM} seconds."
            )


@attrs.frozen(kw_only=True)
class Outcome:
    """
    What came of a change.

    @ivar generation: the number that is current now.
    @ivar serving: workers that serve it.
    @ivar total: workers there are.
    @ivar findings: about what is served now; after a dry run, about what would be.
    @ivar confirm_by: Unix time by which it must be confirmed, or C{None}.
    @ivar snapshot: what is served now; after a dry run, what would be.
    @ivar made: the new generation; C{None} if nothing differed or for a dry run.
    """

    generation: int
    serving: int
    total: int
    findings: tuple[Finding, ...] = ()
    confirm_by: float | None = None
    snapshot: Snapshot
    made: Generation | None = None
