"""
What our own handshakes show, and what is said of it.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred

from tlsgate.changes import target_of
from tlsgate.sites import Binding, Scheme, ServerCertificate, Snapshot
from tlsgate.watching import ServedWatch
from tlsgate.watching._handshake import Seen, look

NOW = 1_800_000_000.0
DAY = 86400.0


def certificate(name: str, days: float = 90) -> ServerCertificate:
    return ServerCertificate(
        name=name, chain=b"", key=b"", names=(f"{name}.test",), not_before=0, not_after=NOW + days * DAY,
        key_type="ec-p256", fingerprint=name * 8,
    )  # fmt: skip


def changes(*certificates: ServerCertificate) -> Any:
    binding = Binding(name="https", scheme=Scheme.HTTPS, endpoint="tcp:8443", default_certificate="a")
    held = {one.name: one for one in certificates}
    return SimpleNamespace(snapshot=Snapshot(generation=1, bindings=(binding,), certificates=held))


def looked(served: dict[str, Seen], held: Any) -> tuple[ServedWatch, list[str]]:
    """
    One round, and the codes of its findings.
    """
    watch = ServedWatch(
        ports=lambda: {"https": 8443}, in_thread=maybeDeferred, wall=lambda: NOW,
        look=lambda target, name, timeout: served.get(name, served[""]),
    )  # fmt: skip
    failures: list[Any] = []
    Deferred.fromCoroutine(watch.round(held)).addErrback(failures.append)
    assert failures == []
    return watch, [finding.code for finding in watch.findings()]


@pytest.mark.parametrize(
    ("seen", "codes"),
    [
        (Seen("a" * 8, NOW + 90 * DAY), []),
        (Seen("a" * 8, NOW + 9 * DAY), ["served-expiring"]),
        (Seen("a" * 8, NOW - DAY), ["served-expired"]),
        (Seen("x" * 8, NOW + 90 * DAY), ["served-other"]),
        (Seen(fault="no connection can be made"), ["served-nothing"]),
    ],
)
def test_says_what_is_wrong(seen: Seen, codes: list[str]) -> None:
    """
    The certificate that was meant, far from its end, is the only one of which nothing is said.
    """
    _, found = looked({"": seen}, changes(certificate("a")))
    assert found == codes * 2  # Without a name, and under its name.


def test_meets_each_name() -> None:
    """
    Each certificate is asked for by name, and is in the metric.
    """
    served = {"": Seen("a" * 8, NOW + 90 * DAY), "b.test": Seen("b" * 8, NOW + 80 * DAY)}
    watch, codes = looked(served, changes(certificate("a"), certificate("b", 80)))
    assert codes == []
    assert watch.not_after() == {("https", "a"): NOW + 90 * DAY, ("https", "b"): NOW + 80 * DAY}


def test_where_a_binding_is_met() -> None:
    """
    All addresses are met at loopback; a UNIX socket at its path; what systemd bound is not known.
    """
    assert target_of("tcp:8443", 8443) == ("127.0.0.1", 8443)
    assert target_of("unix:/run/x.sock", 0) == "/run/x.sock"
    assert target_of("tcp:0", 0) is None


def test_nobody_listens() -> None:
    """
    A fault is a value, not an exception.
    """
    assert look(("127.0.0.1", 1), "a.test", 1.0).fault.startswith("no connection")
