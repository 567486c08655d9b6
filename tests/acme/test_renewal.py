"""
When certificates are renewed, and that it happens by itself.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tlsgate.acme._problems import OrderProblem
from tlsgate.acme._renewal import Renewal, Renewals, backoff
from tlsgate.acme._values import Window
from tlsgate.settings import StoredCertificate
from tlsgate.sites import ServerCertificate

NOW = 1_800_000_000.0
HOUR = 3600.0
DAY = 86400.0


def certificate(days: float = 90, fingerprint: str = "f") -> ServerCertificate:
    return ServerCertificate(
        name="web",
        chain=b"",
        key=b"",
        names=("a.test",),
        not_before=NOW,
        not_after=NOW + days * DAY,
        key_type="ec-p256",
        fingerprint=fingerprint,
    )


def stored(days: float = 90, added_at: float = NOW) -> StoredCertificate:
    return StoredCertificate(certificate=certificate(days), source="acme", added_at=added_at)


class TestTimes:
    def test_third_of_the_life(self) -> None:
        """
        Without a word of the CA, a certificate is renewed when a third of its life is left.
        """
        known = Renewal(fingerprint="f")
        assert not known.is_due(stored(), 0, NOW + 60 * DAY - 1)
        assert known.is_due(stored(), 0, NOW + 60 * DAY)
        assert known.is_due(stored(6), 0, NOW + 4 * DAY)

    def test_as_configured(self) -> None:
        """
        What is configured wins.
        """
        known = Renewal(fingerprint="f", window=(NOW, NOW + 1), chosen=NOW)
        assert not known.is_due(stored(), 10 * DAY, NOW + 79 * DAY)
        assert known.is_due(stored(), 10 * DAY, NOW + 80 * DAY)

    def test_not_twice_in_a_row(self) -> None:
        """
        A certificate that is due as it comes is left alone for a day, or a third of its life; a clock that was set back
        does not lengthen that.
        """
        known = Renewal(fingerprint="f")
        late = stored(added_at=NOW + 70 * DAY)
        assert not known.is_due(late, 0, NOW + 70 * DAY + HOUR)
        assert known.is_due(late, 0, NOW + 71 * DAY)
        assert known.is_due(late, 0, NOW + 69 * DAY)

    @given(st.integers(1, 10_000))
    def test_backoff(self, failures: int) -> None:
        """
        Each failure doubles the wait, up to a day.
        """
        assert backoff(failures) == min(60 * 2 ** (failures - 1), DAY)

    def test_clock_set_back(self) -> None:
        """
        A wait that a change of the clock made impossibly long is over.
        """
        known = Renewal(fingerprint="f", failures=3, retry_at=NOW + 400 * DAY)
        assert known.is_due(stored(), 0, NOW + 61 * DAY)
        assert known.wants_window(NOW)
        assert Renewal(fingerprint="f", ask_at=NOW + 400 * DAY).wants_window(NOW)
        assert not Renewal(fingerprint="f", ask_at=NOW + HOUR).wants_window(NOW)


class TestRenewals:
    def test_failures(self, tmp_path: Path) -> None:
        """
        Failures lengthen the wait, are told as a finding, and are remembered over a restart.
        """
        path = tmp_path / "acme" / "renewals.json"
        renewals = Renewals(path, Random(1))
        for failures in range(1, 4):
            renewals.failed("web", certificate(), OrderProblem.of("connection", name="a.test"), NOW)
            known = renewals.of("web", certificate())
            assert known.failures == failures
            assert 0.9 <= (known.retry_at - NOW) / backoff(failures) <= 1.1
        renewals.save(renewals.content())
        again = Renewals(path, Random(2))
        again.load()
        assert again.of("web", certificate()) == known
        (finding,) = again.findings({"web": certificate()}, NOW)
        assert (finding.code, finding.severity.value) == ("renewal-failing", "warning")
        assert "3 times" in finding.message
        (finding,) = again.findings({"web": certificate()}, NOW + 89 * DAY)
        assert finding.severity.value == "error"
        assert again.findings({"web": certificate(fingerprint="new")}, NOW) == []
        assert again.of("web", certificate(fingerprint="new")).failures == 0

    def test_rate_limit(self) -> None:
        """
        The CA's own Retry-After is heeded, within a day.
        """
        renewals = Renewals(Path("unused"), Random(1))
        limited = OrderProblem.of("rateLimited", retry_after=7 * HOUR)
        renewals.failed("web", certificate(), limited, NOW)
        assert renewals.of("web", certificate()).retry_at == NOW + 7 * HOUR
        renewals.failed("web", certificate(), OrderProblem.of("rateLimited", retry_after=90 * DAY), NOW)
        assert renewals.of("web", certificate()).retry_at == NOW + DAY

    def test_window(self) -> None:
        """
        A moment of the CA's window is drawn once; a window that moves is drawn anew; one that ends before it begins is
        none.
        """
        renewals = Renewals(Path("unused"), Random(1))
        window = Window(start=NOW + DAY, end=NOW + 2 * DAY, retry_after=HOUR, explanation="https://ca/why")
        renewals.told("web", certificate(), window, NOW)
        known = renewals.of("web", certificate())
        assert NOW + DAY <= known.chosen <= NOW + 2 * DAY
        assert known.ask_at == NOW + HOUR
        renewals.told("web", certificate(), window, NOW + HOUR)
        assert renewals.of("web", certificate()).chosen == known.chosen
        renewals.told("web", certificate(), Window(start=NOW - 2, end=NOW - 1, retry_after=0), NOW + HOUR)
        assert renewals.of("web", certificate()).is_due(stored(), 0, NOW + HOUR)
        renewals.told("web", certificate(), Window(start=NOW, end=NOW - 1, retry_after=0), NOW)
        assert renewals.of("web", certificate()).window == (NOW - 2, NOW - 1)

    def test_damaged(self, tmp_path: Path) -> None:
        """
        A damaged file is as good as none.
        """
        for content in ("", "[]", '{"web": {"fingerprint": 1, "more": 2}}', '{"web": {"window": [1]}}'):
            (tmp_path / "renewals.json").write_text(content)
            renewals = Renewals(tmp_path / "renewals.json", Random(1))
            renewals.load()
            assert renewals.of("web", certificate()).failures == 0
