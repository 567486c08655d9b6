"""
What every place that keeps generations promises.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from zope.interface import Interface

if TYPE_CHECKING:
    from ._generations import Generation

__all__ = ["IStaged", "IStore"]


class IStaged(Interface):
    """
    A generation that is stored but not current.  Exactly one verb is called, once; a restart gives it up.
    """

    def finish() -> None:
        """
        Make it current.

        @raise Problem: C{generation-moved}, C{storage-failed}: it is not, and was given up.
        """

    def give_up() -> None:
        """
        Forget it.  Raises nothing: what cannot be removed now is removed later.
        """


class IStore(Interface):
    """
    Where generations are kept.  Every verb blocks, and may be called from any one thread at a time.

    Every verb raises L{Problem} C{storage-failed} if the place cannot be read or written; then nothing has changed.
    """

    def open() -> None:
        """
        Take the store for this process alone, check it, and clear away what a crash left.
        """

    def close() -> None:
        """
        Let another process take it.
        """

    def current() -> Generation | None:
        """
        The current generation; L{None} if there was never one.
        """

    def commit(parent: int, generation: Generation) -> None:
        """
        Make a generation the current one, durably and all or nothing: L{stage} and L{IStaged.finish} in one.
        """

    def stage(parent: int, generation: Generation) -> IStaged:
        """
        Put a generation by, whole and durable, so that making it current is one small step that hardly fails.

        @param parent: the number that must be current now; 0 for none.
        @param generation: its number is at least L{next_number}.

        @raise Problem: C{generation-moved}: C{parent} is not current.
        """

    def read(number: int) -> Generation:
        """
        A kept generation.

        @raise Problem: C{not-found}.
        """

    def outline(number: int) -> Generation:
        """
        The same without its certificates, which takes no time where there are many.

        @raise Problem: C{not-found}.
        """

    def numbers() -> list[int]:
        """
        The numbers of the kept generations, ascending.
        """

    def next_number() -> int:
        """
        The smallest number that the next generation may have.
        """

    def confirm(number: int) -> None:
        """
        Remember durably that a generation was confirmed; twice is fine.

        @raise Problem: C{not-found}.
        """

    def confirmed(number: int) -> bool:
        """
        Was it confirmed?
        """

    def prune(keep: int, age: float, now: float, spare: Collection[int]) -> list[int]:
        """
        Forget old generations, never the current one.

        @param keep: how many of the newest are kept.
        @param age: older ones than this are forgotten too, seconds; 0 for any age.
        @param now: Unix time.
        @param spare: numbers that are kept whatever their age.

        @return: the numbers that were forgotten.
        """
