"""
A worker process, started by the supervisor with its end of the link.
"""

from __future__ import annotations

from ._worker import run

if __name__ == "__main__":
    from twisted.internet import reactor

    run(reactor)
