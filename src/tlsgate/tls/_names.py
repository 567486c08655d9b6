"""
Server names: one spelling for each, and what a certificate's name covers.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

import idna

__all__ = ["is_address", "matches", "normalise", "wildcard_for"]

# RFC 1035 §2.3.4 limits a name to 255 octets on the wire, which is 253 characters of text.
LONGEST: Final = 253

# RFC 6066 §3 sends an A-label; the underscore is allowed beyond RFC 952 because people use it and clients send it.
HOST_NAME: Final = re.compile(r"(?:\*\.)?[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*")

# Only digits and dots, or anything with a colon, can be an address.
ADDRESS: Final = re.compile(r"[0-9.]+|[0-9a-f.:]*:[0-9a-f.:]*")


# Clients ask for the same few names in every handshake.
@lru_cache(maxsize=1024)
def normalise(name: str | bytes) -> str:
    """
    The one spelling of a server name: A-labels in lower case without a trailing dot, or an address without brackets.

    @param name: as a person, a certificate or a client spells it; may begin with C{*.}.

    @return: the name, or an empty string for what cannot be one (empty, too long, NUL, spaces, an impossible label).
    """
    if isinstance(name, bytes):
        try:
            name = name.decode("utf-8")
        except UnicodeDecodeError:
            return ""
    if len(name) > 4 * LONGEST:
        return ""
    if not name.isascii():
        star, name = (name[:2], name[2:]) if name.startswith("*.") else ("", name)
        try:
            name = star + idna.encode(name, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            return ""
    name = name.lower()
    if name[:1] == "[" and name[-1:] == "]":
        name = name[1:-1]
    if ADDRESS.fullmatch(name):
        try:
            return str(ip_address(name))
        except ValueError:
            return ""
    name = name[:-1] if name.endswith(".") else name
    if len(name) > LONGEST or not HOST_NAME.fullmatch(name):
        return ""
    return name


def is_address(name: str) -> bool:
    """
    Is this normalised name an IP address?
    """
    return ADDRESS.fullmatch(name) is not None


def wildcard_for(name: str) -> str:
    """
    The only wildcard that can cover a normalised name: C{*.} in place of exactly its leftmost label (RFC 6125 §6.4.3).

    @return: the wildcard, or an empty string for an address or a name of one label.
    """
    _, dot, parent = name.partition(".")
    if not dot or is_address(name):
        return ""
    return "*." + parent


def matches(pattern: str, name: str) -> bool:
    """
    Does a certificate's name cover a server name?  Both are normalised.

    @param pattern: an exact name, an address, or a wildcard; a lone C{*} covers nothing.
    """
    if pattern == name:
        return bool(name) and not name.startswith("*")
    return pattern.startswith("*.") and pattern == wildcard_for(name)
