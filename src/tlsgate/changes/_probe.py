"""
Walking into the gate as a client would, before a change is final.

A path is walked step by step: C{tcp}, C{handshake}, C{certificate} (is it one that the change meant?), and, where a site
begins to insist on HTTPS, C{http}, C{upstream} and C{loop} with a C{HEAD /}.  A step that failed before the change is not
held against it, and neither is an upstream that is merely slow.
"""

from __future__ import annotations

import hashlib
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any, Final

from zope.interface import Interface, implementer

from ..problems import Problem
from ._client import Target, connect, target_of, unverified_context
from ._coverage import redirects
from ._paths import Path

__all__ = ["IProbe", "Probe", "walk"]

TIMEOUT: Final = 5.0
LONGEST_HEAD: Final = 64 * 1024
STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9]) ")
LOCATION: Final = re.compile(rb"\r\nlocation: *http://([^/?#\r]*)", re.IGNORECASE)

SENTENCES: Final[dict[str, str]] = {
    "tcp": "no connection can be made to it",
    "handshake": "the TLS handshake fails",
    "certificate": "another certificate answers",
    "http": "a request gets no answer",
    "upstream": "the upstream does not answer a request",
    "loop": "the upstream redirects HTTPS back to HTTP, so browsers would go in circles",
}


class IProbe(Interface):
    """
    Proves that ways into the gate are open.
    """

    async def failing(paths: Sequence[Path]) -> Mapping[Path, str]:
        """
        The step at which paths fail now, before a change, whichever certificate answers.
        """

    async def prove(paths: Sequence[Path], already: Mapping[Path, str]) -> None:
        """
        Walk paths after a change.

        @param already: the steps that failed before.

        @raise Problem: C{would-lock-out}, with the C{step} that fails.
        """


@implementer(IProbe)
class Probe:
    """
    Connects to this machine's own listeners, in a thread.
    """

    def __init__(
        self, ports: Callable[[], Mapping[str, int]], in_thread: Callable[..., Awaitable[Any]], timeout: float = TIMEOUT
    ) -> None:
        """
        @param ports: the port that each binding listens on, by name, as L{IDataPlane.ports}.
        @param timeout: of each step, seconds.
        """
        self._ports = ports
        self._in_thread = in_thread
        self._timeout = timeout

    async def failing(self, paths: Sequence[Path]) -> Mapping[Path, str]:
        """
        As L{IProbe.failing}.
        """
        failing: dict[Path, str] = {}
        for path in paths:
            step = await self._walk(path, any_certificate=True)
            if step:
                failing[path] = step
        return failing

    async def prove(self, paths: Sequence[Path], already: Mapping[Path, str]) -> None:
        """
        As L{IProbe.prove}.
        """
        for path in paths:
            step = await self._walk(path, any_certificate=False)
            if step and step != already.get(path):
                name = path.server_name or "other names"
                raise Problem(
                    "would-lock-out",
                    f"Over binding {path.binding.name}, {SENTENCES[step]} for {name} (site {path.site.name}); "
                    f"the change was taken back. force={path.site.name} overrides.",
                    step=step,
                    object=path.site.name,
                )

    async def _walk(self, path: Path, *, any_certificate: bool) -> str:
        target = target_of(path.binding.endpoint, self._ports().get(path.binding.name, 0))
        if target is None:
            return ""
        step: str = await self._in_thread(walk, path, target, self._timeout, any_certificate)
        return step


def walk(path: Path, target: Target, timeout: float, any_certificate: bool) -> str:
    """
    Walk a path, blocking.

    @param timeout: of each step, seconds.
    @param any_certificate: take whichever certificate answers.

    @return: the step that failed; empty if none did.
    """
    try:
        connection = connect(target, timeout)
    except OSError:
        return "tcp"
    with connection:
        try:
            secured = unverified_context().wrap_socket(connection, server_hostname=path.server_name or None)
        except (OSError, ValueError):
            return "handshake"
        with secured:
            leaf = secured.getpeercert(binary_form=True) or b""
            if not any_certificate and hashlib.sha256(leaf).hexdigest() not in path.fingerprints:
                return "certificate"
            return _request(secured, path) if path.through else ""


def _request(secured: ssl.SSLSocket, path: Path) -> str:
    """
    Send C{HEAD /} and judge the answer.
    """
    host = (path.server_name or _any_host(path)).encode("ascii")
    head = b""
    try:
        secured.sendall(
            b"HEAD / HTTP/1.1\r\nHost: %b\r\nUser-Agent: tlsgate-probe\r\nAccept: */*\r\nConnection: close\r\n\r\n"
            % host
        )
        while b"\r\n\r\n" not in head and len(head) < LONGEST_HEAD:
            received = secured.recv(16 * 1024)
            if not received:
                break
            head += received
    except TimeoutError:
        return ""
    except OSError:
        return "http"
    found = STATUS_LINE.match(head)
    if found is None:
        return "http"
    if found[1] in (b"502", b"503", b"504"):
        return "upstream"
    location = LOCATION.search(head)
    loops = found[1][:1] == b"3" and location is not None and location[1].partition(b":")[0].lower() == host
    return "loop" if loops and redirects(path.site) else ""


def _any_host(path: Path) -> str:
    """
    A host that the site answers for: its first address, else C{localhost} for a site of all others.
    """
    for host in path.site.hosts:
        try:
            return f"[{host}]" if ip_address(host).version == 6 else host
        except ValueError:
            continue
    return "localhost"
