"""
What can be known before an order is spent: where the names lead, whether requests reach us, whether CAA allows the CA.

DNS is asked as the CA would ask it: not the hosts file, not a cache of this process.  What cannot be found out is said
and stops nothing; only what the CA would certainly refuse is an error.
"""

from __future__ import annotations

import http.client
import secrets
import socket
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import attrs
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.error import ConnectError, ConnectionDone
from twisted.names import dns
from twisted.names.client import Resolver
from twisted.names.error import DNSServerError, DomainError

from ..problems import Finding, Severity
from ..tls import is_address
from ._challenges import Challenges
from ._client import InThread

__all__ = ["Preflight", "parse_caa"]

# RFC 8659 section 4: the type of CAA records, which the library passes on as it finds it.
CAA: Final = 257

#: Seconds for each try of a query.
QUERY_TIMEOUTS: Final = (1, 3)

#: Seconds for a request to ourselves.
LOOP_TIMEOUT: Final = 4.0

#: Names that are looked at in one order; a CA allows 100.
MAX_NAMES: Final = 100

UNANSWERED: Final = (DeferredTimeout, DNSServerError, ConnectError, ConnectionDone, OSError)


def parse_caa(data: bytes) -> tuple[int, str, str] | None:
    """
    A CAA record's flags, tag (lower case) and value (RFC 8659 section 4.1); C{None} if it is damaged.
    """
    if len(data) < 2 or len(data) < 2 + data[1]:
        return None
    flags, length = struct.unpack_from("!BB", data)
    tag, value = data[2 : 2 + length], data[2 + length :]
    return flags, tag.decode("ascii", "replace").lower(), value.decode("ascii", "replace").strip()


@attrs.define
class Preflight:
    """
    @ivar resolver: address and port of the DNS server; C{None} for the machine's.
    """

    _reactor: Any
    _in_thread: InThread
    _challenges: Challenges
    resolver: Callable[[], tuple[str, int] | None]
    port: Callable[[], int]

    async def findings(self, names: Sequence[str], *, challenge: str, identities: Sequence[str]) -> list[Finding]:
        """
        @param identities: what CAA records call the CA; empty if it does not say.
        """
        found: list[Finding] = []
        for name in names[:MAX_NAMES]:
            bare = name.removeprefix("*.")
            if not is_address(bare):
                found += [finding async for finding in self._of_caa(name, identities)]
            if challenge != "dns-01" and not name.startswith("*."):
                found += [finding async for finding in self._of_addresses(bare, challenge)]
        return found

    # -- where a name leads

    async def _of_addresses(self, name: str, challenge: str) -> AsyncIterator[Finding]:
        addresses = [name]
        if not is_address(name):
            answers = [await self._query(name, kind) for kind in (dns.A, dns.AAAA)]
            if any(answer is None for answer in answers):
                yield Finding(
                    "dns-unanswered",
                    Severity.INFO,
                    f"DNS did not answer for {name} here, so nothing is known about where the CA will look.",
                )
                return
            addresses = [text for answer in answers for text in answer or ()]
            if not addresses:
                yield Finding(
                    "name-unknown",
                    Severity.WARNING,
                    f"{name} has no address in DNS as seen from here; unless the CA sees it, add an A or AAAA record.",
                )
                return
        elsewhere = [address for address in addresses if not await self._in_thread(_is_ours, address)]
        if challenge == "http-01":
            async for finding in self._of_loop(name, addresses):
                yield finding
        elif elsewhere:
            yield Finding(
                "name-elsewhere",
                Severity.WARNING,
                f"{name} leads to {', '.join(elsewhere)}, which is no address of this machine; that is right only if "
                "a router there passes connections on to this gate.",
            )

    async def _of_loop(self, name: str, addresses: Sequence[str]) -> AsyncIterator[Finding]:
        """
        Ask ourselves over each address, as the CA would.
        """
        port = self.port()
        if not port:
            return
        token, text = secrets.token_urlsafe(16).encode(), secrets.token_urlsafe(32).encode()
        holder = f"preflight-{token.decode()}"
        try:
            await self._challenges.present_probe(holder, token, text)
            for address in addresses:
                said = await self._in_thread(_ask, address, port, name, token, text)
                if said:
                    yield Finding(
                        "port-80-unreachable",
                        Severity.WARNING,
                        f"A request for {name} at {address} port {port} does not reach this gate from here ({said}); "
                        "the CA may fare better if a router does not let this machine reach its own public address.",
                    )
        finally:
            await self._challenges.withdraw(holder)

    # -- CAA

    async def _of_caa(self, name: str, identities: Sequence[str]) -> AsyncIterator[Finding]:
        """
        The first name from C{name} upwards that has CAA records decides (RFC 8659 section 3).
        """
        labels = name.removeprefix("*.").split(".")
        for index in range(len(labels)):
            domain = ".".join(labels[index:])
            records = await self._query(domain, CAA)
            if records is None:
                yield Finding(
                    "dns-unanswered", Severity.INFO, f"DNS did not answer here for the CAA records of {domain}."
                )
                return
            if records:
                finding = _judge(name, domain, records, identities)
                if finding is not None:
                    yield finding
                return

    async def _query(self, name: str, kind: int) -> list[Any] | None:
        """
        Texts of addresses, or parsed CAA records; C{None} if DNS did not answer.
        """
        at = self.resolver()
        make: Any = Resolver  # The library's calls have no types.
        servers = make(servers=_system_servers() if at is None else [at], reactor=self._reactor)
        try:
            message = await servers.queryUDP([dns.Query(name.encode("ascii"), kind, dns.IN)], QUERY_TIMEOUTS)
            if message.trunc:
                message = await servers.queryTCP([dns.Query(name.encode("ascii"), kind, dns.IN)], 5)
        except DomainError:
            return []
        except UNANSWERED:
            return None
        if message.rCode not in (dns.OK, dns.ENAME):
            return None
        payloads = [record.payload for record in message.answers if record.type == kind]
        if kind == CAA:
            return [one for one in (parse_caa(payload.data) for payload in payloads) if one is not None]
        return [payload.dottedQuad() if kind == dns.A else _ipv6(payload) for payload in payloads]


