"""
The first generation of an empty store: HTTPS answers at once, under a certificate of our own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ..certificates import self_signed
from ..settings import Document, Generation, StoredCertificate, default_document
from ..tls import normalise

__all__ = ["first_generation"]

LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
LIFETIME_DAYS: Final = 397


def first_generation(document: Document | None, now: float, names: Iterable[str]) -> Generation:
    """
    Generation 1.

    @param document: of C{--initial}; C{None} for the default one.
    @param now: Unix time.
    @param names: the machine's host names and addresses; what cannot be in a certificate is left out.
    """
    known = [name for name in map(normalise, names) if name]
    certificate = self_signed("default", list(dict.fromkeys([*LOOPBACK, *known])), days=LIFETIME_DAYS, now=now)
    return Generation(
        number=1,
        parent=0,
        time=now,
        author="gate",
        reason="first start",
        summary=("First settings, with a self-signed certificate.",),
        document=default_document() if document is None else document,
        certificates={"default": StoredCertificate(certificate=certificate, source="self-signed", added_at=now)},
    )
