"""
Refusals, beyond their documents.
"""


def test_confirming_over_an_old_connection_closes_it(gate) -> None:
    """
    A connection that is too old to confirm a change is closed, so that a browser's next one is new.
    """
    channel, wire = gate.connect("127.0.0.1")
    token = gate.token("admin")
    gate.clock.advance(1.0)
    change = gate.call("PUT", "/api/v1/sites/default/redirect?confirm_within=60", {"mode": "report"})
    number = change.json["generation"]
    line = f"POST /api/v1/generations/{number}/confirm HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
    channel.dataReceived(line.encode() + b"Content-Length: 0\r\n\r\n")
    gate.clock.advance(0)
    assert b"confirm-over-old-path" in wire.value()
    assert b"connection: close" in wire.value().lower()
    assert wire.disconnecting
    gate.clock.advance(1.0)
    assert gate.call("POST", f"/api/v1/generations/{number}/confirm").status == 200
