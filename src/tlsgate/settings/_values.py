"""
Values of the settings document that have a grammar of their own, and the types that read them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_network
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, PlainSerializer, PlainValidator, Strict, WithJsonSchema
from pydantic_core import PydanticCustomError

from ..sites import Network, Server
from ..tls import normalise
from ._endpoints import ListenAddress, parse_endpoint
from ._secrets import Secret

__all__ = [
    "URL",
    "EndpointValue",
    "Exemption",
    "Host",
    "Many",
    "Name",
    "NetworkValue",
    "PathText",
    "SecretValue",
    "parse_host",
    "parse_network",
    "parse_server_url",
]

T = TypeVar("T")

NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"

#: A list in the document, a tuple here; its items stay strict.
Many = Annotated[tuple[T, ...], Strict(False), Field(max_length=10_000)]

Name = Annotated[str, Field(pattern=NAME, description="letters, digits, dots, hyphens and underscores; at most 64")]
PathText = Annotated[str, Field(max_length=4096, pattern=r"^[^\x00]*$")]


def _reading(parse: Callable[[Any], T], expected: type | tuple[type, ...]) -> PlainValidator:
    """
    A validator that reads text with C{parse}; its C{ValueError} becomes the error of that value.
    """

    def read(value: object) -> T:
        if not isinstance(value, expected) or isinstance(value, bool):
            raise PydanticCustomError("wrong-type", "This must be a string.")
        try:
            return parse(value)
        except ValueError as error:
            sentence = str(error)
            raise PydanticCustomError(
                "invalid-value", "{sentence}", {"sentence": sentence[:1].upper() + sentence[1:] + "."}
            ) from None

    return PlainValidator(read)


def parse_network(text: str) -> Network:
    """
    Read C{10.0.0.0/8}, C{::1} or C{192.168.1.7/24} (the host bits are dropped).

    @raise ValueError: with a sentence.
    """
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is not a network such as 10.0.0.0/8 or an address") from None


def parse_host(text: str) -> str:
    """
    Read a site's host: a name, C{*.example.com}, C{*} or an IP literal, and give it its one spelling.

    @raise ValueError: with a sentence.
    """
    host = "*" if text == "*" else normalise(text)
    if not host:
        raise ValueError(f"{text!r} is not a host name, *.example.com, * or an IP address")
    return host


def parse_server_url(text: str) -> Server:
    """
    Read C{http://host:port}, C{https://host[:port]}, C{http+unix:/path} or C{demo:} (the built-in demo application).

    @raise ValueError: with a sentence.
    """
    kinds = "http://host:port, https://host[:port] or http+unix:/path"
    if "@" in text:
        raise ValueError("an upstream URL holds no user name and no password")
    if text == "demo:":
        return Server(url=text, scheme="demo", host="", port=0)
    if text.startswith("http+unix:"):
        path = re.sub(r"^/{2,}", "/", text.removeprefix("http+unix:"))
        if not path.startswith("/") or not path.isprintable() or len(path.encode("utf-8")) > 107:
            raise ValueError(f"{text!r} is not an upstream URL: http+unix:/path names a socket by its absolute path")
        return Server(url=text, scheme="http+unix", host="", port=0, path=path)
    if not text.isprintable() or " " in text or "\\" in text:
        raise ValueError(f"{text!r} is not an upstream URL: it is {kinds}")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(f"{text!r} is not an upstream URL: it is {kinds}") from None
    if parts.scheme not in {"http", "https"}:
        raise ValueError(f"{text!r} is not an upstream URL: it is {kinds}")
    host = normalise(parts.hostname or "")
    if not host or host.startswith("*") or port == 0 or parts.netloc.endswith(":"):
        raise ValueError(f"{text!r} is not an upstream URL: it is {kinds}")
    if parts.path not in {"", "/"} or "?" in text or "#" in text:
        raise ValueError(f"{text!r} has more than scheme, host and port: paths pass to the upstream unchanged")
    return Server(url=text, scheme=parts.scheme, host=host, port=port or (443 if parts.scheme == "https" else 80))


def parse_exemption(text: str) -> bytes | Network:
    """
    Read what is exempt from a redirect: a prefix of the request target if it begins with a slash, else a network.

    @raise ValueError: with a sentence.
    """
    if not text.startswith("/"):
        return parse_network(text)
    if not text.isprintable() or " " in text or len(text) > 4096:
        raise ValueError("a path prefix holds no spaces and no control characters")
    return text.encode("utf-8")


def parse_binding_endpoint(value: str | int) -> ListenAddress:
    """
    Read an endpoint string, or a port as a number.
    """
    if isinstance(value, int):
        if not 0 <= value <= 65535:
            raise ValueError("a port is a number from 0 to 65535")
        return parse_endpoint(str(value))
    return parse_endpoint(value)


def _text(value: object) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _schema(description: str, **more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "description": description, **more})


Host = Annotated[str, _reading(parse_host, str), _schema("a host name, *.example.com, * or an IP address")]

NetworkValue = Annotated[
    Network, _reading(parse_network, str), PlainSerializer(_text), _schema("a network such as 10.0.0.0/8")
]

Exemption = Annotated[
    bytes | Network,
    _reading(parse_exemption, str),
    PlainSerializer(_text),
    _schema("a prefix of the request target, beginning with a slash, or a network"),
]

URL = Annotated[
    Server,
    _reading(parse_server_url, str),
    PlainSerializer(lambda server: server.url),
    _schema("http://host:port, https://host[:port], http+unix:/path, or demo: for the demo application"),
]

EndpointValue = Annotated[
    ListenAddress,
    _reading(parse_binding_endpoint, (str, int)),
    PlainSerializer(lambda address: address.description),
    WithJsonSchema(
        {"type": ["string", "integer"], "description": "a port, or a tcp, tcp6, unix or systemd server endpoint"}
    ),
]


def _secret(value: object) -> Secret:
    try:
        return Secret.from_document(value)
    except ValueError as error:
        raise PydanticCustomError("invalid-value", "{sentence}", {"sentence": str(error).capitalize() + "."}) from None


SecretValue = Annotated[
    Secret,
    PlainValidator(_secret),
    PlainSerializer(Secret.shown),
    WithJsonSchema(
        {
            "description": "a secret: itself, or where it is",
            "anyOf": [
                {"type": "string", "writeOnly": True},
                {
                    "type": "object",
                    "properties": {"env": {"type": "string"}},
                    "required": ["env"],
                    "additionalProperties": False,
                },
                {
                    "type": "object",
                    "properties": {"file": {"type": "string"}},
                    "required": ["file"],
                    "additionalProperties": False,
                },
                {
                    "type": "object",
                    "description": "In the API: the secret that is there already.",
                    "properties": {"set": {"const": True}},
                    "required": ["set"],
                    "additionalProperties": False,
                },
            ],
        }
    ),
]
