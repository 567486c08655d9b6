"""
The rule that CI skips nothing is itself tried, in a project of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CASES = {
    "mark": "import pytest\n@pytest.mark.skip(reason='because')\ndef test_it(): pass\n",
    "call": "import pytest\ndef test_it(): pytest.skip('because')\n",
    "module": "import pytest\npytest.skip('because', allow_module_level=True)\ndef test_it(): pass\n",
    "trial": "from twisted.trial.unittest import TestCase\nclass It(TestCase):\n"
    "    def test_it(self): pass\n    test_it.skip = 'because'\n",
}


def run_pytest(folder: Path, source: str, ci: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(Path(__file__).with_name("conftest.py"), folder / "conftest.py")
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_case.py").write_text("def test_runs(): pass\n" + source)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")} | {"CI": ci}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("kind", CASES)
def test_a_skip_fails_in_ci(tmp_path: Path, kind: str) -> None:
    """
    With CI=true each way to skip a test makes the run fail and shows the reason.
    """
    done = run_pytest(tmp_path, CASES[kind], "true")
    assert done.returncode != 0, done.stdout
    assert "because" in done.stdout


def test_a_skip_passes_elsewhere(tmp_path: Path) -> None:
    """
    Without CI a skip stays a skip.
    """
    done = run_pytest(tmp_path, CASES["mark"], "")
    assert done.returncode == 0, done.stdout
    assert "1 skipped" in done.stdout


def test_an_expected_failure_is_no_skip(tmp_path: Path) -> None:
    """
    An expected failure passes in CI.
    """
    source = "import pytest\n@pytest.mark.xfail(strict=True)\ndef test_it(): assert False\n"
    assert run_pytest(tmp_path, source, "true").returncode == 0
