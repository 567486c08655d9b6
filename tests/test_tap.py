"""
The command C{twistd tlsgate}.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tlsgate.tap import Options

TWISTD = Path(sys.executable).parent / "twistd"


def parsed(*arguments: str) -> Options:
    options = Options()
    options.parseOptions(list(arguments))
    return options


def test_repeatable_options() -> None:
    """
    Upstreams and endpoints may be given several times.
    """
    gate = parsed(
        "--upstream", "http://a:1", "--upstream=http://b:2", "--http", "none", "--https", "1", "--https", "2"
    ).gate
    assert [server["url"] for server in gate.pins.overlay["upstream"][0]["servers"]] == ["http://a:1", "http://b:2"]
    assert [entry["endpoint"] for entry in gate.pins.overlay["binding"]] == ["tcp:1", "tcp:2"]
    assert gate.pins.schemes == {"http": "--http none"}


def test_every_option_of_the_contract() -> None:
    """
    The help names each option.
    """
    text = str(Options())
    for name in (
        "upstream", "http", "https", "admin", "config", "initial", "state", "store", "workers", "access-log",
        "access-log-format", "drain-timeout",
    ):  # fmt: skip
        assert f"--{name}=" in text


@pytest.mark.parametrize("arguments", [["--workers", "many"], ["--nope"], ["stray"], ["--http"]])
def test_usage_errors(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """
    A bad option is one line on standard error and exit status 2.
    """
    with pytest.raises(SystemExit) as caught:
        parsed(*arguments)
    assert caught.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert arguments[0].lstrip("-") in captured.err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--workers", "many"], "--workers"),
        (["--config", "bad.toml"], "upstrem"),
        (["--upstream", "ftp://x"], "--upstream"),
    ],
)
def test_twistd_itself(arguments: list[str], word: str, tmp_path: Path) -> None:
    """
    The real twistd ends with status 2, one clear line, no traceback, and leaves nothing behind.
    """
    (tmp_path / "bad.toml").write_text('[[site]]\nname = "x"\nhosts = ["*"]\nupstrem = "app"\n')
    done = subprocess.run(
        [TWISTD, "-n", "--pidfile=", "tlsgate", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert word in done.stderr
    assert len(done.stderr.splitlines()) <= 2
    assert "Traceback" not in done.stderr + done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["bad.toml"]


def test_importing_installs_no_reactor() -> None:
    """
    The command's module leaves the choice of a reactor to twistd.
    """
    code = "import sys, tlsgate.tap; sys.exit('twisted.internet.reactor' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
