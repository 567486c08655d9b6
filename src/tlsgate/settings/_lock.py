"""
One gate for one state folder.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from ..problems import Problem

__all__ = ["FolderLock"]


class FolderLock:
    """
    An exclusive lock on a file, held until L{release} or the end of the process, however it ends.

    @ivar path: the file; it holds the number of the process that has the lock, for people.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1

    def acquire(self) -> None:
        """
        Take the lock, or refuse at once.

        @raise Problem: C{storage-failed}: another process has it, and which.
        """
        if self._descriptor >= 0:
            return
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(self.path, flags, 0o600)
        except OSError as reason:
            raise Problem("storage-failed", f"{self.path} cannot be opened: {reason.strerror}.") from reason
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as reason:
            owner = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise Problem(
                "storage-failed",
                f"Another gate (process {owner}) uses the state folder {self.path.parent}; "
                "end it first, or give this one its own with --state.",
            ) from reason
        except OSError as reason:
            os.close(descriptor)
            raise Problem("storage-failed", f"{self.path} cannot be locked: {reason.strerror}.") from reason
        self._descriptor = descriptor
        try:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, b"%d\n" % os.getpid())
        except OSError:
            # The number is for people; the lock holds without it, also on a full disk.
            pass

    def release(self) -> None:
        """
        Give the lock up; twice is fine.
        """
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
