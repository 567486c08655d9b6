"""
Supervisors whose processes do as a test says.

L{_scripted} is imported by its plain name: this folder is put on the path here, since tests folders are no packages.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred

sys.path.insert(0, str(Path(__file__).parent))

from _scripted import Plane, ScriptedReactor


@pytest.fixture
def scripted() -> ScriptedReactor:
    """
    A reactor whose processes do as they are told.
    """
    return ScriptedReactor()


@pytest.fixture
def plane(scripted: ScriptedReactor) -> Iterator[Plane]:
    """
    A supervisor of two.
    """
    running = Plane(scripted)
    yield running
    ending = Deferred.fromCoroutine(running.supervisor.close())
    scripted.turn(10)
    assert ending.called
    assert scripted.running == []
