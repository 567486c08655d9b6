"""
Linux tells when something happens in a folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from twisted.internet.interfaces import IReactorFDSet
from twisted.logger import Logger
from twisted.python.filepath import FilePath

from ._watch import Notifier

__all__ = ["inotify_notifier"]


def inotify_notifier(reactor: IReactorFDSet) -> Callable[[Callable[[], None]], Notifier] | None:
    """
    What L{CertificateWatch} takes as its notifier.

    @return: L{None} where the system has no inotify: then the files are looked at every 2 s.
    """
    try:
        from twisted.internet import inotify  # noqa: PLC0415 - raises where the C library has none
    except (ImportError, AttributeError):
        return None
    mask = (
        inotify.IN_CLOSE_WRITE
        | inotify.IN_MOVED_TO
        | inotify.IN_MOVED_FROM
        | inotify.IN_CREATE
        | inotify.IN_DELETE
        | inotify.IN_ATTRIB
        | inotify.IN_DELETE_SELF
        | inotify.IN_MOVE_SELF
    )

    class InotifyNotifier:
        """
        Folders watched by the kernel.
        """

        _log = Logger()

        def __init__(self, happened: Callable[[], None]) -> None:
            self._happened = happened
            self._watched: set[Path] = set()
            self._begin()

        def _begin(self) -> None:
            untyped: Any = inotify.INotify  # Twisted's module has no types.
            self._inotify = untyped(reactor)
            self._inotify.startReading()

        def watch(self, folders: Iterable[Path]) -> bool:
            """
            See L{Notifier.watch}.
            """
            wanted = set(folders)
            for gone in self._watched - wanted:
                try:
                    self._inotify.ignore(FilePath(str(gone)))
                except KeyError:
                    pass  # The kernel gave it up first.
            self._watched &= wanted
            for folder in wanted - self._watched:
                try:
                    self._inotify.watch(FilePath(str(folder)), mask, callbacks=[self._told])
                except inotify.INotifyError:
                    # The folder is not there, or the limit of watches is reached: looking goes on without.
                    continue
                self._watched.add(folder)
            return self._watched == wanted

        def stop(self) -> None:
            """
            See L{Notifier.stop}.
            """
            self._inotify.loseConnection()

        def _told(self, _: object, path: FilePath[bytes], what: int) -> None:
            if what & (inotify.IN_DELETE_SELF | inotify.IN_MOVE_SELF | inotify.IN_IGNORED):
                self._watched.discard(Path(path.asTextMode().path))
            if what & inotify.IN_DELETE_SELF:
                # Twisted gives up all folders when one of them is removed, whether or not this was asked for.
                others, self._watched = self._watched, set()
                self._begin()
                self.watch(others)
            self._happened()

    return InotifyNotifier
