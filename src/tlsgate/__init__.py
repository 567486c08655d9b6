"""
HTTPS in front of an HTTP server that has none.

The life of a request, which L{tlsgate.downstream} reads in this order: accept -> (PROXY protocol) -> handshake,
SNI selects a context -> head read and framed -> ACME challenge? answer -> host to site -> redirect? answer ->
hop-by-hop fields removed, forwarded fields set -> upstream selected, connection lent -> body up, response down,
backpressure both ways -> hop-by-hop fields removed, HSTS and fields set -> logged.
"""

__version__ = "0.1.0"
