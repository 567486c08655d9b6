"""
A refusal as an RFC 9457 problem document.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any, Final

from ..problems import Problem

__all__ = ["PROBLEM_JSON", "problem_document", "problem_fields", "to_json"]

PROBLEM_JSON: Final = "application/problem+json"

#: RFC 9110 section 11.6.1: a 401 names the scheme that would be accepted.
BEARER_CHALLENGE: Final = 'Bearer realm="tlsgate"'


def to_json(document: object) -> bytes:
    """
    JSON as the API sends it: UTF-8, ended by a line feed so that terminals show it well.
    """
    # A lone surrogate cannot be encoded; escaping it keeps an answer from failing over what a client sent.
    return (json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8", "backslashreplace")


def problem_document(problem: Problem) -> dict[str, Any]:
    """
    The members of the problem document, CONTRACT section 4.
    """
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "errors": [error.as_json() for error in problem.errors],
        "findings": [finding.as_json() for finding in problem.findings],
    }
    for name, value in problem.extra.items():
        document.setdefault(name, value)
    return document


def problem_fields(problem: Problem) -> dict[str, str]:
    """
    The response fields that belong to the problem, beside its content type.
    """
    fields: dict[str, str] = {}
    if problem.status == 401:
        fields["WWW-Authenticate"] = BEARER_CHALLENGE
    if problem.code == "confirm-over-old-path":
        # A browser cannot choose a connection: one that cannot confirm is closed, so that the next one is new.
        fields["Connection"] = "close"
    if problem.retry_after is not None:
        fields["Retry-After"] = str(problem.retry_after)
    allow = problem.extra.get("allow")
    if isinstance(allow, (list, tuple)):
        fields["Allow"] = ", ".join(allow)
    return fields
