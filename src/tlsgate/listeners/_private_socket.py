"""
UNIX sockets that only their owner may use.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from twisted.internet.interfaces import IListeningPort, IProtocolFactory

__all__ = ["listen_privately"]


def listen_privately(reactor: Any, path: Path, factory: IProtocolFactory) -> IListeningPort:
    """
    Listen on a UNIX socket with mode 0600 from the moment it is there.

    @raise twisted.internet.error.CannotListenError: something has this name already.
    """
    # Nobody may connect between bind and chmod.
    mask = os.umask(0o177)
    try:
        port: IListeningPort = reactor.listenUNIX(str(path), factory, mode=0o600, wantPID=False)
    finally:
        os.umask(mask)
    return port
