"""
A moving sign on standard error for whoever waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bars

from ._show import clean

__all__ = ["progress", "progress_bar"]


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


@contextmanager
def progress_bar(wanted: bool) -> Iterator[Callable[[int, int, str], None]]:
    """
    Show how much of long work is done.

    @param wanted: is there a terminal to show it on?

    @return: is called with how much is done, of how much, and the present step.
    """
    if not wanted:
        yield lambda done, total, step: None
        return
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}", markup=False))
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=None)
        yield lambda done, total, step: bars.update(task, completed=done, total=total or None, description=clean(step))
