"""
What goes on while nobody asks: files that change, time that passes, and what clients really see.

L{_files} ties the files of certificates to changes, L{_served} meets the gate's own bindings as a client, L{_states}
tells where certificates are in their lives, L{_staged} makes swaps at their time, L{_stapling} fetches OCSP responses.
L{_watching} puts them together for the service.
"""

from ._files import CertificateFiles
from ._served import Served, ServedWatch
from ._staged import StagedSwaps
from ._stapling import Stapling
from ._states import StateWatch
from ._watching import Watching, make_watching

__all__ = [
    "CertificateFiles",
    "Served",
    "ServedWatch",
    "StagedSwaps",
    "Stapling",
    "StateWatch",
    "Watching",
    "make_watching",
]
