"""
Files of other programs, with a clock that is turned by hand.
"""

from __future__ import annotations

import os
import time

import pytest
from twisted.internet.task import Clock

from tlsgate.certificates import CertificateWatch, WatchedFiles, self_signed


class Stage:
    """
    A folder with one watched pair, and what the watch said of it.
    """

    def __init__(self, folder) -> None:
        self.clock = Clock()
        self.said: list[tuple[str, ...]] = []
        self.folder = folder
        self.chain, self.key = folder / "fullchain.pem", folder / "privkey.pem"
        self.watch = CertificateWatch(
            self.clock,
            changed=lambda name, result: self.said.append(("changed", name, result.certificate.fingerprint)),
            broken=lambda name, problem: self.said.append(("broken", name, problem.code)),
            removed=lambda name: self.said.append(("removed", name)),
        )

    def put(self, certificate, *, chain=True, key=True) -> None:
        for path, content, wanted in ((self.chain, certificate.chain, chain), (self.key, certificate.key, key)):
            if wanted:
                new = path.with_suffix(".new")
                new.write_bytes(content)
                new.replace(path)

    def begin(self, serving=()) -> None:
        self.watch.watch([WatchedFiles("files", self.chain, self.key)], serving=serving)
        self.watch.start()
        self.wait(0.01)

    def wait(self, seconds: float) -> None:
        self.clock.pump([0.05] * max(1, int(seconds / 0.05)))

    def take(self) -> list[tuple[str, ...]]:
        said, self.said = self.said, []
        return said


@pytest.fixture
def stage(tmp_path):
    made = Stage(tmp_path)
    yield made
    made.watch.stop()
    assert made.clock.getDelayedCalls() == []


@pytest.fixture(scope="module")
def pairs():
    return [self_signed("files", [f"v{number}.test"], now=time.time()) for number in range(3)]


def test_hands_on_what_is_there(stage, pairs) -> None:
    """
    The first look hands on the pair at once, and the next ones say nothing.
    """
    stage.put(pairs[0])
    stage.begin()
    assert stage.take() == [("changed", "files", pairs[0].fingerprint)]
    stage.wait(10)
    assert stage.take() == []


def test_says_nothing_of_what_serves(stage, pairs) -> None:
    """
    A pair that serves already is not handed on again.
    """
    stage.put(pairs[0])
    stage.begin(serving=[pairs[0]])
    stage.wait(3)
    assert stage.take() == []


def test_swaps_a_new_pair(stage, pairs) -> None:
    """
    A replaced pair is handed on within five seconds.
    """
    stage.put(pairs[0])
    stage.begin()
    stage.take()
    stage.put(pairs[1])
    stage.wait(5)
    assert stage.take() == [("changed", "files", pairs[1].fingerprint)]


def test_waits_for_the_other_half(stage, pairs) -> None:
    """
    A new certificate whose key comes some seconds later is handed on whole, and nothing is said to be broken.
    """
    stage.put(pairs[0])
    stage.begin()
    stage.take()
    stage.put(pairs[1], key=False)
    stage.wait(4)
    assert stage.take() == []
    stage.put(pairs[1], chain=False)
    stage.wait(2)
    assert stage.take() == [("changed", "files", pairs[1].fingerprint)]


def test_broken_files_are_said_once(stage, pairs) -> None:
    """
    Files that stay broken are reported once, with the reason, until they are whole again.
    """
    stage.put(pairs[0])
    stage.begin()
    stage.take()
    stage.chain.write_bytes(b"broken")
    stage.wait(20)
    assert stage.take() == [("broken", "files", "certificate-unreadable")]
    assert list(stage.watch.broken) == ["files"]
    stage.put(pairs[2])
    stage.wait(5)
    assert stage.take() == [("changed", "files", pairs[2].fingerprint)]
    assert stage.watch.broken == {}


def test_restoring_the_old_pair_is_no_change(stage, pairs) -> None:
    """
    Files that come back as they were are well again without being handed on.
    """
    stage.put(pairs[0])
    stage.begin()
    stage.take()
    stage.chain.unlink()
    stage.wait(10)
    assert stage.take() == [("broken", "files", "certificate-unreadable")]
    stage.put(pairs[0])
    stage.wait(5)
    assert (stage.take(), stage.watch.broken) == ([], {})


def test_follows_the_links_of_certbot(stage, pairs) -> None:
    """
    Links that are turned to new files are a change.
    """
    archive = stage.folder / "archive"
    archive.mkdir()
    for number, pair in enumerate(pairs[:2]):
        (archive / f"fullchain{number}.pem").write_bytes(pair.chain)
        (archive / f"privkey{number}.pem").write_bytes(pair.key)

    def turn(number: int) -> None:
        for path in (stage.chain, stage.key):
            path.unlink(missing_ok=True)
            path.symlink_to(archive / f"{path.stem}{number}.pem")

    turn(0)
    stage.begin()
    assert stage.take() == [("changed", "files", pairs[0].fingerprint)]
    turn(1)
    stage.wait(5)
    assert stage.take() == [("changed", "files", pairs[1].fingerprint)]


