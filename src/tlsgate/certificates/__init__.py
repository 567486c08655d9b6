"""
Certificates before they serve: read in every form that people have, inspected, made here, watched.

An upload is L{_material} (what is in it, by content: L{_pem}, L{_pkcs12}, L{_keys}) → L{_read} (which key belongs to
which leaf) → L{_chain} (order, completeness, trust) → a L{sites.ServerCertificate}.  L{_inspect} is the one place that
says what is good and bad about one.  L{_self_signed}, L{_authority} and L{_csr} make them.

L{_watch} keeps an eye on files (L{_files}), L{_use} knows who would miss one.

Reading and inspecting are functions of bytes and a time; any bytes give a certificate or a L{problems.Problem}.
"""

from ._authority import LocalAuthority
from ._chain import Roots, known_issuers, system_roots
from ._csr import match_signed, new_request
from ._files import Signature, WatchedFiles, folder_files, read_files, signature_of
from ._inspect import EXPIRING, Inspection, State, inspect, state_of, timestamp
from ._keys import KEY_TYPES
from ._notify import inotify_notifier
from ._ocsp import OCSPRefused, Question, Response, question_of, read_response
from ._read import LARGEST, ReadResult, read_certificate
from ._self_signed import self_signed
from ._staged import StagedCertificate, StagedCertificates
from ._use import Users
from ._watch import CertificateWatch, Notifier

__all__ = [
    "EXPIRING",
    "KEY_TYPES",
    "LARGEST",
    "CertificateWatch",
    "Inspection",
    "LocalAuthority",
    "Notifier",
    "OCSPRefused",
    "Question",
    "ReadResult",
    "Response",
    "Roots",
    "Signature",
    "StagedCertificate",
    "StagedCertificates",
    "State",
    "Users",
    "WatchedFiles",
    "folder_files",
    "inotify_notifier",
    "inspect",
    "known_issuers",
    "match_signed",
    "new_request",
    "question_of",
    "read_certificate",
    "read_files",
    "read_response",
    "self_signed",
    "signature_of",
    "state_of",
    "system_roots",
    "timestamp",
]
