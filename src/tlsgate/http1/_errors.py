"""
What a peer did that HTTP/1.1 does not allow, or that we do not.
"""

from __future__ import annotations

__all__ = ["ProtocolViolation"]


class ProtocolViolation(Exception):
    """
    The bytes cannot be read as a message whose meaning and end are certain; the connection cannot be used further.

    @ivar status: what a server should answer to the request; a client treats any as a broken response.
    @ivar code: stable, lower case with hyphens; counted and logged.
    """

    def __init__(self, detail: str, status: int = 400, code: str = "malformed") -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
