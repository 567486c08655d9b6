"""
The files of the web UI: all of them, as they are, and nothing else of the disk.
"""

import re

import pytest

from tlsgate.admin._ui import FOLDER, load_pages


def test_index(gate) -> None:
    """
    The page is there for anybody, under a policy that lets only its own files run.
    """
    reply = gate.call("GET", "/", peer="192.0.2.1", token=None)
    assert reply.status == 200
    assert reply.fields["content-type"] == "text/html; charset=utf-8"
    assert reply.fields["x-content-type-options"] == "nosniff"
    assert reply.fields["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )


def test_every_file(gate) -> None:
    """
    Every file has its type and its content; HEAD has the same fields.
    """
    files = [path for path in FOLDER.rglob("*") if path.is_file() and path.name != "index.html"]
    assert len(files) > 20
    for file in files:
        path = f"/ui/{file.relative_to(FOLDER).as_posix()}"
        reply = gate.call("GET", path, peer="192.0.2.1", token=None)
        assert (reply.status, reply.body) == (200, file.read_bytes()), path
        head = gate.call("HEAD", path, peer="192.0.2.1", token=None)
        assert {**head.fields, "date": ""} == {**reply.fields, "date": ""}


@pytest.mark.parametrize(
    "path", ["/ui", "/ui/", "/ui/index.html", "/ui/../_web.py", "/ui/%2e%2e/_web.py", "//", "/ui/app.js/", "/ui/APP.JS"]
)
def test_nothing_else(gate, path) -> None:
    """
    Another spelling of a path names nothing.
    """
    assert gate.call("GET", path, peer="192.0.2.1", token=None).status == 401
    assert gate.call("GET", path).status == 404


def test_only_reading(gate) -> None:
    """
    The page cannot be written to.
    """
    assert gate.call("POST", "/", {}, peer="192.0.2.1", token=None).status == 401


def test_foreign_names(gate) -> None:
    """
    Under a name that is not this listener's there is no page, so that no other site can be confused with it.
    """
    reply = gate.call("GET", "/", peer="192.0.2.1", token=None, fields={"Host": "evil.test"})
    assert reply.code == "host-refused"


def test_what_is_imported_is_there() -> None:
    """
    Every import and every link of every file leads to a file.
    """
    pages = load_pages()
    assert b"/" in pages
    for file in FOLDER.rglob("*.js"):
        for name in re.findall(r'from "([^"]+)"', file.read_text()):
            assert (file.parent / name).is_file(), f"{file.name} imports {name}"
    for link in re.findall(r'(?:src|href)="(/ui/[^"]+)"', (FOLDER / "index.html").read_text()):
        assert link.encode() in pages


def test_no_markup_from_text() -> None:
    """
    No file makes markup of text, runs text, or carries style where the policy would refuse it.
    """
    for file in FOLDER.rglob("*.js"):
        found = re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|style:", file.read_text()
        )
        assert found == [], file.name
