"""
Watch certificate files: read what changed, check it, and hand it on; what is broken leaves the old one serving.

The algorithm, for each certificate:

  1. Its files are B{looked at} (their size, times and inode, not their content) soon after the system says that
     something happened in one of their folders, and once in a while whatever the system says.
  2. If they differ from what was read last, wait until they have been the same for C{SETTLE} seconds.
  3. Read them.  If they make a certificate that is not the one that was handed on last, hand it on.
  4. If they do not, they may be half written, the key today and its certificate in a second: wait for another change,
     and only when C{PATIENCE} seconds have passed since the first, say that they are broken.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import attrs
from cryptography import x509
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from ..problems import Problem
from ..sites import ServerCertificate
from ._files import Signature, WatchedFiles, folder_files, read_files, signature_of
from ._read import ReadResult

__all__ = ["CertificateWatch", "Notifier"]

# Seconds.
SETTLE: Final = 0.25
PATIENCE: Final = 5.0
# Of one look at a time; what is left is looked at a moment later, and connections are served between.
SLICE: Final = 0.03
MOMENT: Final = 0.005
# A folder that changed so recently may change again without its time telling.
SAME_TIME: Final = 2_000_000_000
# Between looks when nothing tells of changes, and when something does: network file systems tell nobody.
POLL: Final = 2.0
POLL_BESIDE_NOTIFIER: Final = 30.0


class Notifier(Protocol):
    """
    Tells of changes in folders; see L{_notify.InotifyNotifier}.
    """

    def watch(self, folders: Iterable[Path]) -> bool:
        """
        Watch exactly these folders from now on.

        @return: are all of them watched?
        """

    def stop(self) -> None:
        """
        Watch nothing any more.
        """


@attrs.define
class _Watched:
    """
    What is known of one certificate.

    @ivar handled: the files as they were when they were last handed on or declared broken.
    @ivar seen: the files as they were at the last look.
    @ivar tried: the files as they were when they were last read, while they are not yet handled.
    @ivar since: when they were first seen to differ from C{handled}; L{None} while they do not.
    @ivar steady: since when C{seen} has been what it is.
    @ivar last: what was handed on last.
    @ivar problem: of the last reading.
    @ivar places: the folders in which something happens when one of the files changes.
    """

    files: WatchedFiles
    handled: Signature | None = None
    seen: Signature | None = None
    tried: Signature | None = None
    since: float | None = None
    steady: float = 0.0
    last: ServerCertificate | None = None
    problem: Problem | None = None
    places: frozenset[Path] = frozenset()


class CertificateWatch:
    """
    Watches files and folders for the reactor's thread.

    @ivar broken: by name, why the files of a certificate cannot be used now; empty while all is well.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        *,
        changed: Callable[[str, ReadResult], None],
        broken: Callable[[str, Problem], None],
        removed: Callable[[str], None] | None = None,
        notifier: Callable[[Callable[[], None]], Notifier] | None = None,
        wall: Callable[[], float] = time.time,
        intermediates: Callable[[], Sequence[x509.Certificate]] = tuple,
    ) -> None:
        """
        @param clock: for waiting.
        @param changed: called with a name and what was read, when it is not what was handed on last.
        @param broken: called with a name and the reason, once for each state of the files that cannot be used.
        @param removed: called with the name of a certificate whose file has gone from a watched folder.
        @param notifier: makes what tells of changes, given what to call then; L{None} to look every 2 s.
        @param wall: Unix time.
        @param intermediates: gives those that may complete a chain.
        """
        self.broken: dict[str, Problem] = {}
        self._clock = clock
        self._changed = changed
        self._say_broken = broken
        self._removed = removed
        self._wall = wall
        self._intermediates = intermediates
        self._make_notifier = notifier
        self._notifier: Notifier | None = None
        self._watched: dict[str, _Watched] = {}
        self._named: dict[str, WatchedFiles] = {}
        self._folders: tuple[Path, ...] = ()
        self._call: IDelayedCall | None = None
        self._poll = POLL
        self._running = False
        # What the present look has yet to look at, what of it must be looked at again soon, whether something happened
        # meanwhile, and when to look at everything again whatever happens.
        self._left: list[_Watched] = []
        self._waiting: list[_Watched] = []
        self._again = False
        self._all_at = 0.0
        # Folders as they were listed last, and what they were known by then.
        self._listed: dict[Path, tuple[tuple[int, ...], tuple[WatchedFiles, ...]]] = {}

    def __repr__(self) -> str:
        return f"<CertificateWatch [{len(self._watched)} certificates, {len(self.broken)} broken]>"

    def watch(
        self,
        files: Iterable[WatchedFiles],
        folders: Iterable[Path] = (),
        *,
        serving: Iterable[ServerCertificate] = (),
        read: Mapping[str, Signature] | None = None,
    ) -> None:
        """
        Watch exactly these from now on.  What was watched before and is named again is not read again.

        @param folders: in which every certificate file is one to watch.
        @param serving: what serves already; a file that holds the same is not handed on again.
        @param read: what the files were known by when that was read; they are read again once they are not.
        """
        self._named = {each.name: each for each in files}
        self._folders = tuple(folders)
        known = {certificate.name: certificate for certificate in serving}
        for name in self._match(known, read or {}):
            del self._watched[name]
        self._left, self._waiting = [], []
        if self._running:
            self._notify()
            self._look_in(0)

    def start(self) -> None:
        """
        Begin to look.
        """
        self._running = True
        if self._make_notifier is not None:
            self._notifier = self._make_notifier(self._happened)
        self._notify()
        self._look_in(0)

    def stop(self) -> None:
        """
        Look no more.
        """
        self._running = False
        if self._notifier is not None:
            self._notifier.stop()
            self._notifier = None
        if self._call is not None and self._call.active():
            self._call.cancel()

    def _match(self, known: Mapping[str, ServerCertificate], read: Mapping[str, Signature]) -> list[str]:
        """
        Add to what is watched all that is named or in the folders.

        @return: what is watched and should not be.
        """
        wanted = {each.name: each for folder in self._folders for each in self._files_in(folder)}
        wanted.update(self._named)
        for name, files in wanted.items():
            held = self._watched.get(name)
            if held is None or held.files != files:
                last = known.get(name, held.last if held else None)
                self._watched[name] = _Watched(files, last=last, handled=read.get(name))
        for name in self.broken.keys() - wanted.keys():
            del self.broken[name]
        return [name for name in self._watched if name not in wanted]

    def _files_in(self, folder: Path) -> tuple[WatchedFiles, ...]:
        """
        The certificates of a folder; listed only if it changed since the last time, for there may be thousands.
        """
        known: tuple[int, ...] = ()
        try:
            status = folder.stat()
            if time.time_ns() - status.st_mtime_ns > SAME_TIME:
                known = status.st_dev, status.st_ino, status.st_mtime_ns
        except OSError:
            pass
        if not known or known != self._listed.get(folder, ((), ()))[0]:
            self._listed[folder] = known, folder_files(folder)
        return self._listed[folder][1]

    def _notify(self) -> None:
        self._poll = POLL
        if self._notifier is not None and self._notifier.watch(self._places()):
            self._poll = POLL_BESIDE_NOTIFIER

    def _places(self) -> set[Path]:
        """
        Every folder in which something may happen.
        """
        places = set(self._folders)
        for watched in self._watched.values():
            places |= watched.places or _places_of(watched.files)
        return places

    def _happened(self) -> None:
        if self._left:
            self._again = True
        elif self._running:
            self._look_in(SETTLE)

    def _look_in(self, seconds: float) -> None:
        if self._call is not None and self._call.active():
            if self._call.getTime() <= self._clock.seconds() + seconds:
                return
            self._call.cancel()
        self._call = self._clock.callLater(seconds, self._look)

    def _look(self) -> None:
        """
        Look at everything once, a slice at a time, and say when to look again.
        """
        if not self._left:
            self._again, self._all_at = False, self._clock.seconds() + self._poll
            if self._folders:
                for name in self._match({}, {}):
                    del self._watched[name]
                    if self._removed is not None:
                        self._removed(name)
            self._left = list(reversed(self._watched.values()))
        enough = self._clock.seconds() + SLICE
        while self._left:
            watched = self._left.pop()
            if self._look_at(watched):
                self._waiting.append(watched)
            if self._clock.seconds() > enough:
                break
        if not self._running:
            return
        if self._left:
            self._look_in(MOMENT)
            return
        if self._waiting:
            # At these only, as long as that can be: there may be thousands of others.
            waiting, self._waiting = self._waiting, []
            self._left = waiting if self._clock.seconds() < self._all_at else []
            self._look_in(SETTLE)
            return
        # A link may point elsewhere by now.
        self._notify()
        self._look_in(SETTLE if self._again else self._poll)

    def _look_at(self, watched: _Watched) -> bool:
        """
        Look at one certificate.

        @return: must it be looked at again soon?
        """
        now = self._clock.seconds()
        found = signature_of(watched.files)
        first = watched.seen is None
        if found != watched.seen:
            watched.seen, watched.steady = found, now
            watched.places = _places_of(watched.files)
        if found == watched.handled:
            watched.since = None
            return False
        if watched.since is None:
            watched.since = now
        # What was there before anybody looked has settled already.
        if not first and now - watched.steady < SETTLE:
            return True
        if found != watched.tried:
            watched.tried = found
            if self._read(watched):
                watched.handled, watched.since = found, None
                return False
        if now - watched.since < PATIENCE:
            return True
        watched.handled, watched.since = found, None
        self._give_up(watched)
        return False

    def _read(self, watched: _Watched) -> bool:
        """
        Read the files, and hand on what they hold if it is new.

        @return: do they hold a certificate?
        """
        name = watched.files.name
        try:
            result = read_files(watched.files, now=self._wall(), intermediates=self._intermediates())
        except Problem as problem:
            watched.problem = problem
            return False
        watched.problem = None
        self.broken.pop(name, None)
        last, watched.last = watched.last, result.certificate
        if last is None or (last.chain, last.key) != (result.certificate.chain, result.certificate.key):
            self._log.info("The files of certificate {name} changed.", name=name)
            self._changed(name, result)
        return True

    def _give_up(self, watched: _Watched) -> None:
        problem = watched.problem
        if problem is not None:
            name = watched.files.name
            self.broken[name] = problem
            self._log.warn("The files of certificate {name} cannot be used: {detail}", name=name, detail=problem.detail)
            self._say_broken(name, problem)


def _places_of(files: WatchedFiles) -> frozenset[Path]:
    """
    The folders of files, and those of what they link to.
    """
    places = set()
    for path in files.paths:
        places.add(path.parent)
        try:
            # Only a link leads elsewhere, and to resolve thousands of paths takes seconds.
            if path.is_symlink():
                places.add(path.resolve().parent)
        except (OSError, RuntimeError):
            pass  # A loop of links; reading the file says what is wrong.
    return frozenset(places)
