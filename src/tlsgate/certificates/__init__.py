"""
Certificates before they serve: read in every form that people have, inspected, made here, watched.

An upload is L{_material} (what is in it, by content: L{_pem}, L{_pkcs12}, L{_keys}) → L{_read} (which key belongs to
which leaf) → L{_chain} (order, completeness, trust) → a L{sites.ServerCertificate}.  L{_inspect} is the one place that
says what is good and bad about one.  L{_self_signed}, L{_authority} and L{_csr} make them.

Everything here is a function of bytes and a time; any bytes give a certificate or a L{problems.Problem}.
"""

from ._authority import LocalAuthority
from ._chain import Roots, known_issuers, system_roots
from ._csr import match_signed, new_request
from ._inspect import EXPIRING, Inspection, State, inspect, state_of, timestamp
from ._keys import KEY_TYPES
from ._read import LARGEST, ReadResult, read_certificate
from ._self_signed import self_signed

__all__ = [
    "EXPIRING",
    "KEY_TYPES",
    "LARGEST",
    "Inspection",
    "LocalAuthority",
    "ReadResult",
    "Roots",
    "State",
    "inspect",
    "known_issuers",
    "match_signed",
    "new_request",
    "read_certificate",
    "self_signed",
    "state_of",
    "system_roots",
    "timestamp",
]
