"""
CPU per resumed handshake with one small exchange.
"""

from __future__ import annotations

from . import newconn
from ._report import Report
from ._rounds import Options


def run(options: Options) -> Report:
    """
    Measure every peer.
    """
    return newconn.run(options, resume=True)
