"""
Certificates in files of other programs, from the file to what serves.
"""

from __future__ import annotations

import pytest

from tlsgate.problems import Problem


def test_named_files_serve_when_the_change_is_answered(gate, make_certificate) -> None:
    """
    The pair that a change of the settings names serves once the change is done, as a certificate from files.
    """
    pair = make_certificate("shop")
    gate.put(pair)
    gate.name_files("shop")
    assert gate.serves(pair)
    assert gate.changes.current.certificates["shop"].source == "files"
    assert gate.codes() == []


def test_a_change_that_names_broken_files_is_refused(gate, make_certificate) -> None:
    """
    Nothing changes, and the refusal says where in the document.
    """
    gate.put(make_certificate("shop"), key=False)
    with pytest.raises(Problem) as caught:
        gate.name_files("shop")
    assert (caught.value.code, caught.value.errors[0].pointer) == ("key-unreadable", "/certificate/0")
    assert gate.changes.current.number == 1


def test_a_new_pair_is_a_generation(gate, make_certificate) -> None:
    """
    Files that change later make a generation of their own.
    """
    gate.put(make_certificate("shop"))
    gate.name_files("shop")
    renewed = make_certificate("shop")
    gate.put(renewed)
    gate.wait(5)
    assert gate.serves(renewed)
    current = gate.changes.current
    assert (current.number, current.author, current.reason) == (3, "files", "files of shop changed")


def test_a_broken_pair_leaves_the_old_one_serving(gate, make_certificate) -> None:
    """
    Half a pair is told as a finding, an event and for the metric, until it is whole.
    """
    pair, renewed = make_certificate("shop"), make_certificate("shop")
    gate.put(pair)
    gate.name_files("shop")
    gate.put(renewed, key=False)
    gate.wait(10)
    assert gate.serves(pair)
    [finding] = gate.files.findings()
    assert (finding.code, finding.pointer) == ("certificate-files-broken", "/certificate/0")
    assert [(said["what"], said["name"], said["code"]) for said in gate.said] == [
        ("files-broken", "shop", "key-mismatch")
    ]
    assert list(gate.files.broken) == ["shop"]
    gate.put(renewed)
    gate.wait(5)
    assert gate.serves(renewed)
    assert gate.codes() == []
    assert not gate.files.broken


def test_a_folder(gate, make_certificate) -> None:
    """
    What lies in a folder serves; what is dropped into it serves too, and what is taken out of it no longer.
    """
    first, second = make_certificate("first"), make_certificate("second")
    gate.put(first)
    gate.name_folder()
    assert gate.serves(first)
    gate.put(second)
    gate.wait(5)
    assert gate.serves(second)
    for suffix in (".crt", ".key"):
        (gate.files_folder / f"first{suffix}").unlink()
    gate.wait(5)
    assert gate.plane.snapshot.certificates.keys() == {"default", "second"}
    assert {stored.source for stored in gate.changes.current.certificates.values()} == {"self-signed", "files"}


def test_a_name_that_cannot_be_stored_is_told(gate, make_certificate) -> None:
    """
    A file whose name no certificate can have does not hold up the others.
    """
    gate.name_folder()
    gate.put(make_certificate("with space", "space.test"))
    good = make_certificate("good")
    gate.put(good)
    gate.wait(10)
    assert gate.serves(good)
    assert gate.codes() == ["certificate-files-broken"]
    assert list(gate.files.broken) == ["with space"]


def test_one_that_cannot_serve_does_not_hold_up_another(gate, make_certificate) -> None:
    """
    Of two that change together, the one that the data plane takes serves, and the other is told.
    """
    gate.name_folder()
    good, bad = make_certificate("good"), make_certificate("bad")
    gate.plane.refuses.add("bad")
    gate.put(bad)
    gate.put(good)
    gate.wait(10)
    assert gate.serves(good)
    assert "bad" not in gate.plane.snapshot.certificates
    assert list(gate.files.broken) == ["bad"]
    gate.plane.refuses.clear()
    again = make_certificate("bad")
    gate.put(again)
    gate.wait(5)
    assert gate.serves(again)
    assert gate.codes() == []


def test_the_file_of_a_default_certificate_goes(gate, make_certificate) -> None:
    """
    The default certificate of a binding serves on when its file is removed, which is told.
    """
    pair = make_certificate("shop")
    gate.put(pair)
    gate.name_folder()
    gate.change(lambda draft: draft.find("binding", "https").update(default_certificate="shop"))
    for suffix in (".crt", ".key"):
        (gate.files_folder / f"shop{suffix}").unlink()
    gate.wait(5)
    assert gate.serves(pair)
    assert gate.files.broken["shop"].code == "in-use"


def test_what_changed_while_nobody_watched(gate, make_certificate) -> None:
    """
    A start serves what the files hold then; files that are broken then serve as they were.
    """
    kept, old, new = make_certificate("kept"), make_certificate("swapped"), make_certificate("swapped")
    gate.put(kept)
    gate.put(old)
    gate.name_folder()
    number = gate.changes.current.number
    gate.stop()
    gate.put(new)
    (gate.files_folder / "kept.crt").write_text("nothing")
    gate.start()
    assert gate.serves(kept)
    assert gate.serves(new)
    current = gate.changes.current
    assert (current.number, current.reason) == (number + 1, "files changed while nobody watched")
    gate.wait(10)
    assert list(gate.files.broken) == ["kept"]


def test_a_start_that_finds_nothing_new_makes_no_generation(gate, make_certificate) -> None:
    """
    Starting again changes nothing where the files did not.
    """
    gate.put(make_certificate("shop"))
    gate.name_folder()
    number = gate.changes.current.number
    gate.restart()
    gate.wait(10)
    assert gate.changes.current.number == number
    assert gate.said == []
