"""
What is worth an alert, and when.
"""

from __future__ import annotations

import pytest

from tlsgate.alerts import Told, alerts_of, due
from tlsgate.problems import Finding, Severity
from tlsgate.sites import ServerCertificate

NOW = 1_800_000_000.0
DAY = 86400.0
DAYS = (30, 14, 7, 1)


def certificate(days: float) -> ServerCertificate:
    return ServerCertificate(
        name="a",
        chain=b"",
        key=b"",
        names=("a.test",),
        not_before=0,
        not_after=NOW + days * DAY,
        key_type="",
        fingerprint="0",
    )


def codes(days: float, findings=()) -> list[str]:
    return [alert.code for alert in alerts_of({"a": certificate(days)}, findings, DAYS, NOW)]


@pytest.mark.parametrize(
    ("days", "expected"),
    [(31, []), (29, ["certificate-expiring"]), (0.5, ["certificate-expiring"]), (-1, ["certificate-expired"])],
)
def test_speaks_of_ends(days, expected) -> None:
    """
    A certificate is spoken of from thirty days before its end on.
    """
    assert codes(days) == expected


def test_speaks_of_errors_only() -> None:
    """
    An error about what is served is worth an alert, a warning is not.
    """
    findings = [Finding("served-other", Severity.ERROR, "x, y"), Finding("staged", Severity.INFO, "z")]
    assert codes(90, findings) == ["served-other"]


def test_speaks_of_renewals_that_fail() -> None:
    """
    Apart from the end of the certificate and long before it; once a day, however often it is tried.
    """
    one, other = (
        Finding("renewal-failing", severity, f"Certificate a could not be renewed ({times}).", "/certificates/a")
        for times, severity in (("once", Severity.WARNING), ("9 times", Severity.ERROR))
    )
    (alert,) = alerts_of({"a": certificate(90)}, [one], DAYS, NOW)
    assert (alert.code, alert.severity) == ("renewal-failing", Severity.WARNING)
    assert codes(29, [one]) == ["certificate-expiring", "renewal-failing"]
    later = alerts_of({"a": certificate(90)}, [other], DAYS, NOW)
    told = {alert.subject: Told(NOW, alert.level)}
    assert due(later, told, NOW + DAY / 2) == []
    assert due(later, told, NOW + DAY) == later


def test_a_finding_names_its_subject() -> None:
    """
    Two certificates with the same fault at the same place are two subjects, and each stays one whatever is said of it.
    """

    def broken(name: str, why: str) -> Finding:
        return Finding("certificate-files-broken", Severity.ERROR, f"{name}: {why}", "/certificates_folder", name)

    first = alerts_of({}, [broken("a", "no key"), broken("b", "no key")], DAYS, NOW)
    assert [alert.subject for alert in first] == ["certificate-files-broken a", "certificate-files-broken b"]
    told = {alert.subject: Told(NOW, alert.level) for alert in first[:1]}
    later = alerts_of({}, [broken("a", "another key"), broken("b", "no key")], DAYS, NOW)
    assert [alert.subject for alert in due(later, told, NOW + 60)] == ["certificate-files-broken b"]


def test_escalates_and_never_twice_a_day() -> None:
    """
    From forty days before the end to two after it: one alert at 30, 14, 7 and 1, and one a day after the end.
    """
    told: dict[str, Told] = {}
    sent = []
    for hour in range(42 * 24):
        now = NOW + hour * 3600.0
        for alert in due(alerts_of({"a": certificate(40)}, (), DAYS, now), told, now):
            told[alert.subject] = Told(now, alert.level)
            sent.append(hour / 24)
    assert sent == [10, 26, 33, 39, 40, 41]


def test_repeats_errors_daily() -> None:
    """
    What stays wrong is told once a day.
    """
    findings = [Finding("served-nothing", Severity.ERROR, "Over binding https, nothing.")]
    told: dict[str, Told] = {}
    sent = 0
    for hour in range(49):
        now = NOW + hour * 3600.0
        for alert in due(alerts_of({}, findings, DAYS, now), told, now):
            told[alert.subject] = Told(now, alert.level)
            sent += 1
    assert sent == 3
