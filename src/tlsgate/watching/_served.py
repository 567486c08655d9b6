"""
What is served, not what is stored: every https binding is met by a handshake of our own, once a minute and after each
change.

A round meets each binding without a name, which is its default certificate, and then certificates under their first
names, at most L{MOST} in a round; where there are more, the next round goes on with the next.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs

from ..certificates import EXPIRING, timestamp
from ..changes import Target, target_of
from ..problems import Finding, Severity
from ..sites import Binding, Scheme, ServerCertificate, Snapshot
from ..tls import CertificateSelector, is_address
from ._handshake import Seen, look

if TYPE_CHECKING:
    from ..changes import Changes

__all__ = ["Served", "ServedWatch"]

#: Handshakes of one round with one binding.
MOST: Final = 50

#: Seconds for each step of a handshake.
TIMEOUT: Final = 5.0

#: After so many failures in a row, a binding is left alone until the next round.
PATIENCE: Final = 3

DAY: Final = 86400.0


@attrs.frozen(kw_only=True)
class Served:
    """
    What a binding serves under a name.

    @ivar server_name: that was asked for; empty for none.
    @ivar intended: fingerprints of the certificates that should answer.
    @ivar name: of the certificate that answered; C{-} for one that is not known here.
    """

    binding: str
    server_name: str
    intended: frozenset[str]
    seen: Seen
    name: str


class ServedWatch:
    """
    Looks at what is served.

    @ivar rows: by binding and server name, what the latest handshake showed.
    """

    def __init__(
        self,
        *,
        ports: Callable[[], Mapping[str, int]],
        in_thread: Callable[..., Awaitable[Any]],
        wall: Callable[[], float],
        look: Callable[[Target, str, float], Seen] = look,
    ) -> None:
        """
        @param ports: the port that each binding listens on, by name.
        @param in_thread: runs what blocks.
        @param wall: Unix time.
        @param look: shakes hands; see L{_handshake.look}.
        """
        self.rows: dict[tuple[str, str], Served] = {}
        self._ports = ports
        self._in_thread = in_thread
        self._wall = wall
        self._look = look
        self._place = 0
        self._running = False

    def __repr__(self) -> str:
        return f"<ServedWatch [{len(self.rows)} looked at]>"

    async def round(self, changes: Changes) -> None:
        """
        Look at every binding once.  A round that overlaps another is left out.
        """
        if self._running:
            return
        self._running = True
        try:
            snapshot = changes.snapshot
            plan = self._plan(snapshot)
            rows: dict[tuple[str, str], Served] = await self._in_thread(self._walk, plan, snapshot.certificates)
            if changes.snapshot.generation == snapshot.generation:
                wanted = {(binding.name, name) for binding, _, name, _ in plan} if self._is_whole(snapshot) else None
                self.rows = {
                    key: row
                    for key, row in {**self.rows, **rows}.items()
                    if (wanted is None or key in wanted) and self._is_current(row, snapshot)
                }
        finally:
            self._running = False

    def findings(self) -> Iterator[Finding]:
        """
        What is wrong with what is served.
        """
        now = self._wall()
        for row in self.rows.values():
            about = f"{row.binding} {row.server_name}".strip()
            where = f"Over binding {row.binding}, " + (f"for {row.server_name}, " if row.server_name else "")
            if row.seen.fault:
                message = f"{where}no certificate is served: {row.seen.fault}."
                yield Finding("served-nothing", Severity.ERROR, message, subject=about)
            elif row.seen.fingerprint not in row.intended:
                yield Finding(
                    "served-other",
                    Severity.ERROR,
                    f"{where}certificate {row.seen.fingerprint[:16]}… is served, which is not the one that the settings "
                    "say; something else listens there, or a worker did not take the change: restart the gate.",
                    subject=about,
                )
            elif row.seen.not_after <= now:
                yield Finding(
                    "served-expired",
                    Severity.ERROR,
                    f"{where}certificate {row.name} is served, which expired at {timestamp(row.seen.not_after)}; "
                    "renew it.",
                )
            elif row.seen.not_after - now <= EXPIRING:
                days = int((row.seen.not_after - now) // DAY)
                yield Finding(
                    "served-expiring",
                    Severity.WARNING,
                    f"{where}certificate {row.name} is served, which expires in {days} days; renew it.",
                )

    def not_after(self) -> dict[tuple[str, str], float]:
        """
        When what is served ends, Unix time by the names of binding and certificate.
        """
        return {(row.binding, row.name): row.seen.not_after for row in self.rows.values() if not row.seen.fault}

    def _is_whole(self, snapshot: Snapshot) -> bool:
        return len(snapshot.certificates) < MOST

    @staticmethod
    def _is_current(row: Served, snapshot: Snapshot) -> bool:
        return any(binding.name == row.binding for binding in snapshot.bindings)

    def _plan(self, snapshot: Snapshot) -> list[tuple[Binding, Target, str, frozenset[str]]]:
        """
        Whom to meet, under which name, and who should answer.
        """
        ports = self._ports()
        names = self._names(snapshot)
        plan = []
        for binding in snapshot.bindings:
            # A PROXY header would be needed, and who may send one is not for the gate to say.
            if binding.scheme is not Scheme.HTTPS or binding.proxy_protocol:
                continue
            target = target_of(binding.endpoint, ports.get(binding.name, 0))
            if target is None:
                continue
            selector = CertificateSelector(
                snapshot.certificates,
                default=binding.default_certificate,
                strict=binding.strict_sni,
                profile=binding.tls_profile,
                clock=self._wall,
            )
            for name in ("", *names):
                chosen = selector.explain(name or None).names
                if chosen:
                    prints = frozenset(snapshot.certificates[each].fingerprint for each in chosen)
                    plan.append((binding, target, name, prints))
        return plan

    def _names(self, snapshot: Snapshot) -> list[str]:
        """
        A name of each certificate; of many certificates, those whose turn it is.
        """
        certificates = list(snapshot.certificates.values())
        if len(certificates) >= MOST:
            begin = self._place % len(certificates)
            self._place = begin + MOST
            certificates = (certificates[begin:] + certificates[:begin])[:MOST]
        names = (next((each for each in one.names if not is_address(each)), "") for one in certificates)
        shown = ("tlsgate-probe" + name[1:] if name.startswith("*.") else name for name in names)
        return list(dict.fromkeys(name for name in shown if name))

    def _walk(
        self,
        plan: list[tuple[Binding, Target, str, frozenset[str]]],
        certificates: Mapping[str, ServerCertificate],
    ) -> dict[tuple[str, str], Served]:
        """
        Shake hands, blocking.
        """
        names = {each.fingerprint: name for name, each in certificates.items()}
        failed: dict[str, int] = {}
        rows = {}
        for binding, target, server_name, intended in plan:
            if failed.get(binding.name, 0) >= PATIENCE:
                continue
            seen = self._look(target, server_name, TIMEOUT)
            failed[binding.name] = failed.get(binding.name, 0) + 1 if seen.fault else 0
            rows[binding.name, server_name] = Served(
                binding=binding.name,
                server_name=server_name,
                intended=intended,
                seen=seen,
                name=names.get(seen.fingerprint, "-"),
            )
        return rows
