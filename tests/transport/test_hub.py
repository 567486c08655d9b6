"""
Both hubs keep the same promises.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from twisted.internet.interfaces import IReadDescriptor, IReadWriteDescriptor
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from tlsgate.transport import HANGUP, READ, WRITE, EpollHub, IHub, ReactorHub, make_hub


class Contract:
    """
    What L{IHub} promises.
    """

    make: Any

    @pytest.fixture(autouse=True)
    def _arrange(self, lab: Any) -> Iterator[None]:
        self.reactor = lab.Reactor()
        self.hub = self.make(self.reactor)
        self.hub.start()
        self.sockets: list[socket.socket] = []
        yield
        self.hub.stop()
        for sock in self.sockets:
            sock.close()

    def pair(self) -> tuple[socket.socket, socket.socket]:
        pair = socket.socketpair()
        self.sockets += pair
        return pair

    def turn(self) -> None:
        """What a reactor does: poll, then call whom it concerns."""
        poll = select.poll()
        for descriptor in self.reactor.readers | self.reactor.writers:
            mask = select.POLLIN * (descriptor in self.reactor.readers)
            poll.register(descriptor.fileno(), mask | select.POLLOUT * (descriptor in self.reactor.writers))
        descriptors = {descriptor.fileno(): descriptor for descriptor in self.reactor.readers | self.reactor.writers}
        for fd, events in poll.poll(0):
            descriptor = descriptors[fd]
            if events & (select.POLLIN | select.POLLHUP) and descriptor in self.reactor.readers:
                descriptor.doRead()
            if events & select.POLLOUT and descriptor in self.reactor.writers:
                descriptor.doWrite()
        self.reactor.advance(0)

    def test_interface(self) -> None:
        """It provides what it says."""
        assert verifyObject(IHub, self.hub)

    def test_read(self) -> None:
        """A readable descriptor's callback is called again and again until it has read."""
        near, far = self.pair()
        events: list[int] = []
        self.hub.add(near.fileno(), events.append, READ)
        self.turn()
        assert events == []
        far.send(b"x")
        self.turn()
        self.turn()
        assert events == [READ, READ]
        near.recv(1)
        self.turn()
        assert len(events) == 2

    def test_modify(self) -> None:
        """What is watched for can be changed, down to nothing."""
        near, _ = self.pair()
        events: list[int] = []
        self.hub.add(near.fileno(), events.append, READ)
        self.hub.modify(near.fileno(), READ | WRITE)
        self.turn()
        assert events == [WRITE]
        self.hub.modify(near.fileno(), 0)
        self.turn()
        assert events == [WRITE]

    def test_replace(self) -> None:
        """A callback can be replaced, also by itself."""
        near, _ = self.pair()
        first: list[int] = []
        second: list[int] = []

        def replace(events: int) -> None:
            first.append(events)
            self.hub.replace(near.fileno(), second.append)

        self.hub.add(near.fileno(), replace, WRITE)
        self.turn()
        self.turn()
        assert (first, second) == ([WRITE], [WRITE])

    def test_remove(self) -> None:
        """A removed descriptor is not called; removing it again does nothing; changing it is an error."""
        near, _ = self.pair()
        events: list[int] = []
        fd = near.fileno()
        self.hub.add(fd, events.append, WRITE)
        self.hub.remove(fd)
        self.hub.remove(fd)
        self.turn()
        assert events == []
        with pytest.raises(KeyError):
            self.hub.modify(fd, READ)
        with pytest.raises(KeyError):
            self.hub.replace(fd, events.append)

    def test_add_twice(self) -> None:
        """One descriptor, one owner."""
        near, _ = self.pair()
        self.hub.add(near.fileno(), lambda _: None, READ)
        with pytest.raises(FileExistsError):
            self.hub.add(near.fileno(), lambda _: None, READ)

    def test_removed_in_the_same_batch(self) -> None:
        """Whoever comes first may remove the other: that one is not called any more."""
        near, far = self.pair()
        called: list[int] = []

        def remove_other(other: int) -> Callable[[int], None]:
            def on_event(events: int) -> None:
                called.append(events)
                self.hub.remove(other)

            return on_event

        self.hub.add(near.fileno(), remove_other(far.fileno()), WRITE)
        self.hub.add(far.fileno(), remove_other(near.fileno()), WRITE)
        self.turn()
        assert called == [WRITE]

    def test_number_used_again_in_the_same_batch(self) -> None:
        """A descriptor closed and opened again within a batch gets no event of its former owner."""
        near, far = self.pair()
        late: list[int] = []

        def reuse(other: socket.socket) -> Callable[[int], None]:
            def on_event(events: int) -> None:
                self.hub.remove(near.fileno())
                number = other.fileno()
                self.hub.remove(number)
                other.close()
                fresh, _ = self.pair()
                assert fresh.fileno() == number
                self.hub.add(number, late.append, READ)

            return on_event

        self.hub.add(near.fileno(), reuse(far), WRITE)
        self.hub.add(far.fileno(), lambda _: late.append(-1), WRITE)
        # Make sure of the order: a descriptor that becomes ready first is reported first.
        self.turn()
        assert late in ([], [-1])

    def test_a_callback_that_raises(self) -> None:
        """It is logged, its descriptor is dropped, its owner told; others go on."""
        near, far = self.pair()
        told: list[str] = []
        events: list[Any] = []

        class Owner:
            def on_event(self, events: int) -> None:
                raise RuntimeError("broken")

            def crashed(self) -> None:
                told.append("crashed")
                raise RuntimeError("broken, too")

        called: list[int] = []
        self.hub.add(near.fileno(), Owner().on_event, WRITE)
        self.hub.add(far.fileno(), called.append, WRITE)
        globalLogPublisher.addObserver(events.append)
        try:
            self.turn()
            self.turn()
        finally:
            globalLogPublisher.removeObserver(events.append)
        assert told == ["crashed"]
        assert called == [WRITE, WRITE]
        assert len([event for event in events if "log_failure" in event]) == 2

    def test_soon(self) -> None:
        """What is to come soon never comes at once: after the batch, or with the reactor's next turn."""
        near, _ = self.pair()
        order: list[str] = []

        def on_event(events: int) -> None:
            self.hub.remove(near.fileno())
            self.hub.soon(lambda: order.append("soon"))
            order.append("event")

        self.hub.add(near.fileno(), on_event, WRITE)
        self.turn()
        assert order == ["event", "soon"]
        self.hub.soon(lambda: order.append("later"))
        assert len(order) == 2
        self.reactor.advance(0)
        assert order == ["event", "soon", "later"]

    def test_soon_again_and_failing(self) -> None:
        """A call that raises does not keep the next from being made, nor one made by a call."""
        order: list[str] = []

        def first() -> None:
            self.hub.soon(lambda: order.append("third"))
            raise RuntimeError("broken")

        self.hub.soon(first)
        self.hub.soon(lambda: order.append("second"))
        self.turn()
        self.turn()
        assert order == ["second", "third"]

    def test_deadlines_run(self) -> None:
        """The hub's deadlines tick while it runs."""
        self.reactor.advance(1)
        assert self.hub.deadlines.now == 2
        self.hub.stop()
        self.reactor.advance(5)
        assert self.hub.deadlines.now == 2
        self.hub.stop()


