"""
Pure decisions on heads: what ends at this hop, what the upstream is told, who is redirected, what browsers remember.

No module here knows a transport; the state that a decision needs is handed in.
"""

from ._challenge import challenge_answer
from ._credentials import Found, credentials_in_clear, credentials_in_fields, is_login
from ._explanation import Explanation, explain_request
from ._fields import downstream_fields, offload
from ._forwarded import ClientAddress, client_address, is_secure, is_trusted, kept_request_id, upstream_fields
from ._hop_by_hop import HOP_BY_HOP, end_to_end
from ._hsts import PRELOAD_MAX_AGE, hsts_value
from ._loops import HandedOn, LoopDetector, Sighting, loop_findings
from ._max_forwards import COUNTS_HOPS, hops_left, traced, with_hops_left
from ._plain_http import PlainHTTPReport
from ._redirect import Decision, PlainRequest, explain, is_browser
from ._trailers import trailers_to_pass

__all__ = [
    "COUNTS_HOPS",
    "HOP_BY_HOP",
    "PRELOAD_MAX_AGE",
    "ClientAddress",
    "Decision",
    "Explanation",
    "Found",
    "HandedOn",
    "LoopDetector",
    "PlainHTTPReport",
    "PlainRequest",
    "Sighting",
    "challenge_answer",
    "client_address",
    "credentials_in_clear",
    "credentials_in_fields",
    "downstream_fields",
    "end_to_end",
    "explain",
    "explain_request",
    "hops_left",
    "hsts_value",
    "is_browser",
    "is_login",
    "is_secure",
    "is_trusted",
    "kept_request_id",
    "loop_findings",
    "offload",
    "traced",
    "trailers_to_pass",
    "upstream_fields",
    "with_hops_left",
]
