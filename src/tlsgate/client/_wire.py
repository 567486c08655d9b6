"""
How requests get to the gate: agents, contents, and what can go wrong on the way.  The untyped parts of twisted.web
that the room uses stand here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import treq
from OpenSSL import SSL, crypto
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.error import ConnectError, ConnectionClosed, DNSLookupError, VerifyError
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.interfaces import IConsumer, IStreamClientEndpoint
from twisted.internet.ssl import (
    Certificate,
    KeyPair,
    PrivateCertificate,
    optionsForClientTLS,
    platformTrust,
    trustRootFromCertificates,
)
from twisted.web.client import (
    URI,
    Agent,
    BrowserLikePolicyForHTTPS,
    HTTPConnectionPool,
    RequestTransmissionFailed,
    ResponseFailed,
    ResponseNeverReceived,
)
from twisted.web.iweb import IAgent, IAgentEndpointFactory, IBodyProducer, IPolicyForHTTPS, IResponse
from zope.interface import implementer

__all__ = [
    "CALL_TIMEOUT",
    "UNREACHABLE",
    "Content",
    "Unreachable",
    "encoded",
    "https_agent",
    "read",
    "reason_of",
    "socket_agent",
]

CONNECT_TIMEOUT: Final = 10.0

#: Seconds for a whole call: a change waits for every worker, and is probed first.
CALL_TIMEOUT: Final = 120.0

#: Bytes of an answer that are kept; more is not the admin API.
MAX_ANSWER: Final = 64 * 1024 * 1024

CERTIFICATE: Final = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)

#: What says that nobody answered.
UNREACHABLE: Final = (
    ConnectError,
    ConnectionClosed,
    ConnectTimeout,
    DNSLookupError,
    ResponseNeverReceived,
    ResponseFailed,
    RequestTransmissionFailed,
    CancelledError,
)


class Unreachable(Exception):
    """
    There is no gate to ask, or its certificate is not trusted.
    """


def socket_agent(reactor: Any, path: Path) -> IAgent:
    """
    Makes requests through a UNIX socket, whatever their URL.
    """
    endpoints = _SocketEndpoints(reactor, path)
    agent: IAgent = Agent.usingEndpointFactory(reactor, endpoints, pool=_pool(reactor))  # type: ignore[no-untyped-call]  # twisted.web has no types here
    return agent


def https_agent(reactor: Any, url: str, trusted: bytes | None, identity: bytes | None = None) -> IAgent:
    """
    Makes requests over HTTPS, certificates verified.

    @param url: where to; only checked.
    @param trusted: PEM certificates of the CAs to trust; C{None} for the system's.
    @param identity: client certificate, its chain and its key, PEM; C{None} for none.

    @raise ValueError: the URL is not https, or C{trusted} or C{identity} does not hold what it should.
    """
    if not url.startswith("https://"):
        raise ValueError(f"{url} does not begin with https://")
    root = None
    if trusted is not None:
        found = [Certificate.loadPEM(pem) for pem in CERTIFICATE.findall(trusted)]
        if not found:
            raise ValueError("there is no PEM certificate to trust")
        root = trustRootFromCertificates(found)  # type: ignore[no-untyped-call]  # Twisted has no types here
    policy: Any = BrowserLikePolicyForHTTPS(root)  # type: ignore[no-untyped-call]  # twisted.web has no types here
    if identity is not None:
        policy = _ShowingPolicy(root, identity)
    return Agent(reactor, policy, connectTimeout=CONNECT_TIMEOUT, pool=_pool(reactor))  # type: ignore[no-untyped-call]  # twisted.web has no types here


@implementer(IPolicyForHTTPS)
class _ShowingPolicy:
    """
    Verifies the server, and shows it a certificate.
    """

    def __init__(self, root: Any, identity: bytes) -> None:
        """
        @raise ValueError: there is no certificate and key that fit together.
        """
        self._root = platformTrust() if root is None else root  # type: ignore[no-untyped-call]  # Twisted has no types here
        try:
            leaf, *chain = [Certificate.loadPEM(pem) for pem in CERTIFICATE.findall(identity)]
            key = KeyPair.load(identity, crypto.FILETYPE_PEM)
            self._own = PrivateCertificate.fromCertificateAndKeyPair(leaf, key)  # type: ignore[no-untyped-call]  # likewise
            self._chain = [certificate.original for certificate in chain]
            self.creatorForNetloc(b"localhost", 443)
        except (ValueError, TypeError, SSL.Error, crypto.Error, VerifyError) as error:
            raise ValueError("the client certificate and its key are not PEM, or do not fit") from error

    def creatorForNetloc(self, hostname: bytes, port: int) -> Any:
        """
        As L{IPolicyForHTTPS.creatorForNetloc}.
        """
        return optionsForClientTLS(
            hostname.decode("ascii"),
            trustRoot=self._root,
            clientCertificate=self._own,
            extraCertificateOptions={"extraCertChain": self._chain},
        )


def _pool(reactor: Any) -> HTTPConnectionPool:
    # A connection for each call: a confirmation must come over one that was made after the change.
    return HTTPConnectionPool(reactor, persistent=False)  # type: ignore[no-untyped-call]  # twisted.web has no types here


@implementer(IAgentEndpointFactory)
class _SocketEndpoints:
    """
    Leads to one UNIX socket.
    """

    def __init__(self, reactor: Any, path: Path) -> None:
        self._reactor = reactor
        self._path = str(path)

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """
        As L{IAgentEndpointFactory.endpointForURI}.
        """
        return UNIXClientEndpoint(self._reactor, self._path, timeout=CONNECT_TIMEOUT)  # type: ignore[no-untyped-call]  # Twisted has no types here


@implementer(IBodyProducer)
class Content:
    """
    Content that is in memory already; written in one go, so that it needs no clock.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.length = len(content)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        """
        As L{IBodyProducer.startProducing}.
        """
        consumer.write(self._content)
        return succeed(None)

    def pauseProducing(self) -> None:
        """
        All was written.
        """

    def resumeProducing(self) -> None:
        """
        All was written.
        """

    def stopProducing(self) -> None:
        """
        All was written.
        """


