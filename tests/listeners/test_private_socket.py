"""
Sockets of the gate's own.
"""

import os
import socket
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.protocol import ServerFactory
from twisted.trial.unittest import TestCase

from tlsgate.listeners import listen_privately


class PrivateSocketTests(TestCase):
    """
    A UNIX socket that only its owner may use, whatever the mask of the process is.
    """

    async def test_mode(self) -> None:
        """
        Nobody else may connect, and the process's mask is as before.
        """
        from twisted.internet import reactor

        mask = os.umask(0)
        self.addCleanup(os.umask, mask)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "own.sock"
            port: Any = listen_privately(reactor, path, ServerFactory())
            try:
                self.assertEqual(path.stat().st_mode & 0o777, 0o600)
                self.assertEqual(os.umask(0), 0)
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect(str(path))
            finally:
                await port.stopListening()
