"""
A problem document as a refusal.
"""

from tlsgate.client import Refused
from tlsgate.problems import Severity


def test_everything_is_kept() -> None:
    """
    Errors, findings and further members come along.
    """
    refused = Refused(
        {
            "type": "about:blank",
            "title": "Conflict",
            "status": 409,
            "detail": "No.",
            "code": "in-use",
            "errors": [{"pointer": "/a", "code": "c", "message": "m"}],
            "findings": [{"code": "f", "severity": "warning", "message": "w", "pointer": ""}],
            "used_by": ["x"],
        }
    )
    assert (refused.code, refused.status, refused.detail) == ("in-use", 409, "No.")
    assert refused.errors[0].pointer == "/a"
    assert refused.findings[0].severity is Severity.WARNING
    assert refused.extra == {"used_by": ["x"]}


def test_unknown_code() -> None:
    """
    The code of a newer gate is kept as it is.
    """
    refused = Refused({"code": "brand-new", "status": 418, "findings": [{"severity": "dire"}]})
    assert (refused.code, refused.status, refused.detail) == ("brand-new", 418, "")
    assert refused.findings[0].severity is Severity.INFO
