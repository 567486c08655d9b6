"""
The admin API for Twisted programs, on treq; the command line is one of them.

::

    client = AdminClient.over_socket(reactor, Path("/var/lib/tlsgate/admin.sock"))
    changed = await client.upload({"certificate": chain, "key": key}, Change(reason="renewed", confirm_within=60))
    await client.confirm(changed["generation"])

    async for event in client.events():
        print(event.kind, event.document)

Every method answers the API's own JSON document, and raises L{Refused} (a L{Problem}) where the gate refuses, and
L{Unreachable} where there is no gate to ask.
"""

from ..problems import Problem
from ._change import Change, Reply
from ._client import AdminClient
from ._events import Event
from ._problem import Refused
from ._wire import Unreachable

__all__ = ["AdminClient", "Change", "Event", "Problem", "Refused", "Reply", "Unreachable"]
