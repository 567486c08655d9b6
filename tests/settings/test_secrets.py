from pathlib import Path

import pytest

from tlsgate.problems import Problem
from tlsgate.settings import Secret, hide_secrets, keep_secrets, validate_document

LITERAL = "correct-horse"


def document(**webhook: object) -> dict[str, object]:
    return {
        "alerts": webhook,
        "certificate": [
            {"name": "a", "certificate_file": "/a", "password": LITERAL},
            {"name": "b", "certificate_file": "/b", "password": {"env": "B"}},
        ],
    }


def test_never_shows_a_literal() -> None:
    """
    Neither repr, nor a dump of the settings, nor the shown document, nor an error has the secret itself.
    """
    settings = validate_document(document(webhook=LITERAL))
    for shown in (
        repr(settings),
        str(settings),
        settings.model_dump_json(),
        repr(hide_secrets(document(webhook=LITERAL))),
    ):
        assert LITERAL not in shown
    with pytest.raises(Problem) as caught:
        validate_document(document(webhook={LITERAL: LITERAL}, webhook_secret=[LITERAL], smtp_password={"env": 3}))
    assert len(caught.value.errors) == 3
    assert LITERAL not in str([error.as_json() for error in caught.value.errors])


def test_what_was_shown_can_be_sent_back() -> None:
    """
    A shown document keeps its secrets when it is sent back, also in another order.
    """
    old = document(webhook=LITERAL)
    shown = hide_secrets(old)
    assert shown["certificate"][1]["password"] == {"env": "B"}
    shown["certificate"].reverse()
    kept = keep_secrets(shown, old)
    kept["certificate"].reverse()
    assert kept == old


def test_set_without_a_literal_is_wrong() -> None:
    """
    C{{"set": true}} where there was no literal is an error.
    """
    with pytest.raises(Problem):
        validate_document(keep_secrets(document(webhook={"set": True}), document()))


def test_resolves(tmp_path: Path) -> None:
    """
    A secret is itself, or what the environment or a file (without its last line end) holds.
    """
    path = tmp_path / "secret"
    path.write_text("s3cret \r\n")
    assert Secret.from_document("x").resolve({}) == "x"
    assert Secret().resolve({}) == ""
    assert Secret.from_document({"env": "A"}).resolve({"A": "y"}) == "y"
    assert Secret.from_document({"file": str(path)}).resolve({}) == "s3cret "
    path.write_bytes(b"\xff")
    for wrong in ({"env": "A"}, {"file": str(tmp_path)}, {"file": str(tmp_path / "no")}, {"file": str(path)}):
        with pytest.raises(ValueError, match=r"A|not"):
            Secret.from_document(wrong).resolve({})
