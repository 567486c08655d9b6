"""
Every touch of the disk that the store makes, one method each.

The store reaches the disk through nothing else, so that a test can fail or end the process at each of these.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

__all__ = ["Filesystem", "remove_tree"]

PRIVATE_FILE: Final = 0o600
PRIVATE_FOLDER: Final = 0o700


class Filesystem:
    """
    The machine's disk.  Each method raises L{OSError}; none follows a link that lies at C{path} itself.
    """

    def make_folder(self, path: Path) -> None:
        """
        Make a folder that only its owner can enter.
        """
        path.mkdir(mode=PRIVATE_FOLDER)

    def set_mode(self, path: Path, mode: int) -> None:
        """
        Change who may read a file or enter a folder.
        """
        path.chmod(mode)

    def write_file(self, path: Path, content: bytes) -> None:
        """
        Make a file that only its owner can read; an existing one is an error.  Not durable before L{sync}.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, PRIVATE_FILE)
        with open(descriptor, "wb", buffering=0) as file:  # noqa: PTH123 - a descriptor, not a path
            rest = memoryview(content)
            while rest:
                rest = rest[file.write(rest) :]

    def share_file(self, path: Path, existing: Path) -> None:
        """
        Give a file that is never written again another name (a hard link).  The name is not durable before the folder
        is synced; the content is if C{existing} was.
        """
        os.link(existing, path, follow_symlinks=False)

    def sync(self, path: Path) -> None:
        """
        Make a file's content, or a folder's entries, survive a power cut.
        """
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        """
        Move, replacing what lies at C{new}, in one step.
        """
        old.rename(new)

    def make_link(self, path: Path, target: str) -> None:
        """
        Make a symbolic link at C{path}.
        """
        path.symlink_to(target)

    def read_link(self, path: Path) -> str:
        """
        Where a symbolic link points.
        """
        return os.readlink(path)  # noqa: PTH115 - Path.readlink would lose a trailing slash

    def read_file(self, path: Path) -> bytes:
        """
        The content of a regular file.

        @raise OSError: also for a FIFO, a device or a link.
        """
        # O_NONBLOCK so that a FIFO put there by hand cannot hang the gate.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError("not a regular file")
            return file.read()

    def remove_file(self, path: Path) -> None:
        """
        Remove a file or a link.
        """
        path.unlink()

    def remove_folder(self, path: Path) -> None:
        """
        Remove an empty folder.
        """
        path.rmdir()

    def names(self, path: Path) -> list[str]:
        """
        What lies in a folder, sorted.
        """
        return sorted(os.listdir(path))  # noqa: PTH208 - names, not paths

    def stat(self, path: Path) -> os.stat_result | None:
        """
        What lies at C{path}, links not followed; L{None} for nothing.
        """
        try:
            return path.lstat()
        except FileNotFoundError:
            return None


def remove_tree(filesystem: Filesystem, path: Path) -> None:
    """
    Remove whatever lies at C{path}; nothing is fine.  Links are removed, not followed.
    """
    found = filesystem.stat(path)
    if found is None:
        return
    if not stat.S_ISDIR(found.st_mode):
        filesystem.remove_file(path)
        return
    for name in filesystem.names(path):
        remove_tree(filesystem, path / name)
    filesystem.remove_folder(path)