class TestReactorHub(Contract):
    """Each descriptor is the reactor's own."""

    make = ReactorHub

    def test_connection_lost(self) -> None:
        """A hang-up that the reactor saw reaches the owner as an event."""
        near, _ = self.pair()
        events: list[int] = []
        self.hub.add(near.fileno(), events.append, READ)
        (watched,) = self.reactor.readers
        assert verifyObject(IReadWriteDescriptor, watched)
        assert watched.logPrefix() == "hub"
        self.reactor.removeReader(watched)
        watched.connectionLost(Failure(OSError()))
        assert events == [HANGUP]
        self.hub.modify(near.fileno(), READ)
        assert watched in self.reactor.readers


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="no epoll here")
class TestEpollHub(Contract):
    """One epoll, nested in the reactor."""

    make = EpollHub

    def test_one_reader(self) -> None:
        """The reactor watches one descriptor, however many the hub watches; none after the end."""
        near, far = self.pair()
        self.hub.add(near.fileno(), lambda _: None, READ)
        self.hub.add(far.fileno(), lambda _: None, READ | WRITE)
        assert self.reactor.readers == {self.hub}
        assert verifyObject(IReadDescriptor, self.hub)
        self.hub.stop()
        assert not self.reactor.readers

    def test_closed_before_removed(self) -> None:
        """A descriptor that was closed first can still be removed."""
        near, _ = self.pair()
        fd = near.fileno()
        self.hub.add(fd, lambda _: None, READ)
        near.close()
        self.hub.remove(fd)

    def test_stopped_within_a_batch(self) -> None:
        """A callback may stop the hub."""
        near, far = self.pair()
        self.hub.add(near.fileno(), lambda _: self.hub.stop(), WRITE)
        self.hub.add(far.fileno(), lambda _: self.hub.stop(), WRITE)
        self.turn()
        assert not self.reactor.readers


def test_make_hub(lab: Any) -> None:
    """The platform's best hub is chosen."""
    hub = make_hub(lab.Reactor())
    assert isinstance(hub, EpollHub if hasattr(select, "epoll") else ReactorHub)
    hub.stop()
