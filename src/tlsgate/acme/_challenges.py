"""
Answers to the CAs' challenges, for all orders together.

http-01 and tls-alpn-01 are published to the data plane as one set, since every worker must answer whatever is live;
dns-01 is made in DNS; what a person does by hand is described as L{Task}s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import DeferredLock
from twisted.logger import Logger

from ..interfaces import ApplyFailed, IDataPlane
from ..sites import Scheme, ServerCertificate, Snapshot
from ..tls import is_address
from ._client import InThread
from ._dns import Records, record_name, record_value, server_of
from ._order import Task
from ._problems import OrderFailed, OrderProblem
from ._temporary import TemporaryListener
from ._tls_alpn import challenge_certificate, challenge_server_name
from ._values import Authorization, Challenge

__all__ = ["Challenges", "Chosen", "choose", "tasks_of"]

HTTP_01: Final = "http-01"
TLS_ALPN_01: Final = "tls-alpn-01"
DNS_01: Final = "dns-01"

#: A name's authorization, and the challenge by which it is to be proven.
Chosen = tuple[Authorization, Challenge]


def choose(authorization: Authorization, kind: str) -> Chosen:
    """
    The challenge by which a name is proven.

    @param kind: the one that is wanted; a wildcard is proven by dns-01 in any case.

    @raise OrderFailed: C{challenge-not-offered}.
    """
    wanted = DNS_01 if authorization.wildcard else kind
    for challenge in authorization.challenges:
        if challenge.kind == wanted and challenge.token:
            return authorization, challenge
    offered = ", ".join(challenge.kind for challenge in authorization.challenges) or "none"
    raise OrderFailed(
        OrderProblem.of("challenge-not-offered", name=authorization.name, said=f"{wanted}; the CA offers {offered}.")
    )


def tasks_of(chosen: Sequence[Chosen]) -> tuple[Task, ...]:
    """
    What a person is to do where the gate cannot be reached.
    """
    tasks = []
    for authorization, challenge in chosen:
        name = authorization.name
        if challenge.kind == HTTP_01:
            host = f"[{name}]" if is_address(name) and ":" in name else name
            path = f"/.well-known/acme-challenge/{challenge.token}"
            url = f"http://{host}{path}"
            tasks.append(Task(name=name, kind=HTTP_01, content=challenge.key_authorization, url=url, path=path))
        elif challenge.kind == DNS_01:
            value = record_value(challenge.key_authorization)
            tasks.append(Task(name=name, kind=DNS_01, content=value, record=record_name(name)))
    return tuple(tasks)


class Challenges:
    """
    What is answered now.

    @ivar listener: for port 80.
    """

    _log = Logger()

    def __init__(
        self,
        *,
        data_plane: IDataPlane,
        snapshot: Callable[[], Snapshot],
        settings: Callable[[], Any],
        listener: TemporaryListener,
        hooks: Path,
        in_thread: InThread,
        wall: Callable[[], float],
    ) -> None:
        """
        @param snapshot: what is served.
        @param settings: the present C{[acme]} table.
        @param hooks: folder of the DNS hooks.
        """
        self.listener = listener
        self._data_plane = data_plane
        self._snapshot = snapshot
        self._settings = settings
        self._hooks = hooks
        self._in_thread = in_thread
        self._wall = wall
        self._lock = DeferredLock()
        self._http: dict[str, dict[bytes, bytes]] = {}
        self._tls: dict[str, dict[str, ServerCertificate]] = {}
        self._records: dict[str, tuple[Records, list[tuple[str, str]]]] = {}
        self._holding: set[str] = set()

    def __repr__(self) -> str:
        live = len(self._http.keys() | self._tls.keys() | self._records.keys())
        return f"<Challenges: of {live} orders, listener on port {self.listener.port or 'none'}>"

    async def present(self, order: str, chosen: Sequence[Chosen], *, by_hand: bool = False) -> float:
        """
        Answer the challenges of an order, until L{withdraw}.

        @param by_hand: a person makes the DNS records.

        @return: seconds to wait until the CA can see them.

        @raise OrderFailed: they cannot be answered; call L{withdraw} all the same.
        """
        self._http[order] = {
            challenge.token.encode("ascii"): challenge.key_authorization.encode("ascii")
            for _, challenge in chosen
            if challenge.kind == HTTP_01
        }
        self._tls[order] = {
            challenge_server_name(authorization.name): challenge_certificate(
                authorization.name, challenge.key_authorization, now=self._wall()
            )
            for authorization, challenge in chosen
            if challenge.kind == TLS_ALPN_01
        }
        if self._http[order]:
            self.hold_port(order)
        await self._publish()
        records = [
            (record_name(authorization.name), record_value(challenge.key_authorization))
            for authorization, challenge in chosen
            if challenge.kind == DNS_01
        ]
        if not records or by_hand:
            return 0.0
        settings = self._settings()
        maker = Records(
            self._hooks,
            hook=settings.dns_hook,
            provider=settings.dns_provider,
            resolver=server_of(settings.dns_resolver),
        )
        made: list[tuple[str, str]] = []
        self._records[order] = (maker, made)
        for name, value in records:
            # Noted first: what was half made is cleaned up too.
            made.append((name, value))
            await self._in_thread(maker.present, name, value)
        wait: float = settings.dns_wait
        return wait

    async def withdraw(self, order: str) -> None:
        """
        Answer the challenges of an order no longer; never fails.
        """
        self._http.pop(order, None)
        self._tls.pop(order, None)
        try:
            await self._publish()
        except OrderFailed as failed:
            self._log.warn("a challenge is still answered: {reason}", reason=failed.problem.said)
        await self.release_port(order)
        maker, made = self._records.pop(order, (None, []))
        for name, value in made:
            try:
                assert maker is not None
                await self._in_thread(maker.cleanup, name, value)
            except OrderFailed as failed:
                self._log.warn("the record {name} was left in DNS: {said}", name=name, said=failed.problem.said)

    async def _publish(self) -> None:
        """
        Give the data plane what is live now; one publication at a time, so that the last one is the newest.
        """
        await self._lock.acquire()
        try:
            http = {token: text for answers in self._http.values() for token, text in answers.items()}
            tls = {name: certificate for answers in self._tls.values() for name, certificate in answers.items()}
            self.listener.set_answers(http)
            await self._data_plane.publish_challenges(http, tls)
        except ApplyFailed as failed:
            raise OrderFailed(OrderProblem.of("challenge-impossible", said=failed.detail)) from failed
        finally:
            self._lock.release()

    async def republish(self) -> None:
        """
        Tell the data plane again, after it began anew.
        """
        await self._publish()

    def reachable(self) -> str:
        """
        How http-01 requests can arrive: C{binding}, C{listener} (it can be opened, or is), C{elsewhere} (a plain binding
        on another port, to which a router may lead) or C{never}.
        """
        if self._is_bound():
            return "binding"
        if self.listener.port:
            return "listener"
        plain = any(binding.scheme is Scheme.HTTP for binding in self._snapshot().bindings)
        return "elsewhere" if plain else "never"

    def _is_bound(self) -> bool:
        wanted: int = self._settings().http_01_port
        ports = self._data_plane.ports()
        return any(
            binding.scheme is Scheme.HTTP and ports.get(binding.name) == wanted for binding in self._snapshot().bindings
        )

    def hold_port(self, holder: str) -> None:
        """
        Open the temporary listener for C{holder} if no binding listens where the CA looks and it may be opened.
        """
        port: int = self._settings().http_01_port
        if holder not in self._holding and port and not self._is_bound() and self.listener.hold(port):
            self._holding.add(holder)

    async def release_port(self, holder: str) -> None:
        """
        C{holder} needs the temporary listener no longer.
        """
        if holder in self._holding:
            self._holding.discard(holder)
            await self.listener.release()

    async def present_probe(self, holder: str, token: bytes, text: bytes) -> None:
        """
        Answer a token of our own, to see whether requests reach us.
        """
        self._http[holder] = {token: text}
        self.hold_port(holder)
        await self._publish()
