"""
One data-plane process per core, and one that looks after them.

L{_supervisor} is the data plane that the control plane publishes to; each L{_child} of it is a process in a L{_slot},
asked over a L{_link} and handed the L{_sockets} that the supervisor bound.  On the other end L{_worker} does what it is told
with a L{_local} data plane, the same that serves alone with C{--workers 0}.  L{_systemd} tells the service manager.
"""

from ._limits import core_count, forbid_core_dumps, raise_descriptor_limit
from ._local import LocalPlane, Setup
from ._supervisor import Supervisor
from ._systemd import ServiceManager

__all__ = [
    "LocalPlane",
    "ServiceManager",
    "Setup",
    "Supervisor",
    "core_count",
    "forbid_core_dumps",
    "raise_descriptor_limit",
]
