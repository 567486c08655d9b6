"""
Pure decisions on heads: what ends at this hop, what the upstream is told, who is redirected, what browsers remember.

No module here knows a transport; the state that a decision needs is handed in.
"""

from ._challenge import challenge_answer
from ._fields import offload, response_fields
from ._forwarded import ClientAddress, client_address, is_secure, is_trusted, request_id_of, upstream_fields
from ._hop_by_hop import HOP_BY_HOP, end_to_end, trailers_to_pass
from ._hsts import hsts_value
from ._redirect import Decision, decide, explain, is_browser

__all__ = [
    "HOP_BY_HOP",
    "ClientAddress",
    "Decision",
    "challenge_answer",
    "client_address",
    "decide",
    "end_to_end",
    "explain",
    "hsts_value",
    "is_browser",
    "is_secure",
    "is_trusted",
    "offload",
    "request_id_of",
    "response_fields",
    "trailers_to_pass",
    "upstream_fields",
]
