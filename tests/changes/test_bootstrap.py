"""
The first generation.
"""

from __future__ import annotations

import time

from tlsgate.changes import first_generation
from tlsgate.settings import default_document


def test_https_answers_at_once() -> None:
    """
    It has a certificate for the loopback and the machine's names, and leaves out what is no name.
    """
    made = first_generation(None, time.time(), ["Host.Example.", "192.0.2.7", "no name", ""])
    names = made.certificates["default"].certificate.names
    assert set(names) == {"localhost", "127.0.0.1", "::1", "host.example", "192.0.2.7"}
    assert made.document == default_document()
    assert (made.number, made.parent, made.author) == (1, 0, "gate")
    assert (
        made.certificates["default"].certificate.not_before
        <= time.time()
        < made.certificates["default"].certificate.not_after
    )


def test_an_initial_document_is_kept() -> None:
    """
    A document that is given takes the place of the default one.
    """
    assert first_generation({"site": []}, 0.0, []).document == {"site": []}
