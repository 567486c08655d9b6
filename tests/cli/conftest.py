"""
The command beside a gate in memory: C{run("status")} is C{tlsgate status}.
"""

import json
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent.parent / "client"))

from _memory_gate import MemoryGate

from tlsgate.certificates import self_signed
from tlsgate.cli import command
from tlsgate.cli._session import Session


@attrs.frozen
class Ran:
    """
    What a command did.
    """

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Ran]


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[MemoryGate]:
    """
    A fresh gate.
    """
    made = MemoryGate(tmp_path / "state")
    yield made
    made.stop()


@pytest.fixture
def run(gate: MemoryGate) -> Run:
    """
    Runs a command: words, or one line as it is typed.
    """

    def run_command(*words: Any, input: str | None = None, env: dict[str, str] | None = None) -> Ran:
        line = shlex.split(words[0]) if len(words) == 1 else [str(word) for word in words]
        session = Session(
            state=gate.state, perform=lambda session, work: gate.perform(work, token=session.token or None)
        )
        environment = {"STATE_DIRECTORY": str(gate.state), "TLSGATE_TOKEN": None, "TLSGATE_URL": None, **(env or {})}
        result = CliRunner().invoke(command, line, obj=session, input=input, env=environment)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)

    return run_command


@pytest.fixture
def pair(tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """
    Writes a certificate and its key into files.
    """

    def write(*names: str) -> tuple[Path, Path]:
        made = self_signed("x", list(names) or ["localhost"], days=90, now=1_790_000_000.0)
        certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
        certificate.write_bytes(made.chain)
        key.write_bytes(made.key)
        return certificate, key

    return write
