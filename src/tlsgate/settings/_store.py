"""
Generations in a folder: each complete on disk, one link to the current one.

::

    STATE/                      0700
      lock                      held by the gate that uses the folder
      current -> generations/000042
      generations/000042/       generation.json, certificates/, SHA256SUMS; see _folder
      generations/000042/confirmed      an empty file: somebody confirmed it

A commit writes the new folder under a temporary name, makes every file and folder of it durable, renames it, makes
that durable, and only then replaces the link, in one step.  Whatever ends the process or the power at any moment,
the link names a whole generation: the old one or the new one.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Collection
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger
from zope.interface import implementer

from ..problems import Problem
from ._filesystem import Filesystem, remove_tree
from ._folder import HEAD, Damaged, Encoded, Written, decode, decode_outline, encode
from ._interfaces import IStaged, IStore
from ._lock import FolderLock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._generations import Generation

__all__ = ["FileStore"]

GENERATION: Final = re.compile(r"[0-9]{6,18}")
CONFIRMED: Final = "confirmed"
# Neither matches GENERATION: what bears these names is swept away at the next start.
NEW_FOLDER: Final = ".new"
NEW_LINK: Final = ".current.new"
OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class NotShared(Exception):
    """
    The generation before cannot give a file: it was pruned meanwhile, or the disk has no hard links.
    """


@implementer(IStaged)
class StagedFolder:
    """
    A whole folder that no link names yet.
    """

    def __init__(self, finish: Callable[[], None], give_up: Callable[[], None]) -> None:
        self._finish = finish
        self._give_up = give_up

    def finish(self) -> None:
        """
        As L{IStaged.finish}.
        """
        self._finish()

    def give_up(self) -> None:
        """
        As L{IStaged.give_up}.
        """
        self._give_up()


@implementer(IStore)
class FileStore:
    """
    Generations in a folder of this machine.

    @ivar folder: the state folder; other rooms keep files of their own in it.
    """

    _log = Logger()

    def __init__(self, folder: Path, filesystem: Filesystem | None = None) -> None:
        self.folder = folder
        self._filesystem = Filesystem() if filesystem is None else filesystem
        self._generations = folder / "generations"
        self._link = folder / "current"
        self._lock = FolderLock(folder / "lock")
        self._number = 0
        # A generation that is known to be whole on the disk: its number, and what is remembered of its files, which
        # can be shared.
        self._durable: tuple[int, Written] = (0, Written())

    def open(self) -> None:
        """
        As L{IStore.open}: make the folder if there is none, lock it, and check its owner and permissions.

        @raise Problem: C{storage-failed}: it cannot be used, or another gate uses it; the detail is one line.
        """
        with self._failing(f"The state folder {self.folder} cannot be used"):
            self._check_state_folder()
        self._lock.acquire()
        try:
            with self._failing(f"The state folder {self.folder} cannot be used"):
                if self._filesystem.stat(self._generations) is None:
                    self._filesystem.make_folder(self._generations)
                    self._filesystem.sync(self.folder)
                self._check_permissions(self._generations)
                self._number = self._linked()
                self._sweep()
        except Problem:
            self._lock.release()
            raise

    def close(self) -> None:
        """
        As L{IStore.close}.
        """
        self._lock.release()

    def current(self) -> Generation | None:
        """
        As L{IStore.current}.

        @raise Problem: C{storage-failed}: the current generation is damaged; the detail names the file.
        """
        return self._read(self._number) if self._number else None

    def current_outline(self) -> Generation | None:
        """
        The current generation without its certificates, whether or not the store is open; L{None} for none.

        @raise Problem: C{storage-failed}: it cannot be read.
        """
        with self._failing(f"The state folder {self.folder} cannot be used"):
            number = self._linked() if self._filesystem.stat(self._generations) is not None else 0
        return self.outline(number) if number else None

    def commit(self, parent: int, generation: Generation) -> None:
        """
        As L{IStore.commit}.
        """
        self.stage(parent, generation).finish()

    def stage(self, parent: int, generation: Generation) -> StagedFolder:
        """
        As L{IStore.stage}.
        """
        self._check_parent(parent)
        encoded = encode(generation, self._durable[1])
        number = generation.number
        with self._failing("The change was not saved"):
            if number < self.next_number():
                raise Problem("internal", f"Generation {number} is older than one in {self._generations}.")
            try:
                try:
                    self._write(number, encoded)
                except NotShared:
                    encoded = encode(generation)
                    self._write(number, encoded)
                self._durable = number, encoded.written
            except OSError:
                self._give_up(number)
                raise
        return StagedFolder(lambda: self._finish(parent, number), lambda: self._give_up(number))

    def read(self, number: int) -> Generation:
        """
        As L{IStore.read}.
        """
        self._check_kept(number)
        return self._read(number)

    def outline(self, number: int) -> Generation:
        """
        As L{IStore.outline}.
        """
        self._check_kept(number)
        path = self._path(number)
        with self._undamaged(number):
            return decode_outline(lambda name: self._filesystem.read_file(path / name))

    def _check_kept(self, number: int) -> None:
        if self._filesystem.stat(self._path(number)) is None:
            raise Problem("not-found", f"There is no generation {number}; old ones are forgotten.")

    def numbers(self) -> list[int]:
        """
        As L{IStore.numbers}.
        """
        with self._failing("The history cannot be read"):
            return [number for number in self._numbers() if number <= self._number]

    def next_number(self) -> int:
        """
        As L{IStore.next_number}.  A whole folder that was never current keeps its number for itself.
        """
        with self._failing("The history cannot be read"):
            return max([self._number, *self._numbers()]) + 1

    def confirm(self, number: int) -> None:
        """
        As L{IStore.confirm}.
        """
        if self.confirmed(number):
            return
        path = self._path(number)
        if self._filesystem.stat(path) is None:
            raise Problem("not-found", f"There is no generation {number}.")
        with self._failing(f"The confirmation of generation {number} was not saved"):
            self._filesystem.write_file(path / CONFIRMED, b"")
            try:
                self._filesystem.sync(path)
            except OSError:
                remove_tree(self._filesystem, path / CONFIRMED)
                raise

    def confirmed(self, number: int) -> bool:
        """
        As L{IStore.confirmed}.
        """
        with self._failing("The history cannot be read"):
            return self._filesystem.stat(self._path(number) / CONFIRMED) is not None

    def prune(self, keep: int, age: float, now: float, spare: Collection[int] = ()) -> list[int]:
        """
        As L{IStore.prune}.  A generation's age is that of its folder.
        """
        gone: list[int] = []
        with self._failing("Old generations cannot be removed"):
            numbers = self._numbers()
            for place, number in enumerate(reversed(numbers)):
                found = self._filesystem.stat(self._path(number) / HEAD)
                old = age > 0 and found is not None and now - found.st_mtime > age
                if number != self._number and number not in spare and (place >= keep or old):
                    self._remove(number)
                    gone.append(number)
        return gone[::-1]

    def _numbers(self) -> list[int]:
        """
        The numbers of all folders, also of those that a crash kept from becoming current.
        """
        return sorted(int(name) for name in self._filesystem.names(self._generations) if GENERATION.fullmatch(name))

    def _path(self, number: int) -> Path:
        return self._generations / f"{number:06}"

    @contextmanager
    def _failing(self, what: str) -> Iterator[None]:
        """
        Turn an error of the disk into a refusal.
        """
        try:
            yield
        except OSError as reason:
            where = f" ({reason.filename})" if reason.filename else ""
            raise Problem("storage-failed", f"{what}: {reason.strerror or reason}{where}.") from reason

    def _read(self, number: int) -> Generation:
        path = self._path(number)
        with self._undamaged(number):
            generation, written = decode(lambda name: self._filesystem.read_file(path / name))
        if not self._durable[0]:
            self._durable = number, written
        return generation

    @contextmanager
    def _undamaged(self, number: int) -> Iterator[None]:
        """
        Turn damage into a refusal that names the file.
        """
        try:
            yield
        except Damaged as reason:
            raise Problem(
                "storage-failed",
                f"Generation {number} is damaged: {self._path(number) / reason.file} {str(reason).partition(' ')[2]}.",
            ) from reason

    def _write(self, number: int, encoded: Encoded) -> None:
        """
        Lay a generation's folder down, whole and durable, under its final name.

        @raise NotShared: a file that was not encoded cannot be had from the generation before.
        """
        new = self._generations / NEW_FOLDER
        remove_tree(self._filesystem, new)
        self._filesystem.make_folder(new)
        self._filesystem.make_folder(new / "certificates")
        for name, digest in encoded.written.sums.items():
            if not self._share(new, name, digest):
                if name not in encoded.fresh:
                    raise NotShared
                self._filesystem.write_file(new / name, encoded.fresh[name])
                self._filesystem.sync(new / name)
        self._filesystem.sync(new / "certificates")
        self._filesystem.sync(new)
        self._filesystem.rename(new, self._path(number))
        self._filesystem.sync(self._generations)

    def _share(self, new: Path, name: str, digest: str) -> bool:
        """
        Give the new folder a file of the last one, if it is the same.  Of a thousand certificates a change commonly
        touches one, and it is the syncs of the others that would cost.
        """
        number, written = self._durable
        if written.sums.get(name) != digest:
            return False
        try:
            self._filesystem.share_file(new / name, self._path(number) / name)
        except OSError:
            # Pruned meanwhile, too many names, or a disk without hard links.
            return False
        return True

    def _flip(self, number: int) -> None:
        """
        Make the link name a generation.
        """
        new = self.folder / NEW_LINK
        remove_tree(self._filesystem, new)
        self._filesystem.make_link(new, f"{self._generations.name}/{number:06}")
        self._filesystem.rename(new, self._link)
        self._filesystem.sync(self.folder)

    def _check_parent(self, parent: int) -> None:
        if parent != self._number:
            raise Problem(
                "generation-moved",
                f"The change was made for generation {parent}, but generation {self._number} is current; "
                "read it and try again.",
            )

    def _finish(self, parent: int, number: int) -> None:
        """
        Make a staged generation current, or leave everything as it was.
        """
        try:
            self._check_parent(parent)
            with self._failing("The change was not saved"):
                self._flip(number)
        except Problem:
            self._give_up(number)
            raise
        self._number = number

    def _give_up(self, number: int) -> None:
        """
        Remove a generation that did not become current; what cannot be removed now stays, and is in nobody's way.
        """
        try:
            if self._linked() == number:
                # Only the link's durability failed.  The old generation goes on, so the link must say so.
                if self._number:
                    self._flip(self._number)
                else:
                    self._filesystem.remove_file(self._link)
            self._sweep()
            remove_tree(self._filesystem, self._path(number))
        except (OSError, Problem) as reason:
            self._log.warn("leftovers of generation {number} stay: {reason}", number=number, reason=reason)

    def _sweep(self) -> None:
        """
        Remove the temporary names that an unfinished commit or removal left.
        """
        remove_tree(self._filesystem, self.folder / NEW_LINK)
        for name in self._filesystem.names(self._generations):
            if name.startswith("."):
                remove_tree(self._filesystem, self._generations / name)

    def _remove(self, number: int) -> None:
        """
        Remove a generation; under a temporary name first, so that no half of it is ever listed.
        """
        doomed = self._generations / f".old-{number:06}"
        self._filesystem.rename(self._path(number), doomed)
        remove_tree(self._filesystem, doomed)

    def _linked(self) -> int:
        """
        The number that the link names; 0 for no link.
        """
        if self._filesystem.stat(self._link) is None:
            # One generation without a link is what a crash in the very first commit leaves; more are a lost link.
            if len(self._numbers()) > 1:
                raise Problem(
                    "storage-failed",
                    f"{self._link} is missing; run: ln -s generations/{self._numbers()[-1]:06} '{self._link}'.",
                )
            return 0
        try:
            name = Path(self._filesystem.read_link(self._link)).name
        except OSError as reason:
            raise Problem("storage-failed", f"{self._link} is not a link to a generation.") from reason
        if GENERATION.fullmatch(name) is None or self._filesystem.stat(self._generations / name) is None:
            raise Problem("storage-failed", f"{self._link} names {name!r}, which is no generation of this folder.")
        return int(name)

    def _check_state_folder(self) -> None:
        """
        Make the state folder, or refuse one that others could have prepared or can read.
        """
        found = self._filesystem.stat(self.folder)
        if found is None:
            self._filesystem.make_folder(self.folder)
            self._filesystem.sync(self.folder.parent)
            return
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not self._filesystem.names(self.folder):
            # Made empty for us, as a container's volume is: nothing in it was ever readable.
            self._filesystem.set_mode(self.folder, stat.S_IRWXU)
            return
        self._check(self.folder, found)

    def _check_permissions(self, folder: Path) -> None:
        """
        Refuse a folder of ours, with all in it, that others can read or that is not what we made.
        """
        found = self._filesystem.stat(folder)
        if found is None:
            return
        self._check(folder, found)
        for name in self._filesystem.names(folder):
            path = folder / name
            inner = self._filesystem.stat(path)
            if inner is None:
                continue
            if stat.S_ISDIR(inner.st_mode):
                self._check_permissions(path)
            elif name.endswith(".key"):
                self._check(path, inner, folder=False)

    def _check(self, path: Path, found: os.stat_result, *, folder: bool = True) -> None:
        """
        @raise Problem: C{storage-failed}: a link, another's, or open to others.
        """
        if not (stat.S_ISDIR if folder else stat.S_ISREG)(found.st_mode):
            kind = "link" if stat.S_ISLNK(found.st_mode) else "file of another kind"
            raise Problem("storage-failed", f"{path} is a {kind}; it must be a {'folder' if folder else 'plain file'}.")
        if found.st_uid != os.geteuid():
            raise Problem(
                "storage-failed", f"{path} belongs to user {found.st_uid}, but the gate runs as user {os.geteuid()}."
            )
        if found.st_mode & OTHERS:
            raise Problem(
                "storage-failed",
                f"{path} can be read by others (mode {stat.S_IMODE(found.st_mode):04o}); "
                f"run: chmod {'700' if folder else '600'} '{path}'.",
            )
