"""
Calls, answers and descriptors over a link.
"""

from __future__ import annotations

import os
import pickle
import struct
from typing import Any

import pytest
from _scripted import Wire, certificate, snapshot, wired
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from tlsgate.interfaces import ApplyFailed
from tlsgate.sites import Scheme
from tlsgate.workers._link import CallFailed, Link, LinkLost


class Ends:
    """
    Two links; the far one answers with C{verbs}.
    """

    def __init__(self, size: int = 1 << 20, **verbs: Any) -> None:
        self.lost: list[str] = []
        self.near = Link({}, lambda: self.lost.append("near"))
        self.far = Link(verbs, lambda: self.lost.append("far"))
        self.calls: list[Any] = []
        self.to_far, self.to_near = wired(self.near, self.far, self.calls.append, size)

    def run(self) -> None:
        while self.calls:
            self.calls.pop(0)()

    def ask(self, verb: str, argument: Any = None, descriptors: tuple[int, ...] = ()) -> Any:
        answer = self.near.call(verb, argument, descriptors)
        self.run()
        outcomes: list[Any] = []
        answer.addBoth(outcomes.append)
        return outcomes[0] if outcomes else None


@given(st.integers(1, 40))
@settings(max_examples=25)
def test_frames_arrive_whole_wherever_they_are_cut(size: int) -> None:
    """
    Values come back equal, with every class that a snapshot is made of.
    """
    ends = Ends(size, same=lambda argument, _: argument)
    wanted = snapshot(7, certificate("a"), certificate("b"))
    assert ends.ask("same", wanted) == wanted
    assert ends.ask("same", [1, None, {"a": (b"x", 2.5)}]) == [1, None, {"a": (b"x", 2.5)}]


def test_descriptors_come_with_the_call_that_names_them() -> None:
    """
    Each call gets its own, in order, and they are not inherited.
    """
    got: list[tuple[str, list[bool]]] = []

    def take(name: str, descriptors: list[int]) -> list[int]:
        got.append((name, [os.get_inheritable(each) for each in descriptors]))
        found = [os.fstat(each).st_ino for each in descriptors]
        for each in descriptors:
            os.close(each)
        return found

    ends = Ends(3, take=take)
    one, other = os.pipe()
    try:
        first, second = ends.near.call("take", "first", (one, other)), ends.near.call("take", "second", (other,))
        ends.run()
        assert first.result == [os.fstat(one).st_ino, os.fstat(other).st_ino]
        assert second.result == [os.fstat(other).st_ino]
        assert got == [("first", [False, False]), ("second", [False])]
    finally:
        os.close(one)
        os.close(other)


def test_answers_may_come_late_and_out_of_order() -> None:
    """
    Each answer reaches the call that it answers.
    """
    waiting: dict[str, Deferred[str]] = {"a": Deferred(), "b": Deferred()}
    ends = Ends(wait=lambda name, _: waiting[name])
    first, second = ends.near.call("wait", "a"), ends.near.call("wait", "b")
    ends.run()
    waiting["b"].callback("B")
    waiting["a"].callback("A")
    ends.run()
    assert (first.result, second.result) == ("A", "B")


def test_refusals_are_told_apart() -> None:
    """
    An ApplyFailed arrives as what it was; anything else as CallFailed, without what it said.
    """

    def refuse(argument: object, _: object) -> None:
        raise ApplyFailed("port-in-use", "binding x", "It is taken.")

    def break_down(argument: object, _: object) -> None:
        raise ValueError("the key is hunter2")

    ends = Ends(refuse=refuse, break_down=break_down)
    refused = ends.ask("refuse")
    assert (refused.value.code, refused.value.subject, refused.value.detail) == (
        "port-in-use",
        "binding x",
        "It is taken.",
    )
    broken = ends.ask("break_down")
    assert isinstance(broken.value, CallFailed)
    assert "hunter2" not in str(broken.value)
    assert isinstance(ends.ask("unheard_of").value, CallFailed)


def test_what_waits_for_an_answer_is_told_of_the_end() -> None:
    """
    A lost link fails the calls that wait and all that come.
    """
    ends = Ends(wait=lambda *_: Deferred())
    waiting = ends.near.call("wait")
    ends.run()
    ends.to_near.lose()
    failed: list[Any] = []
    waiting.addErrback(failed.append)
    ends.near.call("wait").addErrback(failed.append)
    assert [type(each.value) for each in failed] == [LinkLost, LinkLost]
    assert ends.lost == ["near"]


@pytest.mark.parametrize("what", [os.system, os.path.join, pickle.loads, Wire, eval])
def test_only_known_classes_are_unpickled(what: Any) -> None:
    """
    A pickle that names anything else ends the link, and nothing of it is called.
    """
    ends = Ends(same=lambda argument, _: argument)
    assert isinstance(ends.ask("same", what).value, LinkLost)
    assert "far" in ends.lost or "near" in ends.lost


class Reaching:
    """
    Pickled as the result of a getattr, as some versions of Python pickle the members of an Enum.
    """

    def __init__(self, owner: object, name: str) -> None:
        self.reached = owner, name

    def __reduce__(self) -> Any:
        return getattr, self.reached


def test_only_members_are_reached_for() -> None:
    """
    What is found by name in an Enum arrives; anything else that could be reached so ends the link.
    """
    ends = Ends(same=lambda argument, _: argument is Scheme.HTTPS)
    assert ends.ask("same", Reaching(Scheme, "HTTPS")) is True
    assert isinstance(ends.ask("same", Reaching(bytes, "fromhex")).value, LinkLost)


@pytest.mark.parametrize("data", [struct.pack("!BBII", 0, 0, 1, 0xFFFFFFFF), struct.pack("!BBII", 0, 0, 1, 3) + b"abc"])
def test_nonsense_ends_the_link(data: bytes) -> None:
    """
    A length beyond all measure is refused before its bytes are there; so is what is no pickle.
    """
    ends = Ends()
    ends.far.dataReceived(data)
    ends.run()
    assert "near" in ends.lost


def test_a_note_is_not_answered() -> None:
    """
    It is acted on, and nothing goes back.
    """
    heard: list[object] = []
    ends = Ends(tell=lambda argument, _: heard.append(argument))
    ends.near.note("tell", "something")
    ends.run()
    assert heard == ["something"]
    assert ends.to_near.sent == 0


def test_descriptors_that_nobody_took_are_closed() -> None:
    """
    The end of the link leaks none.
    """
    ends = Ends()
    one, other = os.pipe()
    os.close(other)
    ends.far.fileDescriptorReceived(one)
    ends.far.connectionLost(Failure(ConnectionError()))
    with pytest.raises(OSError):
        os.fstat(one)