def _system_servers() -> list[tuple[str, int]]:
    """
    The machine's DNS servers; the library's own reader goes on looking at the file for ever.
    """
    try:
        lines = Path("/etc/resolv.conf").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        lines = []
    words = [line.split() for line in lines]
    found = [(line[1], 53) for line in words if len(line) > 1 and line[0] == "nameserver" and ":" not in line[1]]
    return found[:3] or [("127.0.0.1", 53)]


def _ipv6(payload: Any) -> str:
    return socket.inet_ntop(socket.AF_INET6, payload.address)


def _judge(
    name: str, domain: str, records: Sequence[tuple[int, str, str]], identities: Sequence[str]
) -> Finding | None:
    issue = [value for _, tag, value in records if tag == "issue"]
    wild = [value for _, tag, value in records if tag == "issuewild"]
    ruling = wild if name.startswith("*.") and wild else issue
    if not ruling or not identities:
        return None
    allowed = {value.partition(";")[0].strip().lower() for value in ruling} - {""}
    if allowed & {identity.lower() for identity in identities}:
        return None
    listed = ", ".join(sorted(allowed)) or "no CA at all"
    return Finding(
        "caa-forbids",
        Severity.ERROR,
        f"The CAA records of {domain} let {listed} issue for {name}, but not {identities[0]}; add a record "
        f'"{domain}. CAA 0 issue {identities[0]}", or order at a CA that they name.',
    )


def _is_ours(address: str) -> bool:
    """
    Is this an address of this machine?  Only such can be bound.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as found:
            found.bind((address, 0))
    except OSError:
        return False
    return True


def _ask(address: str, port: int, name: str, token: bytes, text: bytes) -> str:
    """
    Request a token of our own as a CA would.

    @return: what went wrong; empty if the answer is ours.
    """
    path = f"/.well-known/acme-challenge/{token.decode()}"
    try:
        with closing(http.client.HTTPConnection(address, port, timeout=LOOP_TIMEOUT)) as connection:
            connection.request("GET", path, headers={"Host": name if port == 80 else f"{name}:{port}"})
            response = connection.getresponse()
            content = response.read(4096)
    except (OSError, http.client.HTTPException) as error:
        return str(getattr(error, "strerror", "") or error or type(error).__name__)
    if response.status != 200:
        return f"something answers with status {response.status}"
    return "" if content.strip() == text else "something else answers"
