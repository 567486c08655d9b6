r"""
Endpoint strings: where a binding listens.

::

    endpoint  = port | kind *(":" argument)
    argument  = value | key "=" value
    kind      = "tcp" | "tcp6" | "unix" | "systemd"

The mini-language is Twisted's (U{https://docs.twisted.org/en/stable/core/howto/endpoints.html#servers}), a backslash
taking the next character literally, cut down to what a binding can be.  C{8443}, C{tcp:8443:interface=127.0.0.1},
C{tcp:8443:interface=\:\:1}, C{unix:/run/tlsgate.sock:mode=660}, C{systemd:domain=INET:name=https}.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

import attrs

__all__ = ["ListenAddress", "parse_endpoint"]

#: kind to its positional arguments, then all keys it knows.
ARGUMENTS: Final[dict[str, tuple[tuple[str, ...], frozenset[str]]]] = {
    "tcp": (("port",), frozenset({"port", "interface", "backlog"})),
    "tcp6": (("port",), frozenset({"port", "interface", "backlog"})),
    "unix": (("address",), frozenset({"address", "mode", "backlog", "lockfile"})),
    "systemd": (("domain",), frozenset({"domain", "index", "name"})),
}

ANYWHERE: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared with, never bound


@attrs.frozen(kw_only=True)
class ListenAddress:
    """
    What an endpoint string says.

    @ivar description: the string in full form, for L{twisted.internet.endpoints.serverFromString}.
    @ivar kind: C{tcp}, C{tcp6}, C{unix} or C{systemd}.
    @ivar port: 0 for a port that the system chooses, and for kinds without one.
    @ivar interface: an IP literal, or empty for all.
    @ivar path: of a UNIX socket.
    """

    description: str
    kind: str
    port: int = 0
    interface: str = ""
    path: str = ""

    def overlaps(self, other: ListenAddress) -> bool:
        """
        Would one of the two fail to bind because of the other?  Only what is evident: the same port on the same
        interface or on all of one address family, or the same path.
        """
        if self.kind == "unix" or other.kind == "unix":
            return self.kind == other.kind and self.path == other.path
        if "systemd" in (self.kind, other.kind):
            return self.description == other.description
        if not self.port or self.port != other.port or self.is_ipv6 != other.is_ipv6:
            return False
        return self.interface == other.interface or self.interface in ANYWHERE or other.interface in ANYWHERE

    @property
    def is_ipv6(self) -> bool:
        """
        Does it listen on an IPv6 address?
        """
        return self.kind == "tcp6" or ":" in self.interface

    def reaches(self, host: str, port: int) -> bool:
        """
        Would a connection from this machine to C{host} and C{port} evidently end here?

        @param host: C{localhost} or an IP literal; any other name is not looked up.
        """
        if not self.port or self.port != port:
            return False
        if host == "localhost":
            return self.interface in ANYWHERE or self.interface in {"127.0.0.1", "::1"}
        try:
            address = ip_address(host)
        except ValueError:
            return False
        if not (address.is_loopback or address.is_unspecified):
            return self.interface == host
        if (address.version == 6) != self.is_ipv6:
            return False
        return self.interface in ANYWHERE or self.interface == host


def parse_endpoint(text: str) -> ListenAddress:
    """
    Read an endpoint string.

    @raise ValueError: with a sentence, when no binding can listen there.
    """
    if text.isascii() and text.isdigit():
        text = "tcp:" + text
    if not text.isprintable():
        raise ValueError("an endpoint holds printable characters only")
    kind, arguments = _split(text)
    if kind not in ARGUMENTS:
        raise ValueError(f"{text!r} is neither a port number nor an endpoint of the kinds {', '.join(ARGUMENTS)}")
    unknown = sorted(arguments.keys() - ARGUMENTS[kind][1])
    if unknown:
        raise ValueError(f"a {kind} endpoint has no {unknown[0]!r}; it has {', '.join(sorted(ARGUMENTS[kind][1]))}")
    if "backlog" in arguments:
        _number(arguments["backlog"], "backlog", 1, 65535)
    if kind == "systemd":
        return _systemd(text, arguments)
    if kind == "unix":
        return _unix(text, arguments)
    port = _number(arguments.get("port", ""), "port", 0, 65535)
    interface = arguments.get("interface", "")
    if interface:
        try:
            interface = str(ip_address(interface))
        except ValueError:
            raise ValueError(f"the interface {interface!r} is not an IP address") from None
        if kind == "tcp6" and ":" not in interface:
            raise ValueError(f"a tcp6 endpoint cannot listen on the IPv4 address {interface}")
    return ListenAddress(description=text, kind=kind, port=port, interface=interface)


def _systemd(text: str, arguments: dict[str, str]) -> ListenAddress:
    if arguments.get("domain") not in {"INET", "INET6", "UNIX"}:
        raise ValueError("a systemd endpoint needs domain=INET, domain=INET6 or domain=UNIX")
    if ("index" in arguments) == ("name" in arguments):
        raise ValueError("a systemd endpoint needs either index or name")
    if "index" in arguments:
        _number(arguments["index"], "index", 0, 65535)
    return ListenAddress(description=text, kind="systemd")


def _unix(text: str, arguments: dict[str, str]) -> ListenAddress:
    path = arguments.get("address", "")
    if not path:
        raise ValueError("a unix endpoint needs the path of its socket")
    if len(path.encode("utf-8", "replace")) > 107:
        raise ValueError("the path of a UNIX socket has at most 107 bytes")
    mode = arguments.get("mode", "666")
    if not (mode.isascii() and mode.isdigit() and len(mode) <= 4 and set(mode) <= set("01234567")):
        raise ValueError(f"the mode {mode!r} is not an octal number such as 660")
    if arguments.get("lockfile", "1") not in {"0", "1"}:
        raise ValueError("lockfile is 0 or 1")
    return ListenAddress(description=text, kind="unix", path=path)


def _number(text: str, what: str, low: int, high: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and low <= int(text) <= high):
        raise ValueError(f"the {what} is a number from {low} to {high}, not {text!r}")
    return int(text)


def _split(text: str) -> tuple[str, dict[str, str]]:
    """
    The kind, and the arguments by key; positional ones get the keys of L{ARGUMENTS}.
    """
    kind, *parts = _arguments(text)
    if kind[0] is not None:
        return "", {}
    positional = list(ARGUMENTS.get(kind[1], ((), frozenset()))[0])
    found: dict[str, str] = {}
    for given, value in parts:
        key = given
        if key is None:
            if not positional:
                raise ValueError(f"{value!r} has no meaning in {text!r}")
            key = positional.pop(0)
        if key in found:
            raise ValueError(f"{key} stands twice in {text!r}")
        if key in positional:
            positional.remove(key)
        found[key] = value
    return kind[1], found


def _arguments(text: str) -> Iterator[tuple[str | None, str]]:
    key: str | None = None
    current = ""
    characters = iter(text)
    for character in characters:
        if character == "\\":
            try:
                current += next(characters)
            except StopIteration:
                raise ValueError("an endpoint does not end with a single backslash") from None
        elif character == ":":
            yield key, current
            key, current = None, ""
        elif character == "=" and key is None:
            key, current = current, ""
        else:
            current += character
    yield key, current