def test_follows_the_folder_of_kubernetes(tmp_path, pairs) -> None:
    """
    A C{..data} link that is swapped for another folder is a change.
    """
    for number, pair in enumerate(pairs[:2]):
        folder = tmp_path / f"..{number}"
        folder.mkdir()
        (folder / "tls.crt").write_bytes(pair.chain)
        (folder / "tls.key").write_bytes(pair.key)
    data = tmp_path / "..data"
    data.symlink_to("..0")
    stage = Stage(tmp_path)
    for name, path in (("tls.crt", stage.chain), ("tls.key", stage.key)):
        path.symlink_to(f"..data/{name}")
    stage.begin()
    assert stage.take() == [("changed", "files", pairs[0].fingerprint)]
    new = tmp_path / "..data_tmp"
    new.symlink_to("..1")
    new.replace(data)
    stage.wait(5)
    assert stage.take() == [("changed", "files", pairs[1].fingerprint)]


def test_a_folder_of_certificates(stage, pairs) -> None:
    """
    A file dropped into a watched folder is a certificate of its name, and its removal is told.
    """
    (stage.folder / "shop.pem").write_bytes(pairs[0].key + pairs[0].chain)
    stage.watch.watch([], [stage.folder])
    stage.watch.start()
    stage.wait(0.01)
    assert stage.take() == [("changed", "shop", pairs[0].fingerprint)]
    (stage.folder / "blog.crt").write_bytes(pairs[1].chain)
    (stage.folder / "blog.key").write_bytes(pairs[1].key)
    stage.wait(5)
    assert stage.take() == [("changed", "blog", pairs[1].fingerprint)]
    (stage.folder / "shop.pem").unlink()
    stage.wait(5)
    assert stage.take() == [("removed", "shop")]


class SlowClock(Clock):
    """
    A clock on which whoever asks for the time finds that a hundredth of a second has passed.

    @ivar turns: how often something was put off.
    """

    turns = 0

    def seconds(self) -> float:
        self.rightNow += 0.01
        return self.rightNow

    def callLater(self, *arguments, **named):
        self.turns += 1
        return super().callLater(*arguments, **named)


class Told:
    """
    Is told by the test that something happened.
    """

    def __init__(self, happened) -> None:
        self.happened = happened

    def watch(self, folders) -> bool:
        return True

    def stop(self) -> None:
        pass


def test_many_are_looked_at_in_slices(tmp_path, pairs) -> None:
    """
    A folder of many is looked at for a few hundredths of a second at a time; what happens meanwhile is seen in a look
    of its own, soon after.
    """
    clock, notifiers, said = SlowClock(), [], []

    def notifier(happened) -> Told:
        notifiers.append(Told(happened))
        return notifiers[0]

    def changed(name, _) -> None:
        said.append((clock.turns, name))
        if len(said) == 10:
            (tmp_path / "p00.pem").write_bytes(pairs[1].key + pairs[1].chain)
            notifiers[0].happened()

    for number in range(20):
        (tmp_path / f"p{number:02}.pem").write_bytes(pairs[0].key + pairs[0].chain)
    watch = CertificateWatch(clock, changed=changed, broken=lambda *_: None, notifier=notifier)
    watch.watch([], [tmp_path])
    watch.start()
    # Without anybody's word it would be looked at again after half a minute.
    while len(said) < 21 and clock.rightNow < 20:
        clock.advance(0.01)
    assert [name for _, name in said] == [*(f"p{number:02}" for number in range(20)), "p00"]
    in_turn = [turn for turn, _ in said]
    assert max(in_turn.count(turn) for turn in in_turn) <= 3
    watch.stop()


def test_one_that_is_not_whole_does_not_hold_up_another(stage, pairs) -> None:
    """
    While one pair waits for its other half, a change of another is served.
    """
    stage.put(pairs[0])
    other = stage.folder / "other.pem"
    other.write_bytes(pairs[0].key + pairs[0].chain)
    stage.watch.watch([WatchedFiles("files", stage.chain, stage.key), WatchedFiles("other", other)])
    stage.watch.start()
    stage.wait(0.01)
    stage.take()
    stage.put(pairs[1], key=False)
    stage.wait(2.5)
    other.write_bytes(pairs[2].key + pairs[2].chain)
    stage.wait(3)
    stage.put(pairs[1])
    stage.wait(1)
    assert stage.take() == [("changed", "other", pairs[2].fingerprint), ("changed", "files", pairs[1].fingerprint)]


def test_a_fifo_is_no_file(stage, pairs) -> None:
    """
    A FIFO in the place of a file is refused without waiting for its writer.
    """
    os.mkfifo(stage.chain)
    stage.key.write_bytes(pairs[0].key)
    stage.begin()
    stage.wait(10)
    assert stage.take() == [("broken", "files", "certificate-unreadable")]
