"""
Swaps whose time comes.
"""

from __future__ import annotations

import pytest

from tlsgate.certificates import StagedCertificate, StagedCertificates


@pytest.fixture
def stage(gate):
    """
    Keeps a certificate aside for some seconds.
    """

    def keep(certificate, after: float, *bindings: str, reason: str = "") -> None:
        staged = StagedCertificate(
            certificate=certificate,
            source="upload",
            activate_at=gate.now + after,
            author="somebody",
            reason=reason,
            bindings=bindings,
        )
        StagedCertificates(gate.state / "staged").add(staged, gate.now)

    return keep


def test_serves_at_its_second(gate, make_certificate, stage, finished) -> None:
    """
    Not a second before its time, and in the first look after it; then it waits no more.
    """
    pair = make_certificate("shop")
    stage(pair, 90, "https", reason="the old one ends")
    for _ in range(89):
        gate.now += 1
        finished(gate.staged.look(gate.changes))
        assert not gate.serves(pair)
    assert gate.codes() == ["staged"]
    gate.now += 1
    finished(gate.staged.look(gate.changes))
    assert gate.serves(pair)
    assert gate.plane.snapshot.bindings[0].default_certificate == "shop"
    current = gate.changes.current
    assert (current.author, current.reason) == ("somebody", "the old one ends")
    assert gate.said == [{"what": "activated", "name": "shop"}]
    finished(gate.staged.look(gate.changes))
    assert (gate.codes(), gate.changes.current.number) == ([], 2)


def test_a_restart_forgets_none(gate, make_certificate, stage, finished) -> None:
    """
    One whose time came while nobody ran serves at the first look.
    """
    pair = make_certificate("shop")
    stage(pair, 90)
    gate.stop()
    gate.now += 100
    gate.start()
    finished(gate.staged.look(gate.changes))
    assert gate.serves(pair)
    assert gate.plane.snapshot.bindings[0].default_certificate == "default"
    assert gate.changes.current.reason.startswith("staged for 20")


def test_a_later_one_takes_the_place_of_an_earlier(gate, make_certificate, stage, finished) -> None:
    """
    For each name one waits: the one that came last, also if it was named a moment after the last look.
    """
    first, second = make_certificate("shop"), make_certificate("shop")
    stage(first, 10)
    finished(gate.staged.look(gate.changes))
    stage(second, 20)
    gate.now += 15
    finished(gate.staged.look(gate.changes))
    assert not gate.serves(first)
    gate.now += 5
    finished(gate.staged.look(gate.changes))
    assert gate.serves(second)


def test_what_is_refused_is_told_once_and_tried_again(gate, make_certificate, stage, finished) -> None:
    """
    One that the data plane does not take goes on waiting, and is tried once a minute.
    """
    pair = make_certificate("shop")
    stage(pair, 10)
    gate.plane.refuses.add("shop")
    for _ in range(130):
        gate.now += 1
        finished(gate.staged.look(gate.changes))
    assert gate.codes() == ["staged-refused"]
    assert [said["what"] for said in gate.said] == ["staged-refused"]
    gate.plane.refuses.clear()
    for _ in range(61):
        gate.now += 1
        finished(gate.staged.look(gate.changes))
    assert gate.serves(pair)
    assert gate.codes() == []
