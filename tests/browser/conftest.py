"""
A real Chromium in front of a real gate.

The gate and its certificates come from the modules of C{tests/integration}, which are imported by their plain names.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "integration"))
sys.path.insert(0, str(Path(__file__).parent))

from _gate import GateProcess
from _screens import SIZES, Screen

CHROMIUM = shutil.which("chromium") or ""

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    All tests here drive a browser.
    """
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@dataclass
class Visit:
    """
    Somebody in front of the gate.

    @ivar one_size: is the test about this size only?
    @ivar complaints: what the browser said on its console: errors, and reports of the content security policy.
    """

    gate: GateProcess
    page: Any
    size: str
    one_size: bool = False
    complaints: list[str] = field(default_factory=list)
    #: What a test expects: a refusal of the API shows on the console as a failed resource.
    expected: tuple[str, ...] = ("Failed to load resource: the server responded with a status of 4",)

    def heard(self, kind: str, text: str) -> None:
        """
        The console said something.
        """
        if kind in ("error", "warning") and not text.startswith(self.expected):
            self.complaints.append(text)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """
    One Chromium for all tests.
    """
    if not CHROMIUM:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield running
        running.close()


@pytest.fixture(scope="module")
def shared_gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GateProcess]:
    """
    A gate that the tests of a module share, for those that change nothing that others look at.
    """
    running = GateProcess(tmp_path_factory.mktemp("gate"), "demo:").start()
    yield running
    running.stop(timeout=10)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[GateProcess]:
    """
    A gate of the test's own.
    """
    running = GateProcess(tmp_path, "demo:").start()
    yield running
    running.stop(timeout=10)


@pytest.fixture
def empty_gate(tmp_path: Path) -> Iterator[GateProcess]:
    """
    A gate without any site or upstream.
    """
    running = GateProcess(tmp_path, None).start()
    yield running
    running.stop(timeout=10)


@pytest.fixture
def open_page(browser: Any) -> Iterator[Any]:
    """
    Opens pages in contexts of their own: C{open_page(gate, "phone")}; afterwards the console must have been silent.
    """
    opened: list[tuple[Any, Screen]] = []

    def open_(gate: GateProcess, size: str = "", **more: Any) -> Screen:
        width, height = SIZES[size or "desktop"]
        context = browser.new_context(
            ignore_https_errors=True, viewport={"width": width, "height": height}, reduced_motion="reduce", **more
        )
        context.set_default_timeout(20_000)
        page = context.new_page()
        visit = Visit(gate, page, size or "desktop", one_size=bool(size))
        page.on("console", lambda message: visit.heard(message.type, message.text))
        page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        screen = Screen(visit)
        opened.append((context, screen))
        return screen

    yield open_
    for context, _ in opened:
        context.close()
    assert [complaint for _, screen in opened for complaint in screen.visit.complaints] == []
