"""
What is left under a CA's rate limits, from our own record of orders and failures.

A CA tells of its limits only when they are reached; ours are those that Let's Encrypt documents.  The record outlives
restarts, so that a gate that starts again and again does not order again and again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import attrs

from ..problems import Finding, Severity
from ..settings import write_private
from ._files import private_folder, read_json

__all__ = ["LIMITS", "Budget", "Limits"]

HOUR: Final = 3600.0
WEEK: Final = 7 * 86400.0

#: Rows kept: far more than any limit here looks back at.
KEPT: Final = 5000


@attrs.frozen(kw_only=True)
class Limits:
    """
    Counts, each within its time.

    @ivar orders: of one account in three hours.
    @ivar same_names: certificates for exactly the same names in a week.
    @ivar domain: certificates for names under one registered domain in a week.
    @ivar failures: failed validations of one name in an hour.
    """

    orders: int = 300
    same_names: int = 5
    domain: int = 50
    failures: int = 5


#: By the host of the directory; a CA that is not listed is not judged.
LIMITS: Final[Mapping[str, Limits]] = {"acme-v02.api.letsencrypt.org": Limits()}


@attrs.frozen
class _Row:
    time: float
    host: str
    what: str
    names: tuple[str, ...]


class Budget:
    """
    The record.  L{load} and the writing of L{content} block.

    @ivar path: of its file.
    """

    def __init__(self, path: Path, limits: Mapping[str, Limits] = LIMITS) -> None:
        self.path = path
        self._limits = limits
        self._rows: list[_Row] = []

    def load(self) -> None:
        """
        Read what earlier runs noted; a damaged file is as good as none.
        """
        try:
            rows: list[Any] = (read_json(self.path) or {}).get("rows", [])
            self._rows = [_Row(float(at), str(host), str(what), tuple(names)) for at, host, what, names in rows]
        except (TypeError, ValueError):
            self._rows = []

    def save(self, content: bytes) -> None:
        """
        @raise OSError: what was saved before stands.
        """
        private_folder(self.path.parent)
        write_private(self.path, content)

    def content(self) -> bytes:
        """
        The record as its file holds it.
        """
        rows = [[row.time, row.host, row.what, list(row.names)] for row in self._rows[-KEPT:]]
        return json.dumps({"rows": rows}).encode()

    def note(self, directory: str, what: str, names: Sequence[str], now: float) -> None:
        """
        @param what: C{order} (one was sent), C{issued}, or C{failed} (the names could not be proven).
        """
        self._rows.append(_Row(now, _host(directory), what, tuple(sorted(names))))
        del self._rows[:-KEPT]

    def findings(self, directory: str, names: Sequence[str], now: float) -> Iterator[Finding]:
        """
        What an order for these names would meet; an error says that it would be refused.
        """
        host = _host(directory)
        limits = self._limits.get(host)
        if limits is None:
            return
        # Rows from the future, after the clock was set back, count: refusing is cheaper than being refused.
        rows = [row for row in self._rows if row.host == host]
        orders = sum(row.what == "order" and row.time > now - 3 * HOUR for row in rows)
        if orders >= limits.orders:
            yield _spent(f"{orders} orders were sent in three hours; the CA allows {limits.orders}.")
        issued = [row for row in rows if row.what == "issued" and row.time > now - WEEK]
        same = sum(row.names == tuple(sorted(names)) for row in issued)
        if same >= limits.same_names:
            yield _spent(
                f"{same} certificates for exactly these names were issued in a week; the CA allows "
                f"{limits.same_names}. Use one of them, or wait."
            )
        for name in names:
            failed = sum(row.what == "failed" and row.time > now - HOUR and name in row.names for row in rows)
            if failed >= limits.failures:
                yield _spent(f"{name} failed {failed} times in an hour; the CA allows {limits.failures}. Wait an hour.")
        yield from self._of_domains(issued, names, limits)

    def _of_domains(self, issued: Sequence[_Row], names: Sequence[str], limits: Limits) -> Iterator[Finding]:
        """
        A warning only: what a registered domain is, is guessed by its last two labels.
        """
        for domain in sorted({_domain(name) for name in names}):
            count = sum(any(_domain(name) == domain for name in row.names) for row in issued)
            if count >= limits.domain:
                yield Finding(
                    "rate-limit-near",
                    Severity.WARNING,
                    f"{count} certificates for names under {domain} were issued in a week; the CA may allow only "
                    f"{limits.domain}.",
                )


def _spent(message: str) -> Finding:
    return Finding("rate-limit-spent", Severity.ERROR, message)


def _host(directory: str) -> str:
    return urlsplit(directory).netloc.lower()


def _domain(name: str) -> str:
    return ".".join(name.removeprefix("*.").split(".")[-2:])
