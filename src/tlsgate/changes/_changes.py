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

from ..certificates import inspect
from ..interfaces import IDataPlane
from ..problems import Problem
from ..settings import (
    Document,
    Draft,
    Generation,
    IStore,
    Pins,
    Settings,
    StoredCertificate,
    check_certificate_name,
)
from ..sites import ServerCertificate, Snapshot
from ._confirmation import Countdown
from ._files import ICertificateFiles
from ._guard import guard
from ._history import History, Row
from ._plan import Plan, Wanted, plan, with_staples
from ._probe import IProbe
from ._ramp import HSTSState, hsts_state, step
from ._replacement import Replacement
from ._requests import ChangeRequest, Outcome
from ._summary import certificate_changes, json_patch, shown_patch, summarise

__all__ = ["Changes"]

T = TypeVar("T")

InThread = Callable[..., Awaitable[Any]]
Listener = Callable[[dict[str, Any]], None]


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
        self._pins = pins
        self._data_plane = data_plane
        self._clock = clock
        self._first = first
        self._replacement = Replacement(store, data_plane, probe, in_thread)
        self._wall = wall
        self._trusted = self._inspect if trusted is None else trusted
        self._renewal_failing = renewal_failing
        self._in_thread = in_thread
        self._lock = DeferredLock()
        self._history = History()
        self._countdown = Countdown(clock, monotonic, lambda: Deferred.fromCoroutine(self._time_is_up()))
        self._listeners: list[Listener] = []
        self._findings: tuple[Any, ...] = ()
        self._files = files
        self._staples: Mapping[str, bytes] = {}
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
        return self._pins.apply(self.current.document)

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
        return self._pins

    async def start(self) -> None:
        """
        Serve the current generation; the first one if there was none.  One that was not confirmed in time is undone
        before it can serve.

        @raise Problem: it cannot be read, is not valid, or cannot be served; the detail is one line.
        """
        async with self._locked():
            stored: Generation | None = await self._in_thread(self._store.current)
            parent = 0 if stored is None else stored.number
            current = self._first(self._wall()) if stored is None else stored
            await self._load_history()
            undoing = await self._overdue(current) if parent else None
            current = await self._with_present_files(undoing or current, stored=parent)
            wanted = _content(current)
            made = self._plan(wanted, old=None, number=current.number)
            prepared = await self._replacement.prepare(made.snapshot)
            if parent != current.number:
                current = attrs.evolve(current, memory=made.wanted.memory)
                try:
                    await self._in_thread(self._store.commit, parent, current)
                except Problem:
                    await prepared.abort()
                    raise
                self._history.add(Row.of(current, confirmed=False))
            await self._replacement.swap(prepared)
            self._started_at = self.monotonic()
            self._adopt(current, made)
            if undoing is not None:
                self._tell("undone", undoing)

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
            for name in draft.certificates:
                check_certificate_name(name)
            self._pins.check(document, draft.document)
            wanted = Wanted(
                document=self._pins.strip(draft.document, self.current.document),
                certificates=await self._with_files(draft.document, draft.certificates, before=document),
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
            certificates = await self._with_files(self._pins.apply(old.document), old.certificates, before=None)
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
            waiting = self._history.waiting(self.current.number)
            if waiting is None or number not in waiting.numbers:
                raise Problem("not-unconfirmed", f"Generation {number} does not wait to be confirmed.")
            if connected_at <= self._served_at.get(number, self._started_at):
                raise Problem(
                    "confirm-over-old-path",
                    "This connection was made before the change, so it does not show that a new one can be made; "
                    "connect again and confirm.",
                )
            await self._in_thread(self._store.confirm, number)
            self._history.confirm(number)
            self._arm()
            self._tell("confirmed", self.current, number=number, author=author)

    async def tick(self) -> Outcome | None:
        """
        Do what time asks for: take due steps of HSTS ramps.  To be called every hour or so.

        @return: C{None} if nothing was due.
        """
        async with self._locked():
            if self._history.waiting(self.current.number) is not None:
                return None
            memory, told = step(
                self.current.memory, self.effective, self.snapshot, self._wall(), self._trusted, self._renewal_failing()
            )
            if not told and not self._memory_unsaved:
                return None
            wanted = attrs.evolve(_content(self.current), memory=memory)
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
            before, self._pins = self._pins, pins
            try:
                wanted = _content(self.current)
                certificates = await self._with_files(self.document, wanted.certificates, before=None)
                if certificates != dict(wanted.certificates):
                    request = ChangeRequest(author="files", reason="settings were read again")
                    return await self._change(request, attrs.evolve(wanted, certificates=certificates))
                made = self._plan(wanted, old=self.snapshot, number=self.current.number)
                guard(self.snapshot, made.snapshot, self._wall(), frozenset(), self._trusted)
                await self._replacement.serve(self.snapshot, made.snapshot)
            except Problem:
                self._pins = before
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
            before, self._staples = self._staples, dict(staples)
            made = self._plan(_content(self.current), old=self.snapshot, number=self.current.number)
            try:
                await self._replacement.serve(self.snapshot, made.snapshot)
            except Problem:
                self._staples = before
                raise
            self.snapshot = made.snapshot

    def history(self) -> list[dict[str, Any]]:
        """
        A row for each kept generation, newest first: C{number, parent, time, author, reason, summary, state,
        confirm_by, undoes}; times are Unix times.
        """
        return self._history.rows(self.current.number)

    def diff(self, number: int, other: int) -> dict[str, Any]:
        """
        How generation C{other} differs from C{number}: a JSON Patch, sentences, and certificates by fingerprint.

        @raise Problem: C{not-found}.
        """
        old, new = self._store.read(number), self._store.read(other)
        return {
            "patch": shown_patch(old.document, new.document),
            "summary": list(summarise(old.document, new.document, old.certificates, new.certificates)),
            "certificates": certificate_changes(old.certificates, new.certificates),
        }

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
        return hsts_state(name, memory, self.effective, self.snapshot, self._wall(), self._trusted, failing)

    def confirm_by(self) -> float | None:
        """
        Unix time by which what is served must be confirmed; C{None} if it need not be.
        """
        waiting = self._history.waiting(self.current.number)
        return None if waiting is None else waiting.confirm_by

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """
        Hear of generations that were C{applied}, C{undone} or C{confirmed} (under C{what}).

        @return: call it to hear no more.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

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

    def _plan(self, wanted: Wanted, *, old: Snapshot | None, number: int) -> Plan:
        made = plan(
            wanted,
            effective=self._pins.apply(wanted.document),
            old=old,
            before=self.current.certificates if old is not None else {},
            number=number,
            now=self._wall(),
            trusted=self._trusted,
        )
        return with_staples(made, self._staples)

    async def _with_files(
        self, document: Document, certificates: Mapping[str, StoredCertificate], *, before: Document | None
    ) -> dict[str, StoredCertificate]:
        """
        The certificates with those that a document names by their files; see L{ICertificateFiles.complete}.
        """
        if self._files is None:
            return dict(certificates)
        return await self._files.complete(document, certificates, before=before)

    async def _with_present_files(self, current: Generation, *, stored: int) -> Generation:
        """
        At the start: the generation with what files hold now; a new one if a stored one held something else.

        @param stored: the number of the generation that is current in the store, 0 for none.
        """
        certificates = await self._with_files(self._pins.apply(current.document), current.certificates, before=None)
        if certificates == dict(current.certificates):
            return current
        if stored != current.number:
            return attrs.evolve(current, certificates=certificates)
        return attrs.evolve(
            current,
            number=await self._in_thread(self._store.next_number),
            parent=stored,
            time=self._wall(),
            author="files",
            reason="files changed while nobody watched",
            summary=summarise(current.document, current.document, current.certificates, certificates),
            certificates=certificates,
            confirm_by=None,
            undoes=0,
        )

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
        made = self._plan(wanted, old=self.snapshot, number=number)
        if not undoes:
            guard(self.snapshot, made.snapshot, now, request.force, self._trusted)
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
        self._history.add(Row.of(generation, confirmed=False))
        self._adopt(generation, made)
        self._tell("undone" if undoes else "applied", generation)
        await self._prune()
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
        waiting = self._history.waiting(self.current.number)
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
            waiting = self._history.waiting(self.current.number)
            if waiting is None or not self._countdown.is_over(waiting):
                return
            try:
                base: Generation = await self._in_thread(self._store.read, waiting.base)
                wanted = attrs.evolve(_content(base), memory=self.current.memory)
                await self._change(_undoing(self.current.number), wanted, undoes=self.current.number)
            except Problem as reason:
                self._log.error(
                    "generation {number} was not confirmed but cannot be undone yet: {reason}",
                    number=self.current.number,
                    reason=reason.detail,
                )
                self._countdown.retry()

    async def _overdue(self, current: Generation) -> Generation | None:
        """
        At the start: the generation that undoes what was not confirmed in time while nobody ran.
        """
        waiting = self._history.waiting(current.number)
        if waiting is None or waiting.confirm_by > self._wall():
            return None
        base: Generation = await self._in_thread(self._store.read, waiting.base)
        number: int = await self._in_thread(self._store.next_number)
        request = _undoing(current.number)
        # Compiled as a change from what waits, so that what browsers were told is not forgotten.
        self.current = current
        old = self._plan(_content(current), old=None, number=current.number).snapshot
        undoing = self._plan(attrs.evolve(_content(base), memory=current.memory), old=old, number=number)
        return attrs.evolve(
            base,
            number=number,
            parent=current.number,
            time=self._wall(),
            author=request.author,
            reason=request.reason,
            summary=summarise(current.document, base.document, current.certificates, base.certificates),
            memory=undoing.wanted.memory,
            confirm_by=None,
            undoes=current.number,
            findings=tuple(finding.as_json() for finding in undoing.findings),
        )

    async def _load_history(self) -> None:
        """
        Read the rows of all kept generations; a damaged old one is no reason not to start.
        """
        for number in await self._in_thread(self._store.numbers):
            try:
                generation = await self._in_thread(self._store.outline, number)
                confirmed = await self._in_thread(self._store.confirmed, number)
            except Problem as reason:
                self._log.warn("{reason} It is not in the history.", reason=reason.detail)
                continue
            self._history.add(Row.of(generation, confirmed=confirmed))

    async def _prune(self) -> None:
        """
        Forget old generations; a failure is told and tried again after the next change.
        """
        kept = self.effective.generations
        waiting = self._history.waiting(self.current.number)
        spare = frozenset() if waiting is None else frozenset({waiting.base, *waiting.numbers})
        try:
            gone = await self._in_thread(self._store.prune, kept.keep, kept.keep_for, self._wall(), spare)
        except Problem as reason:
            self._log.warn("{reason}", reason=reason.detail)
            return
        for number in gone:
            self._history.forget(number)

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
        """
        Tell the listeners, each in a turn of its own so that none can harm the change.
        """
        event: Mapping[str, Any] = {
            "what": what,
            "number": generation.number,
            "author": generation.author,
            "reason": generation.reason,
            "summary": list(generation.summary),
            "confirm_by": self.confirm_by(),
            "undoes": generation.undoes or None,
            **more,
        }
        for listener in self._listeners:
            self._clock.callLater(0, listener, dict(event))

    def _inspect(self, certificate: ServerCertificate) -> bool:
        return inspect(certificate, now=self._wall()).trusted


def _content(generation: Generation) -> Wanted:
    return Wanted(document=generation.document, certificates=generation.certificates, memory=generation.memory)


def _undoing(number: int) -> ChangeRequest:
    return ChangeRequest(author="gate", reason=f"generation {number} was not confirmed in time")
