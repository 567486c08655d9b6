"""
A gate without sockets: a store in a folder, a data plane that only remembers, and clocks that are turned by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs
import pytest
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tlsgate.changes import ChangeRequest, Changes
from tlsgate.counters import Counters
from tlsgate.interfaces import ApplyFailed, IDataPlane, IPreparedSnapshot, WorkerReport
from tlsgate.settings import Document, Draft, FileStore, Generation, IStore, Pins, StoredCertificate
from tlsgate.sites import ServerCertificate, Snapshot

T = TypeVar("T")

NOW = 1_800_000_000.0
DAY = 86400.0


def certificate(
    name: str = "default", *names: str, start: float = NOW - DAY, end: float = NOW + 90 * DAY, key: str = ""
) -> ServerCertificate:
    """
    A certificate that no OpenSSL ever sees.
    """
    return ServerCertificate(
        name=name,
        chain=b"chain of " + name.encode(),
        key=b"secret key of " + name.encode(),
        names=names or ("localhost",),
        not_before=start,
        not_after=end,
        key_type="ec-p256",
        fingerprint=(key or name).encode().hex().ljust(64, "0"),
    )


def stored(*args: Any, **kwargs: Any) -> StoredCertificate:
    return StoredCertificate(certificate=certificate(*args, **kwargs), source="upload", added_at=NOW)


def document() -> Document:
    return {
        "binding": [
            {"name": "http", "scheme": "http", "endpoint": "tcp:8080"},
            {"name": "https", "scheme": "https", "endpoint": "tcp:8443", "default_certificate": "default"},
        ],
        "site": [{"name": "default", "hosts": ["*"], "upstream": "app"}],
        "upstream": [{"name": "app", "servers": [{"url": "http://127.0.0.1:9000"}]}],
    }


def first(now: float) -> Generation:
    return Generation(
        number=1, parent=0, time=now, author="gate", document=document(), certificates={"default": stored()}
    )


@implementer(IPreparedSnapshot)
@attrs.define
class MemoryPrepared:
    """
    Built beside what the plane serves.
    """

    plane: MemoryDataPlane
    snapshot: Snapshot

    async def commit(self) -> None:
        self.plane.done.append(("commit", self.snapshot.generation))
        if self.plane.commit_fails:
            raise self.plane.commit_fails.pop(0)
        self.plane.snapshot = self.snapshot

    async def abort(self) -> None:
        self.plane.done.append(("abort", self.snapshot.generation))


@implementer(IDataPlane)
class MemoryDataPlane:
    """
    Serves nobody.

    @ivar done: what was asked of it, in order.
    @ivar prepare_fails: what the next calls of C{prepare} raise.
    @ivar commit_fails: what the next calls of C{commit} raise.
    """

    def __init__(self) -> None:
        self.snapshot = Snapshot(generation=0)
        self.done: list[tuple[str, int]] = []
        self.prepare_fails: list[ApplyFailed] = []
        self.commit_fails: list[ApplyFailed] = []

    @property
    def generation(self) -> int:
        return self.snapshot.generation

    async def prepare(self, snapshot: Snapshot) -> MemoryPrepared:
        self.done.append(("prepare", snapshot.generation))
        if self.prepare_fails:
            raise self.prepare_fails.pop(0)
        return MemoryPrepared(self, snapshot)

    async def report(self) -> tuple[WorkerReport, ...]:
        return tuple(WorkerReport(pid=pid, generation=self.generation, counters=Counters()) for pid in (1, 2))

    async def publish_challenges(
        self, http_01: Mapping[bytes, bytes], tls_alpn_01: Mapping[str, ServerCertificate]
    ) -> None:
        raise NotImplementedError

    def challenges(self) -> Mapping[bytes, bytes]:
        return {}

    def ports(self) -> Mapping[str, int]:
        return {"http": 8080, "https": 8443}

    async def drain(self, timeout: float) -> None:
        raise NotImplementedError


verifyObject(IDataPlane, MemoryDataPlane())


@attrs.define
class Lab:
    """
    Changes over a store on disk, with the means to restart, to break things and to let time pass.
    """

    folder: Path
    plane: MemoryDataPlane = attrs.field(factory=MemoryDataPlane)
    clock: Clock = attrs.field(factory=Clock)
    wall: float = NOW
    pins: Pins = attrs.field(factory=Pins)
    trusts: bool = True
    trusts_only: ServerCertificate | None = None
    probe: Any = None
    renewal_failing: Callable[[], Collection[str]] = tuple
    first: Callable[[float], Generation] = first
    store: IStore = attrs.field(init=False)
    changes: Changes = attrs.field(init=False)
    events: list[dict[str, Any]] = attrs.field(factory=list)

    def start(self) -> Changes:
        self.store = FileStore(self.folder)
        self.store.open()
        self.changes = Changes(
            store=self.store,
            pins=self.pins,
            data_plane=self.plane,
            clock=self.clock,
            first=self.first,
            probe=self.probe,
            wall=lambda: self.wall,
            monotonic=self.clock.seconds,
            trusted=lambda found: self.trusts and self.trusts_only in (None, found),
            renewal_failing=lambda: tuple(self.renewal_failing()),
            in_thread=maybeDeferred,
        )
        try:
            run(self.changes.start())
        except BaseException:
            self.store.close()
            raise
        self.changes.subscribe(self.events.append)
        return self.changes

    def crash(self) -> None:
        """
        The process ends without a word; everything it would have done later is forgotten.
        """
        self.store.close()
        self.clock = Clock()
        self.plane = MemoryDataPlane()

    def restart(self) -> Changes:
        self.crash()
        return self.start()

    def advance(self, seconds: float) -> None:
        """
        Let time pass on both clocks, second by second as a reactor would.
        """
        self.wall += seconds
        self.clock.advance(seconds)

    def apply(self, edit: Callable[[Draft], None], **request: Any) -> Any:
        return run(self.changes.apply(ChangeRequest(**{"author": "local:root", **request}), edit))

    def site(self, **settings: Any) -> Callable[[Draft], None]:
        def edit(draft: Draft) -> None:
            site = draft.find("site", "default")
            assert site is not None
            site.update(settings)

        return edit

    @staticmethod
    def usual_ports(draft: Draft) -> None:
        """
        Clients reach the bindings at 80 and 443.
        """
        for binding, port in zip(draft.document["binding"], (80, 443), strict=True):
            binding["public_port"] = port

    def certify(self, *args: Any, **kwargs: Any) -> Callable[[Draft], None]:
        new = stored(*args, **kwargs)
        return lambda draft: draft.certificates.update({new.certificate.name: new})


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """
    The result of a coroutine that waits for nothing but what happens at once.
    """
    results: list[T] = []
    failures: list[BaseException] = []
    deferred = Deferred.fromCoroutine(coroutine)
    deferred.addCallbacks(results.append, lambda failure: failures.append(failure.value))
    if failures:
        raise failures[0]
    assert results, "it still waits"
    return results[0]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """
    A gate that has started.
    """
    lab = Lab(tmp_path / "state")
    lab.start()
    yield lab
    lab.store.close()
