"""
What a change may ask for beside its content, and what comes back.
"""

from __future__ import annotations

from typing import Any, Final

import attrs

__all__ = ["KEEP", "Change", "Reply"]


@attrs.frozen(kw_only=True)
class Change:
    """
    What any change may ask for beside its content; see CONTRACT section 4.

    @ivar confirm_within: seconds, 5 to 3600; C{None} to keep it without.
    @ivar force: names of the objects for which a lock-out refusal is overridden.
    @ivar if_match: the generation that must still be current; C{None} for any.
    """

    dry_run: bool = False
    confirm_within: int | None = None
    reason: str = ""
    force: tuple[str, ...] = ()
    if_match: int | None = None

    def query(self) -> list[tuple[str, str]]:
        """
        The query parameters that say so.
        """
        found: list[tuple[str, str]] = [("dry_run", "true")] if self.dry_run else []
        if self.confirm_within is not None:
            found.append(("confirm_within", str(self.confirm_within)))
        if self.reason:
            found.append(("reason", self.reason))
        return found + [("force", name) for name in self.force]


#: Nothing beside the content.
KEEP: Final = Change()


@attrs.frozen(kw_only=True)
class Reply:
    """
    An answer that is not a refusal.

    @ivar document: its JSON value; C{None} where it is not JSON.
    @ivar content: its bytes; may hold a new token's secret.
    @ivar location: of what was made; empty for none.
    @ivar generation: from its C{ETag}; C{None} without one.
    """

    status: int
    document: Any = attrs.field(repr=False)
    content: bytes = attrs.field(repr=False)
    location: str = ""
    generation: int | None = None
