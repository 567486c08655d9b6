"""
Certificates in files: read when the settings name them, watched, and served anew when they change.

What a settings change names is read before the change is made, so that it serves when the change is answered.  What
changes later makes a generation of its own, by the author C{files}; what is broken leaves the old one serving, and is
told until it is whole again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography import x509
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from ..certificates import (
    CertificateWatch,
    Notifier,
    ReadResult,
    Signature,
    WatchedFiles,
    folder_files,
    known_issuers,
    read_files,
    signature_of,
)
from ..changes import ChangeRequest, ICertificateFiles
from ..problems import Finding, Problem, ProblemError, Severity
from ..settings import (
    Document,
    Draft,
    Settings,
    StoredCertificate,
    check_certificate_name,
    validate_document,
)

if TYPE_CHECKING:
    from ..changes import Changes

__all__ = ["CertificateFiles"]

AUTHOR = "files"

#: In the details of a stored certificate: what its files were known by when they were read.
READ = "read"

#: The keys of a document that name files of certificates.
KEYS = ("certificate", "certificates_folder")

Publish = Callable[[str, Mapping[str, Any]], object]


@implementer(ICertificateFiles)
class CertificateFiles:
    """
    The files of a gate's certificates.  L{complete} may be called from the beginning, everything else after L{start}.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        *,
        publish: Publish,
        wall: Callable[[], float],
        in_thread: Callable[..., Awaitable[Any]],
        notifier: Callable[[Callable[[], None]], Notifier] | None = None,
    ) -> None:
        """
        @param publish: called with the kind and the content of an event.
        @param wall: Unix time.
        @param in_thread: runs what blocks.
        @param notifier: see L{CertificateWatch}.
        """
        self._clock = clock
        self._publish = publish
        self._wall = wall
        self._in_thread = in_thread
        self._changes: Changes | None = None
        self._known: tuple[x509.Certificate, ...] = ()
        self._refused: dict[str, Problem] = {}
        # What waits to be served: a certificate, or None for one whose file is gone.
        self._waiting: dict[str, ReadResult | None] = {}
        self._applying = False
        self._named: tuple[Any, ...] = ()
        # What files were known by when they were read for a change that may have come to nothing; hence compared with
        # what serves before it is believed.
        self._read: dict[str, Signature] = {}
        self._watch = CertificateWatch(
            clock,
            changed=self._want,
            removed=lambda name: self._want(name, None),
            broken=self._broken,
            notifier=notifier,
            wall=wall,
            intermediates=lambda: self._known,
        )

    def __repr__(self) -> str:
        return f"<CertificateFiles [{len(self._waiting)} waiting, {len(self.broken)} broken]>"

    @property
    def broken(self) -> Mapping[str, Problem]:
        """
        By name, why files cannot be served now.
        """
        return {**self._watch.broken, **self._refused}

    def findings(self) -> Iterator[Finding]:
        """
        What there is to say about files now.
        """
        for name, problem in sorted(self.broken.items()):
            yield Finding(
                "certificate-files-broken",
                Severity.ERROR,
                f"The files of certificate {name} cannot be used, so the last good one goes on: {problem.detail}",
                self._pointer(name),
                subject=name,
            )

    def start(self, changes: Changes) -> None:
        """
        Begin to watch.

        @param changes: started already.
        """
        self._changes = changes
        changes.subscribe(lambda _: self._follow())
        self._follow()
        self._watch.start()

    def stop(self) -> None:
        """
        Watch no more.
        """
        self._watch.stop()

    async def complete(
        self, document: Document, certificates: Mapping[str, StoredCertificate], *, before: Document | None
    ) -> dict[str, StoredCertificate]:
        """
        As L{ICertificateFiles.complete}.
        """
        if before is not None and all(before.get(key) == document.get(key) for key in KEYS):
            return dict(certificates)
        settings = validate_document(document)
        done: dict[str, StoredCertificate] = await self._in_thread(
            self._read_all, settings, certificates, document, before
        )
        return done

    def _read_all(
        self,
        settings: Settings,
        certificates: Mapping[str, StoredCertificate],
        document: Document,
        before: Document | None,
    ) -> dict[str, StoredCertificate]:
        """
        Read files, blocking.
        """
        strict = before is not None
        known = {entry["name"]: entry for entry in (before or {}).get("certificate", [])}
        same_folder = before is not None and before.get("certificates_folder") == settings.certificates_folder
        named = list(_named_files(settings, strict=strict))
        dropped = [] if not settings.certificates_folder else list(folder_files(Path(settings.certificates_folder)))
        names = {files.name for files in (*named, *dropped)}
        kept = {name: stored for name, stored in certificates.items() if stored.source != AUTHOR or name in names}
        entries = {entry["name"]: entry for entry in document.get("certificate", [])}
        known_here = known_issuers(stored.certificate for stored in certificates.values())
        for index, files in enumerate(named):
            held = kept.get(files.name)
            if held is not None and held.source == AUTHOR and known.get(files.name) == entries.get(files.name):
                continue
            try:
                self._put(kept, files, known_here)
            except Problem as problem:
                if strict:
                    raise _placed(problem, f"/certificate/{index}", files.name) from problem
        for files in dropped:
            if files.name not in entries and not (same_folder and files.name in kept):
                try:
                    check_certificate_name(files.name)
                    self._put(kept, files, known_here)
                except Problem as problem:
                    # Told by the watch, once it has waited for another half.
                    self._log.debug("{file} is no certificate yet: {why}", file=files.name, why=problem.detail)
        return kept

    def _put(
        self, kept: dict[str, StoredCertificate], files: WatchedFiles, intermediates: tuple[x509.Certificate, ...]
    ) -> None:
        held = kept.get(files.name)
        now = self._wall()
        signature = signature_of(files)
        shown = [None if one is None else list(one) for one in signature]
        if held is not None and held.source == AUTHOR and held.details.get(READ) == shown and None not in shown:
            self._read[files.name] = signature
            return
        certificate = read_files(files, now=now, intermediates=intermediates).certificate
        self._read[files.name] = signature
        if held is None or held.source != AUTHOR or held.certificate != certificate:
            kept[files.name] = StoredCertificate(
                certificate=certificate, source=AUTHOR, added_at=now, details={READ: shown}
            )

    def _follow(self) -> None:
        """
        Watch what the settings that are in force name.
        """
        assert self._changes is not None
        settings = self._changes.effective
        named = (settings.certificates, settings.certificates_folder)
        stored = self._changes.current.certificates
        # Dates and keys are compared by those who read; here only what is watched.
        if named != self._named:
            self._named = named
            self._known = known_issuers(each.certificate for each in stored.values())
            self._watch.watch(
                _named_files(settings, strict=False),
                [Path(settings.certificates_folder)] if settings.certificates_folder else [],
                serving=[each.certificate for each in stored.values() if each.source == AUTHOR],
                read={
                    name: signature
                    for name, signature in self._read.items()
                    if name in stored and stored[name].details.get(READ) == [list(one) for one in signature if one]
                },
            )
            self._read.clear()
            for name in self._refused.keys() - {entry.name for entry in settings.certificates}:
                del self._refused[name]

    def _broken(self, name: str, problem: Problem) -> None:
        self._publish(
            "certificate", {"what": "files-broken", "name": name, "code": problem.code, "why": problem.detail}
        )

    def _want(self, name: str, result: ReadResult | None) -> None:
        """
        Files changed: serve what they hold, together with whatever else changes at this moment.
        """
        self._waiting[name] = result
        if not self._applying:
            self._applying = True
            self._clock.callLater(0, lambda: Deferred.fromCoroutine(self._apply()))

    async def _apply(self) -> None:
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, {}
                if not await self._serve(waiting, alone=len(waiting) == 1):
                    # One of them stands in the way of the others.
                    for name, result in waiting.items():
                        await self._serve({name: result}, alone=True)
        except Exception:  # the edge of a call from the clock: the next change of a file must find this alive
            self._log.failure("Changed files could not be served")
        finally:
            self._applying = False

    async def _serve(self, waiting: Mapping[str, ReadResult | None], *, alone: bool) -> bool:
        assert self._changes is not None
        try:
            await self._changes.apply(
                ChangeRequest(author=AUTHOR, reason=f"files of {_listed(waiting)} changed"),
                lambda draft: self._edit(draft, waiting),
            )
        except Problem as problem:
            if alone:
                for name in waiting:
                    self._refused[name] = problem
                    self._log.error("Certificate {name} from files is refused: {why}", name=name, why=problem.detail)
                    self._broken(name, problem)
            return alone
        for name in waiting:
            self._refused.pop(name, None)
        return True

    def _edit(self, draft: Draft, waiting: Mapping[str, ReadResult | None]) -> None:
        for name, result in waiting.items():
            if result is None:
                held = draft.certificates.get(name)
                if held is not None and held.source == AUTHOR:
                    del draft.certificates[name]
                continue
            draft.certificates[name] = StoredCertificate(
                certificate=result.certificate, source=AUTHOR, added_at=self._wall()
            )

    def _pointer(self, name: str) -> str:
        if self._changes is None:
            return ""
        entries = self._changes.effective.certificates
        places = [index for index, entry in enumerate(entries) if entry.name == name]
        return f"/certificate/{places[0]}" if places else "/certificates_folder"


