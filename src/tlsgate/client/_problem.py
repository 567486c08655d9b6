"""
A problem document (RFC 9457) as the refusal that it tells of.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..problems import STATUS_OF_CODE, Finding, Problem, ProblemError, Severity

__all__ = ["Refused"]

MEMBERS: Final = frozenset({"type", "title", "status", "detail", "code", "errors", "findings", "retry_after"})


class Refused(Problem):
    """
    The gate refuses; a code that this version does not know is kept as it is.

    @ivar document: the problem document itself.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        code = str(document["code"])
        super().__init__(
            code if code in STATUS_OF_CODE else "internal",
            str(document.get("detail", "")),
            errors=[
                ProblemError(str(error.get("pointer", "")), str(error.get("code", "")), str(error.get("message", "")))
                for error in document.get("errors", ())
            ],
            findings=[_finding(finding) for finding in document.get("findings", ())],
            **{name: value for name, value in document.items() if name not in MEMBERS},
        )
        self.code = code
        self.status = int(document.get("status", self.status))
        self.document = dict(document)


def _finding(shown: Mapping[str, Any]) -> Finding:
    severity = shown.get("severity")
    return Finding(
        str(shown.get("code", "")),
        Severity(severity) if severity in {known.value for known in Severity} else Severity.INFO,
        str(shown.get("message", "")),
        str(shown.get("pointer", "")),
    )
