"""
The origin: connections lent, pooled and watched.

L{UpstreamGroup} picks a server (L{_selection}), its L{ServerPool} lends a connection (L{_pool}) or opens one
(L{_opening}), which reads one response at a time (L{_connection}).  L{_health} decides which servers may be picked.
"""

from ._connection import IBorrower, UpstreamConnection
from ._group import GroupsPlan, UpstreamGroup, UpstreamGroups
from ._pool import ServerPool

__all__ = ["GroupsPlan", "IBorrower", "ServerPool", "UpstreamConnection", "UpstreamGroup", "UpstreamGroups"]
