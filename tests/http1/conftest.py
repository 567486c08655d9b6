"""
Conversations with a reader: bytes in, events out, as plain values.
"""

from __future__ import annotations

from typing import Any

import pytest

from tlsgate.http1 import End, ProtocolViolation, RequestHead, ResponseHead


def _value(event: Any) -> tuple[Any, ...]:
    if isinstance(event, RequestHead):
        return ("request", event.method, event.target, event.minor, event.fields.lines, event.framing)
    if isinstance(event, ResponseHead):
        return ("response", event.status, event.reason, event.minor, event.fields.lines, event.framing)
    if isinstance(event, End):
        return ("end", event.trailers)
    assert event.__class__ is bytes
    assert event, "content is never empty"
    return ("content", event)


def _read(reader: Any, *pieces: bytes) -> list[tuple[Any, ...]]:
    """
    Every event that the pieces give, neighbouring content merged, a violation last.  A reader that yields more events than
    its bytes can hold, or that reads on after a violation, fails.
    """
    events: list[tuple[Any, ...]] = []
    allowed = 2 * sum(map(len, pieces)) + 2 * len(pieces) + 8
    for piece in pieces:
        reader.receive_data(piece)
        while True:
            allowed -= 1
            assert allowed >= 0, "events without bytes"
            try:
                event = reader.next_event()
            except ProtocolViolation as violation:
                with pytest.raises(ProtocolViolation):
                    reader.next_event()
                return [*events, ("violation", violation.status, violation.code)]
            if event is None:
                break
            value = _value(event)
            if value[0] == "content" and events and events[-1][0] == "content":
                value = ("content", events.pop()[1] + value[1])
            events.append(value)
    return events


@pytest.fixture(scope="session")
def read() -> Any:
    """All events of some bytes."""
    return _read
