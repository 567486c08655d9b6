"""
What a client that follows events is told, and when that ends.
"""

from tlsgate.admin import Events
from tlsgate.admin._events import Event, Following


def test_wanted_from_first_to_final() -> None:
    """
    The first event is told before all others, only wanted ones follow, and nothing after the final one.
    """
    events = Events()
    following = Following(
        events,
        events.last,
        first=Event(0, "order", {"state": "queued"}),
        wanted=lambda event: event.kind == "order",
        final=lambda event: event.content["state"] == "valid",
    )
    events.publish("traffic", {})
    assert following.pull() == b'id: 0\nevent: order\ndata: {"state": "queued"}\n\n'
    assert not following.ended()
    for state in ("validating", "valid", "valid"):
        events.publish("order", {"state": state})
    assert following.pull().count(b"event: ") == 2
    assert following.ended()
    assert following.pull() == b""


def test_ended_before_anybody_asked() -> None:
    """
    What is over already is told once, and that is all.
    """
    following = Following(Events(), 0, first=Event(0, "order", {}), final=lambda event: True)
    assert following.pull() != b""
    assert following.ended()


def test_without_following(gate) -> None:
    """
    With C{follow=false} the answer is what is kept, and has an end.
    """
    gate.call("PUT", "/api/v1/sites/default/hsts", {"enabled": True})
    fields = {"Last-Event-ID": "0"}
    reply = gate.call("GET", "/api/v1/events?follow=false", fields=fields)
    assert reply.fields["content-type"] == "text/event-stream"
    assert reply.body.count(b"event: generation") == 1
    assert int(reply.fields["content-length"]) == len(reply.body)
    assert gate.call("GET", "/api/v1/events?follow=false").body == b""
