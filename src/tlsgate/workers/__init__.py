"""
One data-plane process per core, and one that looks after them.

L{_supervisor} is the data plane that the control plane publishes to (L{_prepared}, with what it waits for in L{_conditions});
L{_places} keeps a process in each place, a L{_child} in a L{_slot}, and replaces what has no L{_heartbeat}.  A child is asked
over a L{_link} and handed the L{_sockets} that the supervisor bound; what one tells that all must know goes through
L{_sharing}.  On the other end L{_worker} does what it is told with a L{_local} data plane, the same that serves alone with
C{--workers 0}.  L{_systemd} tells the service manager.
"""

from ._limits import core_count, forbid_core_dumps, give_back_memory, raise_descriptor_limit
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
    "give_back_memory",
    "raise_descriptor_limit",
]
