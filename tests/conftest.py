"""
What holds for every test: in CI nothing is skipped silently, and hypothesis is not judged by a shared machine's clock.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from hypothesis import settings

# Two cores with neighbours: a slow example says nothing about the code.
settings.register_profile("tlsgate", deadline=None)
settings.load_profile("tlsgate")

IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """
    Make a failure of a skip; an expected failure (C{xfail}) is no skip.
    """
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: skipped, and in CI that is a failure: {reason}"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """
    A skipped test fails in CI.
    """
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """
    A module that skips itself fails in CI.
    """
    report = yield
    _refuse_skip(report)
    return report
