"""
Changes of the admin listener that would keep out whoever makes them.
"""

from __future__ import annotations

from typing import Any

from ..problems import Problem
from ..settings import Document
from ._admin_tls import client_authorities
from ._operations import Call

__all__ = ["check_admin_access"]

#: What is to be named by C{force}.
ADMIN = "admin"


def check_admin_access(call: Call, document: Document) -> None:
    """
    A new file of client CAs must be one; and whoever makes client certificates necessary without showing one would be
    the first who does not get in again, unless the change comes undone by itself.

    @raise Problem: C{invalid-settings}, C{would-lock-out}.
    """
    before = call.control.changes.effective.admin
    wanted: Any = document.get("admin")
    if not isinstance(wanted, dict):
        return
    file = wanted.get("client_ca_file", "")
    if not isinstance(file, str) or not file:
        return
    if file != before.client_ca_file:
        client_authorities(file)
    was_required = bool(before.client_ca_file) and before.client_certificate == "required"
    is_required = wanted.get("client_certificate", "required") == "required"
    if not is_required or (was_required and file == before.client_ca_file) or call.peer.is_unix:
        return
    has_shown = call.peer.certificate and file == before.client_ca_file
    if not has_shown and "confirm_within" not in call.query and ADMIN not in call.query.get("force", ()):
        raise Problem(
            "would-lock-out",
            "Client certificates would be required, and this connection shows none that the new file's CAs signed: make "
            "it optional first, change it through the UNIX socket, use confirm_within, or force it by the name admin.",
            step="handshake",
            object=ADMIN,
        )
