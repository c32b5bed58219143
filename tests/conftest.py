"""
What tests need from the machine, decided in one place: a mark says what, and a test skips, saying why, where it lacks.

``TENDIES_NO_SKIPS=1``, which ``.ci/run`` sets, makes every skip a failure: there, everything can run.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.airflow import LiveAirflow, start_airflow

REPOSITORY = Path(__file__).resolve().parent.parent
#: Real models, photographs and recorded exchanges, which lie next to the checkout and not in it.
SHARED_DATA = Path(os.environ.get("TENDIES_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
_POSTGRES_PROGRAMS = ("postgres", "initdb")


def _why_no_shared_data() -> str | None:
    return None if SHARED_DATA.is_dir() else f"the shared models and pictures are not at {SHARED_DATA}"


def _why_no_browser() -> str | None:
    if shutil.which("chromium") or shutil.which("chromium-browser"):
        return None
    return "no chromium: apt-get install chromium"


def _why_no_postgres() -> str | None:
    places = [*os.environ.get("PATH", "").split(os.pathsep), *map(str, Path("/usr/lib/postgresql").glob("*/bin"))]
    path = os.pathsep.join(places)
    if not all(shutil.which(program, path=path) for program in _POSTGRES_PROGRAMS):
        return "no PostgreSQL server: apt-get install postgresql"
    return None if shutil.which("redis-server") else "no Redis: apt-get install redis-server"


#: How the reasons of skips end where a test takes a right away which root cannot lose, or needs one that only root has.
_SKIPS_FOR_RIGHTS = ("root reads everything')", "root writes everywhere')", "no file system can be mounted here')")
#: mark -> why a test that carries it cannot run here, or None.
_NEEDS = {"shared_data": _why_no_shared_data, "browser": _why_no_browser, "postgres": _why_no_postgres}


#: How paths of tests begin that share what is dear to make -> its name.
_SHARING = {
    "e2e/test_airflow_": "live_airflow",
    "browser/": "live_airflow",
    "with_airflow/web/": "airflow_application",
    "with_tensorflow/export/": "exported_models",
    "with_tensorflow/server/": "servers",
}


def _group_of(node_id: str) -> str:
    """What a test shares; its file, when that is nothing in particular."""
    path = node_id.partition("::")[0].removeprefix("tests/")
    return next((name for beginning, name in _SHARING.items() if path.startswith(beginning)), path)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """
    Tests of one group run in one worker of pytest-xdist, so that what they share is made once.

    Its own groups (``--dist loadgroup``) do nothing under pytest 9.2: it writes them into node ids, now fixed.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group_of(nodeid)

    return ByGroup(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what cannot run here, with the reason."""
    reasons = {mark: why() for mark, why in _NEEDS.items()}
    for item in items:
        for mark, reason in reasons.items():
            if reason and item.get_closest_marker(mark):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where everything can run, a skip is a failure."""
    if session.exitstatus == pytest.ExitCode.OK and _unexpected_skips(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which skips make the run fail."""
    for report in _unexpected_skips(config):
        terminalreporter.write_line(f"FAILED by TENDIES_NO_SKIPS: {report.nodeid} was skipped", red=True)


def _unexpected_skips(config: pytest.Config) -> list[pytest.TestReport]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("TENDIES_NO_SKIPS") != "1" or reporter is None:
        return []
    skipped: list[pytest.TestReport] = reporter.stats.get("skipped", [])
    return [report for report in skipped if not _cannot_be_helped(report)]


def _cannot_be_helped(report: pytest.TestReport) -> bool:
    """Return True if no package would help: neither rights nor the shared data come with one."""
    lacks_data = "shared_data" in report.keywords and not SHARED_DATA.is_dir()
    return lacks_data or str(report.longrepr).endswith(_SKIPS_FOR_RIGHTS)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The directory of shared models and pictures. A test that asks for it also carries the mark of that name."""
    if reason := _why_no_shared_data():
        pytest.skip(reason)
    return SHARED_DATA


@pytest.fixture(scope="session")
def live_airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveAirflow]:
    """
    One live Airflow for all tests that need one.

    A test adds DAG files with ``live_airflow.add_dag_file`` and model specs with ``live_airflow.add_spec``, under names
    of its own, for the others' stay.
    """
    home = tmp_path_factory.mktemp("live_airflow")
    live = start_airflow(home, environment={"TENDIES_CACHE_DIR": str(home / "cache")})
    yield live
    live.stop()
