"""
Change what is served, safely: try, prove, keep or take back.

Read L{_changes} for the order of the steps, L{_plan} and L{_planner} for what a change would serve, L{_guard} for what is
refused, L{_replacement} for the swap, L{_probe} for what is proven (L{_client}: by whom), L{_start} for what a start serves,
L{_archive} and L{_history} for what was and what waits to be confirmed, L{_ramp} for what only time changes,
L{_announcements} for who hears of it, L{_backup} for the file that a whole node fits into.
"""

from ._backup import Backup, make_backup, read_backup, restore, side_files, write_side_files
from ._bootstrap import first_generation
from ._changes import Changes
from ._client import Target, connect, target_of, unverified_context
from ._files import ICertificateFiles
from ._probe import IProbe, Probe
from ._ramp import HSTSState, NextStep
from ._requests import ChangeRequest, Outcome

__all__ = [
    "Backup",
    "ChangeRequest",
    "Changes",
    "HSTSState",
    "ICertificateFiles",
    "IProbe",
    "NextStep",
    "Outcome",
    "Probe",
    "Target",
    "connect",
    "first_generation",
    "make_backup",
    "read_backup",
    "restore",
    "side_files",
    "target_of",
    "unverified_context",
    "write_side_files",
]
