"""
What a hub promises to the descriptors on it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from zope.interface import Attribute, Interface

__all__ = ["IEndObserver", "IHub", "Subject"]


class Subject(Protocol):
    """
    Something with a deadline.  Both attributes begin as 0 and belong to L{Deadlines}, but C{deadline} may be moved
    later by assignment.

    @ivar deadline: the last tick at which the subject is still in time; 0 for none.
    @ivar deadline_slot: the tick at which L{Deadlines} looks at the subject again; 0 when it does not.
    """

    deadline: int
    deadline_slot: int

    def deadline_passed(self) -> None:
        """
        Time is up; C{deadline} is 0 again.
        """


class IHub(Interface):
    """
    Watches descriptors for one reactor and calls back when something can be done with them.

    Level-triggered: a callback is called again and again while its descriptor is ready for something it was added
    for.  Hang-up and error are reported whether they were asked for or not.  A callback may do anything to any
    descriptor of the hub, itself included: what was removed in the meantime is not called any more, and a number
    that was closed and used again in the meantime gets no event of its former owner.

    When a callback raises, that is logged, its descriptor is removed, and if the callback is a method of an object
    with a method C{crashed}, that is called; the other descriptors do not notice.

    Called from the reactor thread only.
    """

    reactor = Attribute("The reactor below; C{callLater} and C{seconds} of it are used.")
    deadlines = Attribute("The L{Deadlines} of all that is on this hub; runs while the hub does.")

    def start() -> None:
        """
        Begin to watch.
        """

    def stop() -> None:
        """
        Watch nothing any more and give the hub's own descriptor back.  The watched descriptors are not closed.
        Calling it again does nothing.
        """

    def add(fd: int, on_event: Callable[[int], None], events: int) -> None:
        """
        Watch a descriptor.

        @param on_event: called with the bits of what happened: any of C{READ}, C{WRITE}, C{HANGUP}, C{ERROR},
            C{PEER_ENDED}.
        @param events: any of C{READ}, C{WRITE}, and C{PEER_ENDED}, for which not every platform can watch.
        @raise FileExistsError: it is watched already.
        """

    def modify(fd: int, events: int) -> None:
        """
        Change what a descriptor is watched for.

        @raise KeyError: it is not watched.
        """

    def replace(fd: int, on_event: Callable[[int], None]) -> None:
        """
        Change who is called for a descriptor; takes effect at once.

        @raise KeyError: it is not watched.
        """

    def remove(fd: int) -> None:
        """
        Watch a descriptor no longer; call it I{before} closing.  Does nothing if it is not watched.
        """

    def soon(call: Callable[[], None]) -> None:
        """
        Call something once, after the events at hand, and never before this returns.
        """


class IEndObserver(Interface):
    """
    A protocol that has no use for what it has not read yet once its peer has gone.

    While it reads, it is told of the end in its turn.  While it is paused, nobody else would tell it: the end lies
    behind input that may not be read for minutes.
    """

    def peer_ended() -> None:
        """
        The peer has ended its side, behind input that is not read yet.  May be called again after a pause.  Not every
        platform knows.
        """
