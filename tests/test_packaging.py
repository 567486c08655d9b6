"""
What pip installs is complete: the package, its types, and the drop-in that makes C{twistd tlsgate} known.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    The project's wheel, built by its own backend without the network.
    """
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    [built] = folder.glob("*.whl")
    return built


def test_holds_every_source_file(wheel: Path) -> None:
    """
    Each file under src is in the wheel, caches excepted.
    """
    inside = set(zipfile.ZipFile(wheel).namelist())
    sources = {
        path.relative_to(PROJECT / "src").as_posix()
        for path in (PROJECT / "src").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name != "dropin.cache"
    }
    assert sources <= inside
    assert "tlsgate/py.typed" in inside


def test_adds_only_a_drop_in_to_twisted(wheel: Path) -> None:
    """
    The wheel brings one file into Twisted's folder: another would shadow Twisted itself.
    """
    inside = zipfile.ZipFile(wheel).namelist()
    assert [name for name in inside if name.startswith("twisted/")] == ["twisted/plugins/tlsgate_plugin.py"]


def test_twistd_finds_the_plugin_of_the_wheel(wheel: Path, tmp_path: Path) -> None:
    """
    Unpacked where Python looks, the wheel makes the tlsgate plugin known to Twisted.
    """
    zipfile.ZipFile(wheel).extractall(tmp_path)
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "import tlsgate; from twisted.plugin import getPlugins;"
        "from twisted.application.service import IServiceMaker;"
        "[found] = [p for p in getPlugins(IServiceMaker) if p.tapname == 'tlsgate'];"
        "print(tlsgate.__file__, found.module)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    where, module = done.stdout.split()
    assert Path(where).is_relative_to(tmp_path)
    assert module == "tlsgate.tap"


def test_names_the_command_line_program(wheel: Path) -> None:
    """
    The wheel installs the C{tlsgate} program.
    """
    archive = zipfile.ZipFile(wheel)
    [entry_points] = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
    assert b"tlsgate = tlsgate.cli:main" in archive.read(entry_points)
