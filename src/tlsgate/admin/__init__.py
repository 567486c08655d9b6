"""
The admin API: what is served, how to change it, who may, and who did.

A request is L{_web} (bytes, bounds, deadlines) → L{_service} (guard, authenticate, match, authorise, read, run) → a
function of L{_api}, declared in L{_operations}'s registry → L{_changing} for what makes a generation.  L{_guarding}
keeps web pages away, L{_auth} and L{_tokens} know who asks, L{_audit} remembers it.  L{openapi} describes it all.
"""

from ._admin_tls import AdminTLS, admin_names
from ._api._acme import acme_operations
from ._audit import AuditLog
from ._auth import Peer, Principal
from ._changing import change_request, changed, make_change
from ._composition import Admin, make_admin
from ._control import Control
from ._events import Event, Events
from ._listening import ADMIN_SOCKET, listen_on_socket, listen_with_tls
from ._operations import Answer, Body, Call, Operation, Operations, Parameter
from ._tokens import Permission, SetupToken, Token, Tokens
from .openapi import openapi_document

__all__ = [
    "ADMIN_SOCKET",
    "Admin",
    "AdminTLS",
    "Answer",
    "AuditLog",
    "Body",
    "Call",
    "Control",
    "Event",
    "Events",
    "Operation",
    "Operations",
    "Parameter",
    "Peer",
    "Permission",
    "Principal",
    "SetupToken",
    "Token",
    "Tokens",
    "acme_operations",
    "admin_names",
    "change_request",
    "changed",
    "listen_on_socket",
    "listen_with_tls",
    "make_admin",
    "make_change",
    "openapi_document",
]
