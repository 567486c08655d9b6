"""
One exchange, from a client's request to its logged answer.

L{_channel} reads requests one after the other, L{_exchange} conducts each, L{_meaning} remembers what equal fields mean,
L{_routing} finds the site, L{_plain} looks at plain HTTP, L{_tunnel} takes over after an upgrade, L{_answers} speaks for the
gate itself
and L{_access_log} writes it all down.  L{_plane} is what they share.
"""

from ._access_log import AccessLog
from ._channel import Channel
from ._plane import Plane
from ._routing import Routes, ServedSite
from ._source import ChannelSource

__all__ = ["AccessLog", "Channel", "ChannelSource", "Plane", "Routes", "ServedSite"]
