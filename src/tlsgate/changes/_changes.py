"""
The one way in which anything changes: plan, prepare, store, serve, prove, keep; or nothing.

Every step before the last can fail, and then nothing has changed:

1. the draft is edited, compared with what is pinned, validated, compiled, and guarded (L{_plan}, L{_guard});
2. the data plane builds everything beside what it serves: sockets bound, contexts made;
3. the store puts the new generation by, complete and durable;
4. the data plane swaps;
5. the probe walks the ways that the change touches;
6. the store makes the new generation current.

What fails after the swap is swapped back.  Changes come one at a time.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import attrs
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.internet.threads import deferToThread
from twisted.logger import Logger

from ..interfaces import IDataPlane
from ..problems import Problem
from ..settings import (
    Document,
    Draft,
    Generation,
    IStore,
    Pins,
    Settings,
    check_certificate_name,
)
from ..sites import ServerCertificate, Snapshot
from ._announcements import Announcements, Listener
from ._archive import Archive
from ._confirmation import Countdown
from ._files import ICertificateFiles
from ._guard import guard
from ._plan import Plan, Wanted
from ._planner import Planner
from ._probe import IProbe
from ._ramp import HSTSState, hsts_state, step
from ._replacement import Replacement
from ._requests import ChangeRequest, Outcome
from ._start import Start
from ._summary import json_patch, summarise

__all__ = ["Changes"]

T = TypeVar("T")

InThread = Callable[..., Awaitable[Any]]


class Changes:
    """
    What is served, and every change of it.  Not usable before L{start}.

    @ivar current: the stored generation.
    @ivar effective: its settings, with what is pinned.
    @ivar snapshot: what is served.
    @ivar monotonic: seconds; the time that L{confirm} compares.
    """

    _log = Logger()

    current: Generation
    effective: Settings
    snapshot: Snapshot

    def __init__(
        self,
        *,
        store: IStore,
        pins: Pins,
        data_plane: IDataPlane,
        clock: IReactorTime,
        first: Callable[[float], Generation],
        probe: IProbe | None = None,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        trusted: Callable[[ServerCertificate], bool] | None = None,
        renewal_failing: Callable[[], Collection[str]] = tuple,
        in_thread: InThread = deferToThread,
        files: ICertificateFiles | None = None,
    ) -> None:
        """
        @param store: open already.
        @param first: makes generation 1 of an empty store from the time.
        @param probe: proves a change before it is kept; C{None} to believe it.
        @param wall: Unix time.
        @param trusted: does a certificate chain to a root of this machine?
        @param renewal_failing: names of certificates whose latest renewal failed.
        @param in_thread: runs what blocks.
        @param files: reads the certificates that a document names by their files.
        """
        self.monotonic = monotonic
        self._store = store
        self._planner = Planner(pins, files, wall, trusted)
        self._data_plane = data_plane
        self._replacement = Replacement(store, data_plane, probe, in_thread)
        self._wall = wall
        self._renewal_failing = renewal_failing
        self._in_thread = in_thread
        self._lock = DeferredLock()
        self._archive = Archive(store, in_thread)
        self._start = Start(
            store=store,
            archive=self._archive,
            in_thread=in_thread,
            wall=wall,
            first=first,
            planner=self._planner,
        )
        self._countdown = Countdown(clock, monotonic, lambda: Deferred.fromCoroutine(self._time_is_up()))
        self._announcements = Announcements(clock)
        self._findings: tuple[Any, ...] = ()
        # Monotonic times at which the generations of this run began to serve.
        self._served_at: dict[int, float] = {}
        self._started_at = 0.0
        # Does the present memory stand in no generation of the store?
        self._memory_unsaved = False

    @property
    def document(self) -> Document:
        """
        The document that is in force: the stored one with what is pinned.  A draft begins with it.
        """
        return self._planner.pins.apply(self.current.document)

    @property
    def in_thread(self) -> InThread:
        """
        Runs what blocks.
        """
        return self._in_thread

    @property
    def pins(self) -> Pins:
        """
        What options and C{--config} hold fast.
        """
        return self._planner.pins

    async def start(self) -> None:
        """
        Serve the current generation; the first one if there was none.  One that was not confirmed in time is undone
        before it can serve.

        @raise Problem: it cannot be read, is not valid, or cannot be served; the detail is one line.
        """
        async with self._locked():
            found = await self._start.find()
            current = found.generation
            made = self._planner.plan(Wanted.of(current), old=None, before={}, number=current.number)
            prepared = await self._replacement.prepare(made.snapshot)
            if found.stored != current.number:
                current = attrs.evolve(current, memory=made.wanted.memory)
                try:
                    await self._in_thread(self._store.commit, found.stored, current)
                except Problem:
                    await prepared.abort()
                    raise
                self._archive.add(current)
            await self._replacement.swap(prepared)
            self._started_at = self.monotonic()
            self._adopt(current, made)
            if found.undoing is not None:
                self._tell("undone", found.undoing)

    async def stop(self) -> None:
        """
        Let a running change end, and begin no other; the countdown goes on at the next start.
        """
        await self._lock.acquire()
        self._countdown.cancel()

    async def apply(self, request: ChangeRequest, edit: Callable[[Draft], None]) -> Outcome:
        """
        Change something.

        @param edit: writes to a draft of what is in force; what it raises refuses the change.  New certificates in it
            have been inspected.

        @raise Problem: nothing changed.
        """
        request.check()
        async with self._locked():
            self._check_match(request)
            document = self.document
            draft = Draft(attrs.evolve(self.current, document=document))
            edit(draft)
            for name in draft.certificates.keys() - self.current.certificates.keys():
                check_certificate_name(name)
            self._planner.pins.check(document, draft.document)
            wanted = Wanted(
                document=self._planner.pins.strip(draft.document, self.current.document),
                certificates=await self._planner.complete(draft.document, draft.certificates, before=document),
                memory=draft.memory,
            )
            return await self._change(request, wanted)

    async def rollback(self, number: int, request: ChangeRequest) -> Outcome:
        """
        Make a new generation with the content of an old one, certificates included.  What browsers were told is not
        forgotten.

        @raise Problem: C{not-found}, or as L{apply}.
        """
        request.check()
        async with self._locked():
            self._check_match(request)
            old: Generation = await self._in_thread(self._store.read, number)
            reason = request.reason or f"back to generation {number}"
            # What files hold is what they hold now: going back does not bring back what another program replaced.
            certificates = await self._planner.complete_now(old)
            wanted = Wanted(document=old.document, certificates=certificates, memory=self.current.memory)
            return await self._change(attrs.evolve(request, reason=reason), wanted)

    async def confirm(self, number: int, *, connected_at: float, author: str) -> None:
        """
        Keep a generation, and all that it was made from.

        @param connected_at: when the connection was made over which this is asked, in L{monotonic} seconds.

        @raise Problem: C{not-unconfirmed}; C{confirm-over-old-path}: the connection is older than the change, so it
            proves nothing.
        """
        async with self._locked():
            waiting = self._archive.waiting(self.current.number)
            if waiting is None or number not in waiting.numbers:
                raise Problem("not-unconfirmed", f"Generation {number} does not wait to be confirmed.")
            if connected_at <= self._served_at.get(number, self._started_at):
                raise Problem(
                    "confirm-over-old-path",
                    "This connection was made before the change, so it does not show that a new one can be made; "
                    "connect again and confirm.",
                )
            await self._archive.confirm(number)
            self._arm()
            self._tell("confirmed", self.current, number=number, author=author)

    async def tick(self) -> Outcome | None:
        """
        Do what time asks for: take due steps of HSTS ramps.  To be called every hour or so.

        @return: C{None} if nothing was due.
        """
        async with self._locked():
            if self._archive.waiting(self.current.number) is not None:
                return None
            memory, told = step(
                self.current.memory,
                self.effective,
                self.snapshot,
                self._wall(),
                self._planner.trusted,
                self._renewal_failing(),
            )
            if not told and not self._memory_unsaved:
                return None
            wanted = attrs.evolve(Wanted.of(self.current), memory=memory)
            request = ChangeRequest(author="gate", reason="HSTS ramp" if told else "what browsers were told")
            summary = tuple(told) or ("What browsers were told of redirects and HSTS is kept.",)
            return await self._change(request, wanted, summary=summary)

    async def reload(self, pins: Pins) -> Outcome:
        """
        Serve the current generation under other pins, after C{--config} was read again.  Makes no generation, unless
        certificates that it names by their files are new.

        @raise Problem: nothing changed.
        """
        async with self._locked():
            before, self._planner.pins = self._planner.pins, pins
            try:
                wanted = Wanted.of(self.current)
                certificates = await self._planner.complete_now(self.current)
                if certificates != dict(wanted.certificates):
                    request = ChangeRequest(author="files", reason="settings were read again")
                    return await self._change(request, attrs.evolve(wanted, certificates=certificates))
                made = self._plan_beside(wanted, self.current.number)
                guard(self.snapshot, made.snapshot, self._wall(), frozenset(), self._planner.trusted)
                await self._replacement.serve(self.snapshot, made.snapshot)
            except Problem:
                self._planner.pins = before
                raise
            self._adopt(self.current, made)
            return await self._outcome()

    async def staple(self, staples: Mapping[str, bytes]) -> None:
        """
        Serve the current generation with these OCSP responses from now on.  Makes no generation: a response lives for
        days, and whoever starts again asks for a new one.

        @param staples: DER, by the fingerprint of the certificate.

        @raise Problem: what served before serves.
        """
        async with self._locked():
            before, self._planner.staples = self._planner.staples, dict(staples)
            made = self._plan_beside(Wanted.of(self.current), self.current.number)
            try:
                await self._replacement.serve(self.snapshot, made.snapshot)
            except Problem:
                self._planner.staples = before
                raise
            self.snapshot = made.snapshot

    def history(self) -> list[dict[str, Any]]:
        """
        A row for each kept generation, newest first: C{number, parent, time, author, reason, summary, state,
        confirm_by, undoes}; times are Unix times.
        """
        return self._archive.rows(self.current.number)

    def diff(self, number: int, other: int) -> dict[str, Any]:
        """
        How generation C{other} differs from C{number}: a JSON Patch, sentences, and certificates by fingerprint.

        @raise Problem: C{not-found}.
        """
        return self._archive.diff(number, other)

    def findings(self) -> tuple[Any, ...]:
        """
        What is to be said about what is served, as it was when it began to be.
        """
        return self._findings

    def hsts(self, name: str) -> HSTSState:
        """
        What a site tells browsers of HSTS now, and what comes next.

        @param name: of a site that is served.
        """
        memory, failing = self.current.memory, self._renewal_failing()
        return hsts_state(name, memory, self.effective, self.snapshot, self._wall(), self._planner.trusted, failing)

    def confirm_by(self) -> float | None:
        """
        Unix time by which what is served must be confirmed; C{None} if it need not be.
        """
        waiting = self._archive.waiting(self.current.number)
        return None if waiting is None else waiting.confirm_by

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """
        Hear of generations that were C{applied}, C{undone} or C{confirmed} (under C{what}).

        @return: call it to hear no more.
        """
        return self._announcements.subscribe(listener)

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[None]:
        await self._lock.acquire()
        try:
            yield
        finally:
            self._lock.release()

    def _check_match(self, request: ChangeRequest) -> None:
        if request.if_match is not None and request.if_match != self.current.number:
            raise Problem(
                "generation-moved",
                f"The change was made for generation {request.if_match}, but generation {self.current.number} is "
                "current; read it and try again.",
            )

    def _plan_beside(self, wanted: Wanted, number: int) -> Plan:
        """
        What would be served in place of what is.

        @raise Problem: C{invalid-settings}, C{in-use}.
        """
        return self._planner.plan(wanted, old=self.snapshot, before=self.current.certificates, number=number)

    async def _change(
        self,
        request: ChangeRequest,
        wanted: Wanted,
        *,
        summary: tuple[str, ...] = (),
        undoes: int = 0,
    ) -> Outcome:
        """
        Steps 1 to 6.
        """
        if not undoes and not summary and self._is_current(wanted):
            return await self._outcome()
        now = self._wall()
        number = await self._in_thread(self._store.next_number)
        made = self._plan_beside(wanted, number)
        if not undoes:
            guard(self.snapshot, made.snapshot, now, request.force, self._planner.trusted)
        if request.dry_run:
            prepared = await self._replacement.prepare(made.snapshot)
            await prepared.abort()
            return attrs.evolve(await self._outcome(), findings=made.findings, snapshot=made.snapshot)
        generation = Generation(
            number=number,
            parent=self.current.number,
            time=now,
            author=request.author,
            reason=request.reason,
            summary=summary or self._summary(wanted),
            document=wanted.document,
            certificates=wanted.certificates,
            memory=made.wanted.memory,
            confirm_by=None if request.confirm_within is None else now + request.confirm_within,
            undoes=undoes,
            findings=tuple(finding.as_json() for finding in made.findings),
        )
        await self._replacement.exchange(generation, self.snapshot, made.snapshot, request.force)
        self._archive.add(generation)
        self._adopt(generation, made)
        self._tell("undone" if undoes else "applied", generation)
        kept = self.effective.generations
        await self._archive.prune(generation.number, kept.keep, kept.keep_for, self._wall())
        return attrs.evolve(await self._outcome(), made=generation)

    def _adopt(self, generation: Generation, made: Plan) -> None:
        """
        What was made is what serves.
        """
        # What is pinned can tell browsers something that no stored generation knows of; tick() stores it.
        self._memory_unsaved = made.wanted.memory != generation.memory
        self.current = attrs.evolve(generation, memory=made.wanted.memory)
        self.effective, self.snapshot = made.settings, made.snapshot
        self._findings = made.findings
        self._served_at[generation.number] = self.monotonic()
        self._arm()

    def _arm(self) -> None:
        """
        Let the countdown run to the time by which something must be confirmed, if anything must.
        """
        waiting = self._archive.waiting(self.current.number)
        if waiting is None:
            self._served_at.clear()
            self._countdown.cancel()
        else:
            self._countdown.run(waiting, self._wall())

    async def _time_is_up(self) -> None:
        """
        Undo what was not confirmed; if that fails, again in a while.
        """
        async with self._locked():
            waiting = self._archive.waiting(self.current.number)
            if waiting is None or not self._countdown.is_over(waiting):
                return
            try:
                base: Generation = await self._in_thread(self._store.read, waiting.base)
                wanted = attrs.evolve(Wanted.of(base), memory=self.current.memory)
                await self._change(ChangeRequest.undoing(self.current.number), wanted, undoes=self.current.number)
            except Problem as reason:
                self._log.error(
                    "generation {number} was not confirmed but cannot be undone yet: {reason}",
                    number=self.current.number,
                    reason=reason.detail,
                )
                self._countdown.retry()

    def _is_current(self, wanted: Wanted) -> bool:
        """
        Would nothing change?
        """
        return (
            next(json_patch(self.current.document, wanted.document), None) is None
            and dict(wanted.certificates) == dict(self.current.certificates)
            and dict(wanted.memory) == dict(self.current.memory)
        )

    def _summary(self, wanted: Wanted) -> tuple[str, ...]:
        old = self.current
        return summarise(old.document, wanted.document, old.certificates, wanted.certificates)

    async def _outcome(self) -> Outcome:
        """
        What serves now.
        """
        reports = await self._data_plane.report()
        number = self.current.number
        return Outcome(
            generation=number,
            serving=sum(report.generation == number for report in reports),
            total=len(reports),
            findings=self._findings,
            confirm_by=self.confirm_by(),
            snapshot=self.snapshot,
        )

    def _tell(self, what: str, generation: Generation, **more: Any) -> None:
        self._announcements.tell(what, generation, confirm_by=self.confirm_by(), **more)
