"""
Accept connections on bindings.

L{_endpoint} makes a socket listen, L{_takeover} also where one of ours has its port; L{_accept} takes connections from it,
L{_admission} counts who may be connected, L{_reception} receives them for a binding, L{_preface} deals with PROXY headers and
tells TLS from plain HTTP, and L{_service} ties all of it together.  L{_private_socket} is for what is the gate's own.
"""

from ._admission import Admission, descriptor_limit
from ._endpoint import EndpointAddress, ListeningSocket, address_of, open_listening_socket
from ._private_socket import listen_privately
from ._service import BindingListener
from ._takeover import open_in_place_of

__all__ = [
    "Admission",
    "BindingListener",
    "EndpointAddress",
    "ListeningSocket",
    "address_of",
    "descriptor_limit",
    "listen_privately",
    "open_in_place_of",
    "open_listening_socket",
]
