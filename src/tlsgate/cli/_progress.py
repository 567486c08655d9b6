"""
A moving sign on standard error for whoever waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

from ._show import clean

__all__ = ["progress"]


@contextmanager
def progress(wanted: bool) -> Iterator[Callable[[str], None]]:
    """
    Show the present step of long work.

    @param wanted: is there a terminal to show it on?

    @return: is called with each step.
    """
    if not wanted:
        yield lambda step: None
        return
    with Console(stderr=True, markup=False).status("waiting") as shown:
        yield lambda step: shown.update(clean(step))
