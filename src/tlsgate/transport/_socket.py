"""
What the socket below a transport says of itself: its ends, its options, and what it still has to send.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
from typing import TYPE_CHECKING, Any

from ._addresses import RawAddress, address_of

if TYPE_CHECKING:
    from ._stream import StreamTransport

__all__ = ["SocketOptions", "unsent_bytes"]


class SocketOptions:
    """
    The part of L{ITCPTransport<twisted.internet.interfaces.ITCPTransport>} that moves no bytes.

    @ivar sock: the socket.
    @ivar peer: the peer's raw address, as the socket module gave it.
    @ivar host: our raw address.
    """

    __slots__ = ("host", "peer", "sock")

    sock: socket.socket
    peer: RawAddress
    host: RawAddress

    def getPeer(self) -> Any:
        """
        See L{ITCPTransport<twisted.internet.interfaces.ITCPTransport>}.
        """
        return address_of(self.peer)

    def getHost(self) -> Any:
        """
        See L{ITCPTransport<twisted.internet.interfaces.ITCPTransport>}.
        """
        return address_of(self.host)

    def getTcpNoDelay(self) -> bool:
        """
        See L{ITCPTransport<twisted.internet.interfaces.ITCPTransport>}.
        """
        return bool(self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def setTcpNoDelay(self, enabled: bool) -> None:
        """
        See L{ITCPTransport<twisted.internet.interfaces.ITCPTransport>}.
        """
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, enabled)

    def getTcpKeepAlive(self) -> bool:
        """
        See L{ITCPTransport<twisted.internet.interfaces.ITCPTransport>}.
        """
        return bool(self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """
        See L{ITCPTransport<twisted.internet.interfaces.ITCPTransport>}.
        """
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, enabled)


def unsent_bytes(transport: StreamTransport) -> int:
    """
    Bytes that the peer has not acknowledged yet: ours and, where the system tells, the kernel's.

    For the rare look at whether a slow reader reads at all; it costs a system call.
    """
    unsent = transport.buffered
    try:
        unsent += struct.unpack("i", fcntl.ioctl(transport.sock, termios.TIOCOUTQ, b"\0\0\0\0"))[0]
    except OSError:
        pass
    return unsent
