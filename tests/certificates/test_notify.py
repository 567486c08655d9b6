"""
The kernel's word on folders, through a real reactor.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from tlsgate.certificates import CertificateWatch, WatchedFiles, inotify_notifier, self_signed


class NotifierTests(TestCase):
    """
    A watch that is told by inotify.
    """

    timeout = 10

    async def test_told_of_a_new_pair(self) -> None:
        """
        A pair that is replaced is handed on long before the watch would look by itself.
        """
        from twisted.internet import reactor

        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        first, second = (self_signed("files", [f"v{n}.test"], now=time.time()) for n in range(2))
        said: list[str] = []
        heard: list[Deferred[None]] = [Deferred(), Deferred()]

        def changed(name: str, result) -> None:
            said.append(result.certificate.fingerprint)
            heard[len(said) - 1].callback(None)

        path = folder / "files.pem"
        path.write_bytes(first.key + first.chain)
        watch = CertificateWatch(reactor, changed=changed, broken=lambda *_: None, notifier=inotify_notifier(reactor))
        watch.watch([WatchedFiles("files", path)])
        watch.start()
        try:
            await heard[0]
            new = folder / ".new"
            new.write_bytes(second.key + second.chain)
            begun = time.monotonic()
            new.replace(path)
            await heard[1]
            self.assertLess(time.monotonic() - begun, 1.9)
        finally:
            watch.stop()
        self.assertEqual(said, [first.fingerprint, second.fingerprint])
