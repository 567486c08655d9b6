"""
The kernel's word on folders, through a real reactor.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from tlsgate.certificates import inotify_notifier


class NotifierTests(TestCase):
    """
    Folders that inotify watches.
    """

    timeout = 30

    def setUp(self) -> None:
        """
        A notifier and two folders.
        """
        from twisted.internet import reactor

        self.folders = [Path(tempfile.mkdtemp()) for _ in range(2)]
        for folder in self.folders:
            self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        self.happened: Deferred[None] = Deferred()
        make = inotify_notifier(reactor)
        assert make is not None
        self.notifier = make(self.told)
        self.addCleanup(self.notifier.stop)

    def told(self) -> None:
        """
        Something happened in a folder.
        """
        from twisted.internet import reactor

        # Whoever is told acts a moment later, as L{CertificateWatch} does.
        reactor.callLater(0, lambda: self.happened.called or self.happened.callback(None))

    async def test_told_of_a_new_file(self) -> None:
        """
        It tells of a file that was moved to where another was.
        """
        folder = self.folders[0]
        (folder / "files.pem").write_bytes(b"one")
        self.assertTrue(self.notifier.watch([folder]))
        (self.folders[1] / "new").write_bytes(b"two")
        (self.folders[1] / "new").replace(folder / "files.pem")
        await self.happened

    async def test_told_of_what_is_watched_now(self) -> None:
        """
        It tells of the folders that were named last, and a folder that is not there is not watched.
        """
        self.assertTrue(self.notifier.watch([self.folders[0]]))
        self.assertFalse(self.notifier.watch([self.folders[1], self.folders[1] / "missing"]))
        (self.folders[1] / "files.pem").write_bytes(b"one")
        await self.happened

    async def test_told_that_a_folder_goes(self) -> None:
        """
        It tells that a folder was removed, goes on with the others, and watches the one that comes in its place.
        """
        folder, other = self.folders
        self.assertTrue(self.notifier.watch(self.folders))
        folder.rmdir()
        await self.happened
        self.assertFalse(self.notifier.watch(self.folders))
        self.happened = Deferred()
        (other / "files.pem").write_bytes(b"one")
        await self.happened
        folder.mkdir()
        self.assertTrue(self.notifier.watch(self.folders))
        self.happened = Deferred()
        (folder / "files.pem").write_bytes(b"one")
        await self.happened
