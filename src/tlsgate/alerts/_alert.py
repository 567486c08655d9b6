"""
What is worth an alert, and when it is said again.

A finding is told when it first appears, and then once a day while it stays.  A certificate that nears its end is told
when it passes each of the configured days, and once a day after its end.  No subject is told more than once a day,
except that an end that comes nearer is louder than the same one yesterday.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import attrs

from ..certificates import timestamp
from ..problems import Finding, Severity
from ..sites import ServerCertificate

__all__ = ["Alert", "Told", "alerts_of", "due"]

DAY: Final = 86400.0

#: Worth an alert before they are errors: there is time to do something, and nobody looks.
BEFORE_ERRORS: Final = frozenset({"renewal-failing"})

#: Of findings that say what the alert about a certificate says already.
SAID_ELSEWHERE: Final = frozenset({"served-expiring", "served-expired"})


@attrs.frozen(kw_only=True)
class Alert:
    """
    Something that somebody should know today.

    @ivar subject: what it is about, as C{certificate default}; stable from day to day.
    @ivar level: counts up as it gets worse: a higher one is told at once.
    """

    subject: str
    code: str
    severity: Severity
    message: str
    level: int = 0
    details: Mapping[str, Any] = attrs.field(factory=dict)

    def as_json(self) -> dict[str, Any]:
        """
        The alert as it is sent.
        """
        return {
            "subject": self.subject,
            "code": self.code,
            "severity": self.severity.value,
            "message": self.message,
            **self.details,
        }


@attrs.frozen
class Told:
    """
    When a subject was told last, Unix time, and at which level.
    """

    at: float
    level: int


def alerts_of(
    certificates: Mapping[str, ServerCertificate], findings: Iterable[Finding], days: Sequence[int], now: float
) -> list[Alert]:
    """
    Everything that is worth an alert now, told or not.

    @param certificates: that are served, by name.
    @param findings: about what is served.
    @param days: before the end of a certificate.
    @param now: Unix time.
    """
    found = [
        alert for name, one in sorted(certificates.items()) if (alert := _ending(name, one, days, now)) is not None
    ]
    for finding in findings:
        loud = finding.severity is Severity.ERROR or finding.code in BEFORE_ERRORS
        if loud and finding.code not in SAID_ELSEWHERE:
            # What the sentence says may count days; where and what it is stays.
            about = finding.subject or finding.pointer or finding.message.partition(",")[0]
            subject = f"{finding.code} {about}"
            found.append(Alert(subject=subject, code=finding.code, severity=finding.severity, message=finding.message))
    return found


def _ending(name: str, certificate: ServerCertificate, days: Sequence[int], now: float) -> Alert | None:
    left = (certificate.not_after - now) / DAY
    passed = [day for day in days if left <= day]
    if left > 0 and not passed:
        return None
    end = timestamp(certificate.not_after)
    details = {"not_after": end, "days_left": int(left // 1), "fingerprint": certificate.fingerprint}
    subject = f"certificate {name}"
    if left <= 0:
        return Alert(
            subject=subject,
            code="certificate-expired",
            severity=Severity.ERROR,
            message=f"Certificate {name} expired at {end}; clients refuse it.",
            level=1000,
            details=details,
        )
    return Alert(
        subject=subject,
        code="certificate-expiring",
        severity=Severity.WARNING,
        message=f"Certificate {name} expires in {max(0, int(left))} days, at {end}; renew it.",
        level=len(passed),
        details={**details, "threshold": min(passed)},
    )


def due(alerts: Iterable[Alert], told: Mapping[str, Told], now: float) -> list[Alert]:
    """
    Those that are to be told now.

    @param told: by subject, what was said before.
    @param now: Unix time.
    """
    chosen: dict[str, Alert] = {}
    for alert in alerts:
        before = told.get(alert.subject)
        if before is not None and now - before.at < DAY:
            continue
        # A certificate that has passed a threshold is told at the next one, not every day.
        if before is not None and alert.code == "certificate-expiring" and alert.level <= before.level:
            continue
        chosen.setdefault(alert.subject, alert)
    return list(chosen.values())