def _named_files(settings: Settings, *, strict: bool) -> Iterator[WatchedFiles]:
    """
    The files that settings name one by one.

    @raise Problem: C{invalid-settings}: a password is not where it should be; only if C{strict}.
    """
    for index, entry in enumerate(settings.certificates):
        try:
            password = entry.password.resolve().encode() or None
        except ValueError as error:
            if strict:
                pointer = f"/certificate/{index}/password"
                detail = f"The password of certificate {entry.name} cannot be had: {error}."
                raise Problem(
                    "invalid-settings", detail, errors=[ProblemError(pointer, "unreadable", detail)]
                ) from error
            password = None
        yield WatchedFiles(
            entry.name,
            Path(entry.certificate_file),
            Path(entry.key_file) if entry.key_file else None,
            password,
            Path(entry.chain_file) if entry.chain_file else None,
        )


def _placed(problem: Problem, pointer: str, name: str) -> Problem:
    """
    A refusal that says where in the document it came from.
    """
    detail = f"The files of certificate {name} cannot be used: {problem.detail}"
    return Problem(problem.code, detail, errors=[ProblemError(pointer, problem.code, problem.detail)])


def _listed(names: Iterable[str]) -> str:
    first, *others = sorted(names)
    return first + (f" and {len(others)} others" if others else "")
