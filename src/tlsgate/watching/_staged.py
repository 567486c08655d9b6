"""
Swaps whose time has come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

from ..certificates import StagedCertificate, StagedCertificates, timestamp
from ..changes import ChangeRequest
from ..problems import Finding, Problem, Severity
from ..settings import Draft, StoredCertificate

if TYPE_CHECKING:
    from ..changes import Changes

__all__ = ["StagedSwaps"]


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
        self._publish = publish
        self._wall = wall
        self._refused: dict[str, Problem] = {}

    async def look(self, changes: Changes) -> None:
        """
        Serve what is due.  What is refused is tried again at the next look, and told.
        """
        now = self._wall()
        for staged in self._staged.all():
            if staged.activate_at <= now:
                await self._activate(staged, changes)

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
            return
        self._refused.pop(name, None)
        self._staged.remove(name)
        self._publish("certificate", {"what": "activated", "name": name})

    def findings(self) -> Iterator[Finding]:
        """
        What waits, and what cannot be put into service.
        """
        for staged in self._staged.all():
            name = staged.certificate.name
            if name in self._refused:
                why = self._refused[name].detail
                yield Finding(
                    "staged-refused", Severity.ERROR, f"The staged certificate {name} cannot be served: {why}"
                )
            elif staged.activate_at > self._wall():
                message = f"A new certificate {name} waits and serves from {timestamp(staged.activate_at)} on."
                yield Finding("staged", Severity.INFO, message)
