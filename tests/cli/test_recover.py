"""
The way back in with the gate stopped.
"""

import stat

import pytest
from _memory_gate import MemoryGate
from click.testing import CliRunner

from tlsgate.admin import SetupToken, Tokens
from tlsgate.admin._tokens import digest_of
from tlsgate.cli import command
from tlsgate.settings import FileStore


def recover(state):
    return CliRunner().invoke(command, ["--state", str(state), "recover"])


@pytest.fixture
def state(tmp_path):
    """
    The folder of a stopped gate whose site redirects and sends HSTS, and that has an administrator.
    """
    gate = MemoryGate(tmp_path / "state")
    patch = {"redirect": {"mode": "all", "soak": 5.0}, "hsts": {"enabled": True, "max_age": 86400}}
    assert gate.harness.call("PATCH", "/api/v1/sites/default?force=default", patch).status == 200
    gate.harness.token("admin")
    gate.stop()
    return gate.state


def test_switches_off(state) -> None:
    """
    Redirect and HSTS are off in a new generation, C{max-age=0} is due, and everything else is as it was.
    """
    result = recover(state)
    assert result.exit_code == 0, result.output
    assert "Generation 3 is in force" in result.output
    store = FileStore(state)
    store.open()
    made, before = store.current(), store.read(2)
    store.close()
    assert made is not None
    (site,) = made.document["site"]
    assert (site["redirect"], site["hsts"]) == (
        {"mode": "disabled", "soak": 5.0},
        {"enabled": False, "max_age": 86400},
    )
    memory = made.memory["default"]
    assert memory.hsts_off_until == pytest.approx(made.time + 86400)
    assert memory.redirect_changed_at == made.time
    assert made.author.startswith("local:")
    assert (made.certificates, made.confirm_by) == (before.certificates, None)


def test_setup_token(state) -> None:
    """
    The new set-up token is private, not shown, and still there when the gate has started with an administrator.
    """
    result = recover(state)
    path = state / "setup-token"
    secret = path.read_text().strip()
    assert secret not in result.output
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    import time

    setup = SetupToken(path, wall=time.time)
    assert setup.offer(Tokens(state / "tokens.json", wall=time.time)) == secret
    assert setup.matches(digest_of(secret))


def test_running_gate(tmp_path) -> None:
    """
    A gate that runs keeps its folder: the refusal names it.
    """
    gate = MemoryGate(tmp_path / "state")
    result = recover(gate.state)
    gate.stop()
    assert (result.exit_code, "[storage-failed]" in result.output) == (1, True)


def test_no_state(tmp_path) -> None:
    """
    Without a state folder there is nothing to recover, and none is made.
    """
    assert recover(tmp_path / "none").exit_code == 2
    assert not (tmp_path / "none").exists()
    (tmp_path / "empty").mkdir(mode=0o700)
    result = recover(tmp_path / "empty")
    assert (result.exit_code, "no generation" in result.output) == (1, True)
