"""
A gate without sockets, whose files and time the tests change: real changes over a real store, and a data plane that only
remembers.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from zope.interface import implementer

from tlsgate.certificates import self_signed
from tlsgate.changes import ChangeRequest, Changes
from tlsgate.counters import Counters
from tlsgate.interfaces import ApplyFailed, IDataPlane, IPreparedSnapshot, WorkerReport
from tlsgate.settings import Document, Draft, FileStore, Generation, Pins, StoredCertificate
from tlsgate.sites import ServerCertificate, Snapshot
from tlsgate.watching import CertificateFiles, StagedSwaps

T = TypeVar("T")

NOW = 1_800_000_000.0


@implementer(IPreparedSnapshot)
class Prepared:
    """
    Built beside what the plane serves.
    """

    def __init__(self, plane: Plane, snapshot: Snapshot) -> None:
        self.plane = plane
        self.snapshot = snapshot

    async def commit(self) -> None:
        self.plane.snapshot = self.snapshot

    async def abort(self) -> None:
        pass


@implementer(IDataPlane)
class Plane:
    """
    Serves nobody.

    @ivar refuses: names of certificates that it does not take.
    """

    def __init__(self) -> None:
        self.snapshot = Snapshot(generation=0)
        self.refuses: set[str] = set()

    @property
    def generation(self) -> int:
        return self.snapshot.generation

    async def prepare(self, snapshot: Snapshot) -> Prepared:
        for name in self.refuses & snapshot.certificates.keys():
            raise ApplyFailed("invalid-settings", name, f"OpenSSL does not take {name}.")
        return Prepared(self, snapshot)

    async def report(self) -> tuple[WorkerReport, ...]:
        return (WorkerReport(pid=1, generation=self.generation, counters=Counters()),)

    async def publish_challenges(
        self, http_01: Mapping[bytes, bytes], tls_alpn_01: Mapping[str, ServerCertificate]
    ) -> None:
        raise NotImplementedError

    def ports(self) -> Mapping[str, int]:
        return {"https": 8443}

    async def drain(self, timeout: float) -> None:
        raise NotImplementedError


class Gate:
    """
    Changes, the files of certificates, and swaps that wait.

    @ivar said: what was published, in order.
    """

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.files_folder = folder / "files"
        self.files_folder.mkdir()
        self.now = NOW
        self.said: list[Mapping[str, Any]] = []
        self.document: Document = {
            "binding": [{"name": "https", "scheme": "https", "endpoint": "tcp:8443"}],
            "site": [{"name": "default", "hosts": ["*"], "upstream": "app"}],
            "upstream": [{"name": "app", "servers": [{"url": "http://127.0.0.1:9000"}]}],
        }
        self.start()

    def start(self) -> None:
        self.clock = Clock()
        self.plane = Plane()
        self.store = FileStore(self.state)
        self.store.open()

        def publish(kind: str, content: Mapping[str, Any]) -> None:
            assert kind == "certificate"
            self.said.append(content)

        self.files = CertificateFiles(self.clock, publish=publish, wall=lambda: self.now, in_thread=maybeDeferred)
        self.staged = StagedSwaps(self.state, publish=publish, wall=lambda: self.now)
        self.changes = Changes(
            store=self.store,
            pins=Pins(),
            data_plane=self.plane,
            clock=self.clock,
            first=self.first,
            wall=lambda: self.now,
            monotonic=self.clock.seconds,
            trusted=lambda _: True,
            in_thread=maybeDeferred,
            files=self.files,
        )
        run(self.changes.start())
        self.files.start(self.changes)
        self.wait(1)

    def first(self, now: float) -> Generation:
        default = StoredCertificate(certificate=certificate("default"), source="self-signed", added_at=now)
        return Generation(
            number=1, parent=0, time=now, author="gate", document=self.document, certificates={"default": default}
        )

    def restart(self) -> None:
        self.stop()
        self.start()

    def stop(self) -> None:
        self.files.stop()
        self.store.close()

    def wait(self, seconds: float) -> None:
        """
        Let time pass, a twentieth of a second at a time.
        """
        for _ in range(round(seconds * 20)):
            self.now += 0.05
            self.clock.advance(0.05)

    def change(self, edit: Callable[[Draft], None]) -> None:
        run(self.changes.apply(ChangeRequest(author="tests"), edit))
        self.wait(0.05)

    def name_files(self, name: str) -> None:
        """
        Name the pair in C{name.crt} and C{name.key} of a folder in the settings.
        """
        entry = {
            "name": name,
            "certificate_file": str(self.files_folder / f"{name}.crt"),
            "key_file": str(self.files_folder / f"{name}.key"),
        }
        self.change(lambda draft: draft.document.setdefault("certificate", []).append(entry))

    def name_folder(self) -> None:
        """
        Have certificates dropped into a folder served.
        """
        self.change(lambda draft: draft.document.update(certificates_folder=str(self.files_folder)))

    def put(self, pair: ServerCertificate, *, chain: bool = True, key: bool = True) -> None:
        """
        Write its pair of files.
        """
        for suffix, content, wanted in ((".crt", pair.chain, chain), (".key", pair.key, key)):
            if wanted:
                (self.files_folder / f"{pair.name}{suffix}").write_bytes(content)

    def serves(self, pair: ServerCertificate) -> bool:
        found = self.plane.snapshot.certificates.get(pair.name)
        return found is not None and found.fingerprint == pair.fingerprint

    def codes(self) -> list[str]:
        return [finding.code for finding in (*self.files.findings(), *self.staged.findings())]


def certificate(name: str, *names: str) -> ServerCertificate:
    return self_signed(name, names or (f"{name}.test",), now=NOW)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """
    The result of a coroutine that waits for nothing but what happens at once.
    """
    results: list[T] = []
    failures: list[BaseException] = []
    Deferred.fromCoroutine(coroutine).addCallbacks(results.append, lambda failure: failures.append(failure.value))
    if failures:
        raise failures[0]
    assert results, "it still waits"
    return results[0]


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    """
    A gate that has started.
    """
    made = Gate(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def make_certificate() -> Callable[..., ServerCertificate]:
    """
    Makes a pair for some names.
    """
    return certificate


@pytest.fixture
def finished() -> Callable[[Coroutine[Any, Any, T]], T]:
    """
    Runs what waits for nothing.
    """
    return run
