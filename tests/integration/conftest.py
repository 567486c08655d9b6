"""
The bench that every integration test stands on: a real gate, a real origin, certificates and clients.

The modules beside this file are imported by their plain names (C{from _origin import response}): this folder is put
on the path here, since tests folders are no packages.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from _gate import GateProcess
from _origin import Origin

StartGate = Callable[..., GateProcess]


@pytest.fixture
def origin() -> Iterator[Origin]:
    """
    An origin of the test's own.
    """
    running = Origin()
    yield running
    running.stop()


@pytest.fixture
def start_gate(tmp_path: Path) -> Iterator[StartGate]:
    """
    Starts gates that are stopped after the test: C{start_gate(origin.url, workers=2, options=[...])}; the arguments
    are those of L{GateProcess}.
    """
    started: list[GateProcess] = []

    def start(upstream: str | None, **options: Any) -> GateProcess:
        folder = tmp_path / f"gate{len(started)}"
        folder.mkdir()
        gate = GateProcess(folder, upstream, **options)
        started.append(gate)
        return gate.start()

    yield start
    for gate in started:
        if gate.process is not None:
            gate.stop(timeout=10) if gate.process.poll() is None else None


@pytest.fixture(scope="module")
def module_origin() -> Iterator[Origin]:
    """
    An origin that the tests of one module share; give each test paths of its own.
    """
    running = Origin()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def gate(module_origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GateProcess]:
    """
    A gate in front of L{module_origin} that the tests of one module share, for those that change no settings.
    """
    running = GateProcess(tmp_path_factory.mktemp("gate"), module_origin.url).start()
    yield running
    running.stop(timeout=10)
