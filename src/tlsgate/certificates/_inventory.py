"""
All certificates at a glance, and which of them must be spoken of today.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import attrs
from cryptography import x509

from ..sites import ServerCertificate, Snapshot
from ..tls import matches
from ._chain import Roots
from ._inspect import DAY, Inspection, inspect

__all__ = ["THRESHOLDS", "Inventory", "reached_threshold", "used_by"]

#: Days before its end at which a certificate is spoken of, each louder than the one before; 0 is the end itself.
THRESHOLDS: Final = (30, 14, 7, 1, 0)


def reached_threshold(certificate: ServerCertificate, now: float) -> int | None:
    """
    The nearest threshold that a certificate has passed.

    @param now: Unix time.

    @return: one of L{THRESHOLDS}, or L{None} while it is far from its end.
    """
    left = (certificate.not_after - now) / DAY
    passed = [days for days in THRESHOLDS if left <= days]
    return min(passed, default=None)


def used_by(certificate: ServerCertificate, snapshot: Snapshot) -> tuple[str, ...]:
    """
    What would miss a certificate: bindings that have it as their default, and sites with a host that it covers.
    """
    users = [f"binding {each.name}" for each in snapshot.bindings if each.default_certificate == certificate.name]
    for site in snapshot.sites:
        if any(matches(name, host) or name == host for name in certificate.names for host in site.hosts):
            users.append(f"site {site.name}")
    return tuple(users)


@attrs.frozen
class Inventory:
    """
    Every certificate of a generation.

    @ivar rows: in the order of their names.
    """

    rows: tuple[Inspection, ...]

    @classmethod
    def of(
        cls,
        snapshot: Snapshot,
        *,
        now: float,
        sources: Mapping[str, str] | None = None,
        roots: Roots | None = None,
        intermediates: Sequence[x509.Certificate] = (),
    ) -> Inventory:
        """
        Look at everything that a snapshot serves.

        @param now: Unix time.
        @param sources: where each certificate came from, by its name; C{upload} where nothing is said.
        """
        sources = sources or {}
        return cls(
            tuple(
                inspect(
                    certificate,
                    now=now,
                    roots=roots,
                    used_by=used_by(certificate, snapshot),
                    source=sources.get(name, "upload"),
                    intermediates=intermediates,
                )
                for name, certificate in sorted(snapshot.certificates.items())
            )
        )

    def ending(self, states: Collection[str] = ("expiring", "expired")) -> Iterable[Inspection]:
        """
        Those that need somebody's attention, the most urgent first.
        """
        return sorted((row for row in self.rows if row.state in states), key=lambda row: row.not_after)
