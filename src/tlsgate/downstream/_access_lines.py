"""
How one finished exchange reads in the access log.

The client's bytes are shown, never obeyed: whatever it sends, a line stays one line of its form.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeAlias

__all__ = ["FORMATS", "Record", "combined_line", "json_line"]

#: One exchange, in the order of L{AccessLog<_access_log.AccessLog>}C{.append}'s parameters, the instant last.
Record: TypeAlias = tuple[
    str,
    str,
    str,
    str,
    bytes,
    bytes,
    bytes,
    bytes,
    int,
    int,
    int,
    float,
    str,
    float | None,
    str,
    str,
    str,
    bytes,
    bytes,
    str,
    float,
]

# The longest a field that the client chooses may be in a line, bytes; a target is bounded by Limits.target.
FIELD_LIMIT: Final = 4096

# Values up to this many bytes are remembered with what is written for them.
SHORT: Final = 256

# What would end a line or a quoted field, move a terminal's cursor, or is not ASCII.
_UNSAFE: Final = re.compile(rb'[\x00-\x1f"\\\x7f-\xff]')


def _escaped(match: re.Match[bytes]) -> bytes:
    return b"\\x%02x" % match[0][0]


def _quoted(value: bytes, absent: bytes = b"-") -> bytes:
    """
    A client's bytes as they may stand between quotes.
    """
    if not value:
        return absent
    return _UNSAFE.sub(_escaped, value[:FIELD_LIMIT])


def _word(value: bytes) -> bytes:
    """
    A client's bytes as they may stand between blanks.
    """
    return _quoted(value).replace(b" ", b"\\x20")


# Most clients send what others sent before them; long values are not remembered, or they would fill the memory.
_repeated_quoted: Final = lru_cache(maxsize=512)(_quoted)
_repeated_word: Final = lru_cache(maxsize=512)(_word)


def combined_line(record: Record) -> bytes:
    r"""
    A record in the Combined Log Format of Apache and nginx; controls, quotes and non-ASCII bytes as C{\xNN}.
    """
    client_ip, method, target, version, status, bytes_out = (
        record[2],
        record[5],
        record[6],
        record[7],
        record[8],
        record[10],
    )
    referer, user_agent, instant = record[18], record[17], record[20]
    return b'%s - - [%s] "%s %s %s" %d %d "%s" "%s"\n' % (
        _repeated_word(client_ip.encode("utf-8", "replace")),
        _combined_stamp(int(instant)),
        _repeated_word(method) if len(method) <= SHORT else _word(method),
        _word(target),
        _repeated_word(version),
        status,
        bytes_out,
        _repeated_quoted(referer) if len(referer) <= SHORT else _quoted(referer),
        _repeated_quoted(user_agent) if len(user_agent) <= SHORT else _quoted(user_agent),
    )


@lru_cache(maxsize=2)
def _combined_stamp(second: int) -> bytes:
    moment = time.gmtime(second)
    # Month names are spelled here: strftime's depend on the locale.
    month = _MONTHS[moment.tm_mon - 1]
    clock = time.strftime("%H:%M:%S", moment)
    return f"{moment.tm_mday:02d}/{month}/{moment.tm_year}:{clock} +0000".encode("ascii")


@lru_cache(maxsize=2)
def _json_stamp(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _text(value: bytes) -> str:
    r"""
    A client's bytes in JSON: UTF-8 where it is, bytes that are none as C{\xNN}.
    """
    return value[:FIELD_LIMIT].decode("utf-8", "backslashreplace")


_repeated_text: Final = lru_cache(maxsize=512)(_text)

# json.dumps would build this anew for each line.
_encode: Final = json.JSONEncoder(separators=(",", ":")).encode


def json_line(record: Record) -> bytes:
    """
    A record as one JSON object with the fields of the contract, and C{client_ip_from}.
    """
    (
        request_id,
        peer_ip,
        client_ip,
        site,
        host,
        method,
        target,
        version,
        status,
        bytes_in,
        bytes_out,
        duration,
        upstream,
        upstream_duration,
        tls_version,
        cipher,
        sni,
        user_agent,
        referer,
        client_ip_from,
        instant,
    ) = record
    second = int(instant)
    fields = {
        "ts": f"{_json_stamp(second)}.{int((instant - second) * 1000):03d}Z",
        "request_id": request_id,
        "peer_ip": peer_ip,
        "client_ip": client_ip,
        "site": site,
        "host": _text(host),
        "method": _text(method),
        "target": _text(target),
        "version": _text(version),
        "status": status,
        "bytes_in": bytes_in,
        "bytes_out": bytes_out,
        "duration_ms": round(duration * 1000, 3),
        "upstream": upstream,
        "upstream_ms": None if upstream_duration is None else round(upstream_duration * 1000, 3),
        "tls_version": tls_version,
        "cipher": cipher,
        "sni": sni,
        "user_agent": _repeated_text(user_agent) if len(user_agent) <= SHORT else _text(user_agent),
        "referer": _text(referer),
        "client_ip_from": client_ip_from,
    }
    return _encode(fields).encode("ascii") + b"\n"


#: Name of a format to what writes a line of it.
FORMATS: Final[dict[str, Callable[[Record], bytes]]] = {"combined": combined_line, "json": json_line}
