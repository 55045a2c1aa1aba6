"""What every test can rely on: deterministic hypothesis, a header that names the backend, Chromium.

``FASTERAPI_REQUIRE_ALL=1`` turns each skip into a failure, so that a run that claims to be complete
is complete. ``--hypothesis-profile=thorough`` looks further, at random.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

import fasterapi

REQUIRE_ALL = os.environ.get("FASTERAPI_REQUIRE_ALL", "0") not in ("", "0")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# The runner of the Autobahn cases has modules of the names of others, as of autobahn, which daphne
# needs: it runs in processes of its own.
sys.modules["kosoku"] = None  # type: ignore[assignment]

# No deadline and no health check of speed: a busy machine must not change a result.
settings.register_profile(
    "default",
    derandomize=True,
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "thorough", settings.get_profile("default"), derandomize=False, max_examples=5000
)
settings.load_profile("default")


def _backend() -> str:
    return (
        f"fasterapi {fasterapi.__version__}, {fasterapi.__impl__} backend, "
        f"deflate {fasterapi.__deflate__}, inflate {fasterapi.__inflate__}"
    )


def pytest_report_header() -> str:
    return _backend()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if config.get_verbosity() < 0:  # the header was not printed
        terminalreporter.write_line(_backend())


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"FASTERAPI_REQUIRE_ALL is set, but this was skipped. {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip(report)
    return report


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium; the test is skipped where there is none."""
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    pytest.skip("no Chromium here (Debian: apt-get install chromium)")