def encoded(form: Mapping[str, bytes | str]) -> tuple[str, bytes]:
    """
    Content type and content of a form (RFC 7578).

    @param form: a value of bytes is a file.
    """
    boundary = uuid4().hex
    content = b""
    for name, value in form.items():
        content += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'.encode()
        if isinstance(value, bytes):
            content += f'; filename="{name}"\r\nContent-Type: application/octet-stream'.encode()
        content += b"\r\n\r\n" + (value if isinstance(value, bytes) else value.encode()) + b"\r\n"
    return f"multipart/form-data; boundary={boundary}", content + f"--{boundary}--\r\n".encode()


async def read(response: IResponse) -> bytes:
    """
    The content of an answer.
    """
    received = bytearray()

    def collect(data: bytes) -> None:
        received.extend(data[: MAX_ANSWER - len(received)])

    await treq.collect(response, collect)
    return bytes(received)


def reason_of(error: BaseException) -> str:
    """
    One line about what went wrong on the way.
    """
    inner = getattr(error, "reasons", None)
    if inner:
        return " ".join(dict.fromkeys(reason_of(failure.value) for failure in inner))
    if isinstance(error, CancelledError):
        return f"no answer within {CALL_TIMEOUT:.0f} seconds."
    if isinstance(error, ConnectTimeout):
        return f"no connection within {CONNECT_TIMEOUT:.0f} seconds."
    told = str(error)
    if "certificate verify failed" in told:
        return "its certificate is not trusted; name the CA with --cacert (STATE/admin-ca.pem on the gate's machine)."
    if "alert certificate required" in told or "alert handshake failure" in told:
        return "it wants a client certificate; name one with --client-certificate."
    return " ".join(told.split()) or type(error).__name__
