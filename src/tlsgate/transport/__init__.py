"""
Move bytes: sockets, TLS on sockets, deadlines.

A L{hub<IHub>} watches many descriptors for one reactor; a L{StreamTransport} or a L{TLSTransport} on it is an
ordinary Twisted transport with an ordinary Twisted C{Protocol} above; L{Deadlines} is the coarse clock they share;
L{Connecting} makes the sockets of outgoing connections.  Read L{_interfaces} for the contract and L{_stream} for how
a byte travels.
"""

from ._clock import count_steadily
from ._connecting import Connecting
from ._deadlines import Deadlines
from ._hub import ERROR, HANGUP, PEER_ENDED, READ, WRITE, EpollHub, ReactorHub, make_hub
from ._interfaces import IEndObserver, IHub, Subject
from ._proxy_protocol import MAXIMUM_HEADER as MAXIMUM_PROXY_HEADER
from ._proxy_protocol import MalformedProxyHeader, ProxyHeader
from ._proxy_protocol import encode as encode_proxy_header
from ._proxy_protocol import parse as parse_proxy_header
from ._socket import unsent_bytes
from ._stream import HIGH_WATER, LOW_WATER, StreamTransport
from ._tls import HANDSHAKE_FAILURES, TLSTransport

__all__ = [
    "ERROR",
    "HANDSHAKE_FAILURES",
    "HANGUP",
    "HIGH_WATER",
    "LOW_WATER",
    "MAXIMUM_PROXY_HEADER",
    "PEER_ENDED",
    "READ",
    "WRITE",
    "Connecting",
    "Deadlines",
    "EpollHub",
    "IEndObserver",
    "IHub",
    "MalformedProxyHeader",
    "ProxyHeader",
    "ReactorHub",
    "StreamTransport",
    "Subject",
    "TLSTransport",
    "count_steadily",
    "encode_proxy_header",
    "make_hub",
    "parse_proxy_header",
    "unsent_bytes",
]
