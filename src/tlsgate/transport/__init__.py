"""
Move bytes: sockets, TLS on sockets, deadlines.

A L{hub<IHub>} watches many descriptors for one reactor; a L{StreamTransport} or a L{TLSTransport} on it is an
ordinary Twisted transport with an ordinary Twisted C{Protocol} above; L{Deadlines} is the coarse clock they share;
L{Connecting} makes the sockets of outgoing connections.  Read L{_interfaces} for the contract and L{_stream} for how
a byte travels.
"""

from ._connecting import Connecting
from ._deadlines import Deadlines
from ._hub import ERROR, HANGUP, READ, WRITE, EpollHub, ReactorHub, make_hub
from ._interfaces import IHub, Subject
from ._stream import HIGH_WATER, LOW_WATER, StreamTransport
from ._tls import HANDSHAKE_FAILURES, TLSTransport

__all__ = [
    "ERROR",
    "HANDSHAKE_FAILURES",
    "HANGUP",
    "HIGH_WATER",
    "LOW_WATER",
    "READ",
    "WRITE",
    "Connecting",
    "Deadlines",
    "EpollHub",
    "IHub",
    "ReactorHub",
    "StreamTransport",
    "Subject",
    "TLSTransport",
    "make_hub",
]
