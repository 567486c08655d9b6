"""
Socket addresses as Twisted's, made only when somebody asks.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress

__all__ = ["RawAddress", "address_of"]

#: What the socket module gives: C{(host, port)}, C{(host, port, flow, scope)}, or a path; or an address made of it.
RawAddress: TypeAlias = Any


def address_of(raw: RawAddress) -> Any:
    """
    A socket's address as Twisted's.
    """
    if isinstance(raw, tuple):
        return IPv4Address("TCP", *raw) if len(raw) == 2 else IPv6Address("TCP", *raw)
    if isinstance(raw, (str, bytes)):
        return UNIXAddress(raw or None)
    return raw
