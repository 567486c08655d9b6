"""
What can go wrong with an exchange, on the data plane.

An error says what happened, whose fault it is, and whether the same request may be sent again; one function
(L{downstream} C{_answers}) turns it into a status.  Errors of the control plane are L{problems}.

::

    GateError
    |-- MalformedRequest         downstream: 400 and kin, mostly with the connection closed
    |-- DownstreamGone           downstream: nobody is left to answer
    |-- UpstreamError            upstream: 502
    |   |-- UpstreamRefused          no connection; retryable
    |   |-- UpstreamBroke            connection ended early
    |   |-- UpstreamNonsense         not HTTP, or framing that cannot be trusted
    |   `-- UpstreamSilent           504
    `-- NoUpstream               503: none healthy, or over a limit
"""

from __future__ import annotations

from enum import Enum

__all__ = [
    "Blame",
    "DownstreamGone",
    "GateError",
    "MalformedRequest",
    "NoUpstream",
    "UpstreamBroke",
    "UpstreamError",
    "UpstreamNonsense",
    "UpstreamRefused",
    "UpstreamSilent",
]


class Blame(Enum):
    """
    Whose fault an error is.
    """

    DOWNSTREAM = "downstream"
    UPSTREAM = "upstream"
    GATE = "gate"


class GateError(Exception):
    """
    An exchange cannot go on.

    @cvar blame: whose fault it is.
    @cvar status: what to answer, or 0 when the downstream connection can no longer carry an answer.
    @cvar code: stable, lower case with hyphens; shown in the answer and the log.
    @cvar retryable: may the same request be sent again on a fresh connection, if it is idempotent?
    """

    blame: Blame = Blame.GATE
    status: int = 500
    code: str = "internal"
    retryable: bool = False


class MalformedRequest(GateError):
    """
    The client sent something that is not, or must not be treated as, an HTTP/1 request.
    """

    blame = Blame.DOWNSTREAM
    status = 400
    code = "malformed-request"

    def __init__(self, detail: str, status: int = 400, code: str = "malformed-request") -> None:
        super().__init__(detail)
        self.status = status
        self.code = code


class DownstreamGone(GateError):
    """
    The client's connection ended before the exchange did.
    """

    blame = Blame.DOWNSTREAM
    status = 0
    code = "client-gone"


class UpstreamError(GateError):
    """
    The upstream's fault.
    """

    blame = Blame.UPSTREAM
    status = 502
    code = "upstream-failed"


class UpstreamRefused(UpstreamError):
    """
    The upstream did not accept a connection, or its TLS handshake failed.
    """

    code = "upstream-refused"
    retryable = True


class UpstreamBroke(UpstreamError):
    """
    The upstream's connection ended before its response did.
    """

    code = "upstream-broke"
    retryable = True


class UpstreamNonsense(UpstreamError):
    """
    The upstream sent something that is not HTTP/1, or whose framing cannot be trusted.
    """

    code = "upstream-nonsense"


class UpstreamSilent(UpstreamError):
    """
    The upstream sent nothing for too long.
    """

    status = 504
    code = "upstream-silent"


class NoUpstream(GateError):
    """
    No server of the upstream may be used now: none is healthy, or all are at their limit and the queue is full.
    """

    blame = Blame.UPSTREAM
    status = 503
    code = "upstream-unavailable"
