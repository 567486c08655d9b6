"""
What is wrong with a change or a certificate, as data that a person can act on.

A L{Finding} is something worth saying about an object; a L{Problem} is a refusal, and becomes an RFC 9457 problem
document on the admin API and one line on the command line.  Codes are stable: scripts depend on them.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any, Final

import attrs

__all__ = ["STATUS_OF_CODE", "Finding", "Problem", "ProblemError", "Severity"]


class Severity(Enum):
    """
    How bad a finding is: an error refuses the change, a warning and an information do not.
    """

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@attrs.frozen
class Finding:
    """
    Something worth saying about an object.

    @ivar code: stable, lower case with hyphens.
    @ivar message: one sentence, with what to do.
    @ivar pointer: JSON pointer (RFC 6901) into the settings document, or empty.
    @ivar subject: what it is about, the same from day to day whatever the sentence counts, so that an alert about it is
        known again; empty where pointer or sentence say so.  Not shown.
    """

    code: str
    severity: Severity
    message: str
    pointer: str = ""
    subject: str = ""

    def as_json(self) -> dict[str, str]:
        """
        The finding as the admin API shows it.
        """
        return {
            "code": self.code,
            "severity": self.severity.value,
            "message": self.message,
            "pointer": self.pointer,
        }


@attrs.frozen
class ProblemError:
    """
    One wrong value of a document.

    @ivar pointer: JSON pointer (RFC 6901) to it.
    """

    pointer: str
    code: str
    message: str

    def as_json(self) -> dict[str, str]:
        """
        The error as the admin API shows it.
        """
        return {"pointer": self.pointer, "code": self.code, "message": self.message}


#: The HTTP status of every code that the control plane answers with.
STATUS_OF_CODE: Final[dict[str, int]] = {
    "missing-part": 400,
    "malformed-multipart": 400,
    "malformed-json": 400,
    "malformed-request": 400,
    "certificate-unreadable": 400,
    "key-unreadable": 400,
    "backup-unreadable": 400,
    "port-invalid": 400,
    "parameter-invalid": 400,
    "token-missing": 401,
    "token-invalid": 401,
    "permission-missing": 403,
    "host-refused": 403,
    "origin-refused": 403,
    "not-found": 404,
    "method-not-allowed": 405,
    "port-in-use": 409,
    "port-forbidden": 409,
    "pinned": 409,
    "would-lock-out": 409,
    "in-use": 409,
    "exists": 409,
    "no-valid-certificate": 409,
    "confirm-over-old-path": 409,
    "not-unconfirmed": 409,
    "generation-moved": 412,
    "too-large": 413,
    "unsupported-media-type": 415,
    "key-mismatch": 422,
    "key-encrypted": 422,
    "wrong-password": 422,
    "key-too-weak": 422,
    "certificate-expired": 422,
    "no-leaf": 422,
    "invalid-settings": 422,
    "terms-not-agreed": 422,
    "too-many-attempts": 429,
    "internal": 500,
    "ca-refused": 502,
    "not-ready": 503,
    "storage-failed": 503,
    "worker-unresponsive": 503,
}


class Problem(Exception):
    """
    A refusal by the control plane: nothing was changed.

    @ivar code: a key of L{STATUS_OF_CODE}.
    @ivar detail: one sentence a person can act on; never holds a secret.
    @ivar status: HTTP status.
    @ivar errors: each wrong value, where a document is to blame.
    @ivar findings: what else was found, where that helps.
    @ivar extra: further members of the problem document.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: Iterable[ProblemError] = (),
        findings: Iterable[Finding] = (),
        retry_after: int | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.status = STATUS_OF_CODE[code]
        self.errors = tuple(errors)
        self.findings = tuple(findings)
        self.retry_after = retry_after
        self.extra = extra
