"""
Swaps whose time has come.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from twisted.logger import Logger

from ..certificates import StagedCertificate, StagedCertificates, timestamp
from ..changes import ChangeRequest
from ..problems import Finding, Problem, Severity
from ..settings import Draft, StoredCertificate

if TYPE_CHECKING:
    from ..changes import Changes

__all__ = ["StagedSwaps"]

#: Seconds until one that was refused is tried again.
RETRY: Final = 60.0

# Nanoseconds within which a folder may change twice at the same time.
SAME_TIME: Final = 2_000_000_000


class StagedSwaps:
    """
    Puts staged certificates into service at their time.
    """

    _log = Logger()

    def __init__(
        self, state: Path, *, publish: Callable[[str, Mapping[str, Any]], object], wall: Callable[[], float]
    ) -> None:
        """
        @param state: the state folder.
        @param publish: called with the kind and the content of an event.
        @param wall: Unix time.
        """
        self._staged = StagedCertificates(state / "staged")
        self._known: tuple[tuple[int, ...], list[StagedCertificate]] = ((), [])
        self._running = False
        # By name, when one that was refused is tried again.
        self._again_at: dict[str, float] = {}
        self._publish = publish
        self._wall = wall
        self._refused: dict[str, Problem] = {}

    async def look(self, changes: Changes) -> None:
        """
        Serve what is due; to be called every second.  What is refused is told, and tried again after L{RETRY}.
        """
        if self._running:
            return
        self._running = True
        try:
            now = self._wall()
            for staged in self._all():
                if staged.activate_at <= now and self._again_at.get(staged.certificate.name, 0.0) <= now:
                    await self._activate(staged, changes)
        finally:
            self._running = False

    def _all(self) -> list[StagedCertificate]:
        """
        Those that wait; read again only if the folder changed.
        """
        changed = self._staged.changed()
        # One that changed a moment ago may change again without its time telling.
        if not changed or changed != self._known[0]:
            trusted = changed and time.time_ns() - changed[1] > SAME_TIME
            self._known = changed if trusted else (), self._staged.all() if changed else []
        return self._known[1]

    async def _activate(self, staged: StagedCertificate, changes: Changes) -> None:
        name = staged.certificate.name

        def edit(draft: Draft) -> None:
            draft.certificates[name] = StoredCertificate(
                certificate=staged.certificate, source=staged.source, added_at=self._wall()
            )
            for binding in staged.bindings:
                found = draft.find("binding", binding)
                if found is not None:
                    found["default_certificate"] = name

        reason = staged.reason or f"staged for {timestamp(staged.activate_at)}"
        try:
            await changes.apply(ChangeRequest(author=staged.author, reason=reason), edit)
        except Problem as problem:
            if name not in self._refused:
                self._log.error("The staged certificate {name} is refused: {why}", name=name, why=problem.detail)
                self._publish("certificate", {"what": "staged-refused", "name": name, "why": problem.detail})
            self._refused[name] = problem
            self._again_at[name] = self._wall() + RETRY
            return
        self._refused.pop(name, None)
        self._again_at.pop(name, None)
        self._staged.remove(name)
        self._publish("certificate", {"what": "activated", "name": name})

    def findings(self) -> Iterator[Finding]:
        """
        What waits, and what cannot be put into service.
        """
        for staged in self._all():
            name = staged.certificate.name
            if name in self._refused:
                why = self._refused[name].detail
                message = f"The staged certificate {name} cannot be served: {why}"
                yield Finding("staged-refused", Severity.ERROR, message, subject=name)
            else:
                message = f"A new certificate {name} waits and serves from {timestamp(staged.activate_at)} on."
                yield Finding("staged", Severity.INFO, message)
