"""
OCSP responses for the handshake: fetched where a certificate names a responder, refreshed at half their life, and no
longer sent once they end.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs
from twisted.logger import Logger

from ..certificates import OCSPRefused, Question, Response, question_of, read_response
from ..problems import Finding, Problem, Severity
from ..sites import ServerCertificate

if TYPE_CHECKING:
    from ..changes import Changes

__all__ = ["Stapling", "fetch_over_http"]

#: Seconds until a responder is asked again after a failure, the first time and at most.
RETRY: Final = 300.0
LONGEST_RETRY: Final = 6 * 3600.0

#: Responders asked in one round; a round is a minute.
MOST: Final = 20

TIMEOUT: Final = 10.0
LARGEST: Final = 64 * 1024

Fetch = Callable[[str, bytes], Awaitable[bytes]]


@attrs.define
class _Held:
    """
    What is known of one certificate.

    @ivar question: C{None} for one that needs no response.
    @ivar next: when to ask again, Unix time.
    """

    name: str
    question: Question | None
    response: Response | None = None
    next: float = 0.0
    failures: int = 0
    fault: str = ""
    revoked: bool = False


class Stapling:
    """
    Keeps the responses of all certificates that are served.
    """

    _log = Logger()

    def __init__(self, *, wall: Callable[[], float], fetch: Fetch, in_thread: Callable[..., Awaitable[Any]]) -> None:
        """
        @param wall: Unix time.
        @param in_thread: runs what blocks.
        @param fetch: sends a request (DER) to a URL and gives what came back; see L{fetch_over_http}.
        """
        self._wall = wall
        self._fetch = fetch
        self._in_thread = in_thread
        self._held: dict[str, _Held] = {}
        self._published: dict[str, bytes] = {}
        self._running = False

    def __repr__(self) -> str:
        return f"<Stapling [{len(self._published)} of {len(self._held)} certificates]>"

    async def round(self, changes: Changes) -> None:
        """
        Ask for what is due, and have it served.
        """
        if self._running:
            return
        self._running = True
        try:
            self._held = await self._in_thread(self._look, changes.snapshot.certificates)
            now = self._wall()
            due = [held for held in self._held.values() if held.question is not None and held.next <= now]
            for held in due[:MOST]:
                await self._ask(held)
            await self._publish(changes)
        finally:
            self._running = False

    def _look(self, certificates: Mapping[str, ServerCertificate]) -> dict[str, _Held]:
        """
        What is known of each certificate; new ones are parsed, which takes seconds where there are thousands.
        """
        return {
            each.fingerprint: self._held.get(each.fingerprint) or _Held(name, question_of(each))
            for name, each in certificates.items()
        }

    async def _ask(self, held: _Held) -> None:
        assert held.question is not None
        try:
            der = await self._fetch(held.question.url, held.question.request)
            held.response = read_response(held.question, der, self._wall())
        except (OCSPRefused, OSError) as error:
            held.failures += 1
            held.fault = str(error)
            held.revoked = isinstance(error, OCSPRefused) and error.revoked
            if held.revoked:
                held.response = None
            held.next = self._wall() + min(RETRY * 2 ** (held.failures - 1), LONGEST_RETRY)
            self._log.warn("No OCSP response for certificate {name}: {why}", name=held.name, why=held.fault)
        else:
            held.failures, held.fault, held.revoked = 0, "", False
            held.next = held.response.refresh_at

    async def _publish(self, changes: Changes) -> None:
        now = self._wall()
        staples = {
            fingerprint: held.response.der
            for fingerprint, held in self._held.items()
            if held.response is not None and held.response.ends_at > now
        }
        if staples == self._published:
            return
        try:
            await changes.staple(staples)
        except Problem as problem:
            self._log.error("OCSP responses cannot be served: {why}", why=problem.detail)
        else:
            self._published = staples

    def findings(self) -> Iterator[Finding]:
        """
        What is wrong with responses.
        """
        for held in self._held.values():
            if held.revoked:
                yield Finding(
                    "certificate-revoked",
                    Severity.ERROR,
                    f"The CA has revoked certificate {held.name}; clients refuse it: get another one now.",
                    subject=held.name,
                )
            elif held.fault and held.response is None:
                yield Finding(
                    "staple-missing",
                    Severity.INFO,
                    f"There is no OCSP response to staple for certificate {held.name}: {held.fault}.",
                )


def fetch_over_http(reactor: Any) -> Fetch:
    """
    Ask over HTTP (RFC 6960 §A.1).

    @return: raises L{OSError} if nothing usable came back.
    """

    async def fetch(url: str, request: bytes) -> bytes:
        import treq  # noqa: PLC0415 - imports the reactor
        from twisted.web.client import Agent, HTTPConnectionPool  # noqa: PLC0415 - likewise
        from twisted.web.http_headers import Headers  # noqa: PLC0415 - likewise

        pool = HTTPConnectionPool(reactor, False)  # type: ignore[no-untyped-call]  # Twisted has no types here
        agent = Agent(reactor, connectTimeout=TIMEOUT, pool=pool)  # type: ignore[no-untyped-call]  # likewise
        client = treq.client.HTTPClient(agent)
        received = bytearray()

        def collect(part: bytes) -> None:
            received.extend(part)
            if len(received) > LARGEST:
                raise OSError("the answer is larger than 64 KiB")

        try:
            response = await client.post(
                url, data=request, headers=Headers({"Content-Type": ["application/ocsp-request"]}), timeout=TIMEOUT
            )
            if response.code != 200:
                raise OSError(f"{url} answers {response.code}")
            await treq.collect(response, collect)
        except OSError:
            raise
        except Exception as error:  # what a client can raise has no common base
            raise OSError(f"{url} cannot be asked ({type(error).__name__})") from error
        return bytes(received)

    return fetch
