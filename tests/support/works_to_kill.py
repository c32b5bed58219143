"""
The work of each operator, held back so that there is time to kill it, and what must be true after a kill.

Each has a directory and a server of its own. ``dags_to_kill.py`` holds the tasks that do it.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

import psutil
import yaml
from PIL import Image

from tendies_ops.publish.history import read_history
from tendies_ops.publish.leases import hold_lease
from tendies_ops.publish.version_dirs import list_version_dirs
from tendies_ops.spec import load_spec, read_manifest
from tendies_ops.spec.manifest import verify_files
from tests.support.airflow_home import REPOSITORY
from tests.support.candidates import make_candidate, picture
from tests.support.held_server import HeldServer
from tests.support.killing import leftovers


class Work:
    """
    What one task is to do.

    :param place: an empty directory.
    """

    name: ClassVar[str]
    task_id: ClassVar[str] = "work"
    map_index: ClassVar[int] = -1
    deferred: ClassVar[bool] = False  #: it waits in the triggerer, and has no process
    held: ClassVar[tuple[int, ...]] = ()  #: versions whose loading lasts
    predict_s: ClassVar[float] = 0.0
    serves_first: ClassVar[tuple[int, ...]] = (1,)

    def __init__(self, place: Path) -> None:
        self.place = place
        self.models = place / "models"
        self.models.mkdir()
        for version in self.serves_first:
            self.publish(version)
        self.prepare()
        self.server = HeldServer(self.models, held=self.held, predict_s=self.predict_s)

    def __enter__(self) -> Work:
        if self.serves_first:
            self.server.wait_until_serving(max(self.serves_first))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.let_go()
        self.server.stop()

    @property
    def conf(self) -> dict[str, str]:
        """Of the run."""
        return {"place": str(self.place), "url": self.server.url}

    def publish(self, version: int) -> None:
        """By one rename."""
        make_candidate(self.place / f"made-{version}", by=version).rename(self.models / str(version))

    def prepare(self) -> None:
        """Make what the task needs."""

    def has_begun(self) -> bool:
        """Whether the task is in the middle of it."""
        raise NotImplementedError

    def let_go(self) -> None:
        """From now on it does not last long."""
        self.server.let_go()

    def check_halted(self, *, asked: bool) -> None:
        """
        The task is dead: nothing is half-done.

        :param asked: it was told to stop and had time for that.
        """
        raise NotImplementedError

    def check_finished(self, result: Any) -> None:
        """
        It went on and ended: everything is done, and nothing was done twice.

        :param result: the task's XCom.
        """
        raise NotImplementedError


class Export(Work):
    """A child process with TensorFlow builds a network, and stays at that."""

    name = "export"

    def prepare(self) -> None:
        example = REPOSITORY / "examples" / "models" / "noise_to_stripes.yaml"
        spec = load_spec(example).model_dump(
            mode="json", include={"model_name", "source", "contract"}, exclude_unset=True
        )
        held = self.place / "held"
        held.touch()
        shutil.copy(Path(__file__).with_name("held_model.py"), self.place)  # away from modules named as its imports are
        spec["source"]["builder"] = f"{self.place / 'held_model.py'}:held_generator"
        spec["source"]["builder_arguments"]["held"] = str(held)
        (self.place / "spec.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")

    def has_begun(self) -> bool:
        return (self.place / "exporting.pid").exists()

    def let_go(self) -> None:
        super().let_go()
        (self.place / "held").unlink(missing_ok=True)

    def check_halted(self, *, asked: bool) -> None:
        child = int((self.place / "exporting.pid").read_text(encoding="ascii"))
        psutil.wait_procs([psutil.Process(child)] if psutil.pid_exists(child) else [], timeout=5)
        assert not psutil.pid_exists(child), "the process with TensorFlow lives on"
        assert list((self.place / "exports").iterdir()) == []

    def check_finished(self, result: Any) -> None:
        made = Path(result["saved_model_dir"])
        verify_files(made, read_manifest(made))
        assert [path.name for path in made.parent.iterdir()] == [made.name]


class Release(Work):
    """Version 2 is loading."""

    name = "release"
    held: ClassVar[tuple[int, ...]] = (2,)

    def prepare(self) -> None:
        make_candidate(self.place / "candidate", by=100)

    def has_begun(self) -> bool:
        return self.server.is_loading(2)

    def check_halted(self, *, asked: bool) -> None:
        assert self.server.serving() == [1]
        if asked:
            assert leftovers(self.models) == []
            assert [child.version for child in list_version_dirs(self.models)] == [1]

    def check_finished(self, result: Any) -> None:
        digest = read_manifest(self.place / "candidate").model_digest
        [released] = [record for record in read_history(self.models) if record.event == "released"]
        assert (released.version, released.model_digest) == (result["version"], digest)
        assert self.server.serving() == [result["version"]]
        there = [child.path for child in list_version_dirs(self.models)]
        assert [read_manifest(path).model_digest for path in there].count(digest) == 1
        assert leftovers(self.models) == []


class WaitingRelease(Release):
    """A batch run uses version 1, and the release waits for its end in the triggerer."""

    name = "waiting_release"
    deferred = True
    held = ()

    def prepare(self) -> None:
        super().prepare()
        self._runs = ExitStack()
        self._runs.enter_context(hold_lease(self.models, 1, holder="run of the night"))

    def has_begun(self) -> bool:
        return True

    def let_go(self) -> None:
        super().let_go()
        self._runs.close()


class Rollback(Release):
    """Version 3 serves, and version 2 is loading again: going on must not end at version 1."""

    name = "rollback"
    serves_first = (1, 2, 3)

    def prepare(self) -> None:
        """All versions are there."""

    def check_halted(self, *, asked: bool) -> None:
        assert self.server.serving() == [3]
        if asked:
            assert leftovers(self.models) == []
            assert [child.version for child in list_version_dirs(self.models)] == [1, 2, 3]

    def check_finished(self, result: Any) -> None:
        assert (result["version"], result["state"]) == (2, "rolled_back")
        assert self.server.serving() == [2]
        assert [child.version for child in list_version_dirs(self.models)] == [1, 2]
        told = [(record.event, record.version) for record in read_history(self.models)]
        assert told == [("withdrawn", 3), ("rolled_back", 2)]
        assert leftovers(self.models) == []


class Batch(Work):
    """Some of the pictures are done."""

    name = "batch"
    predict_s = 0.25
    pictures: ClassVar[int] = 200

    def prepare(self) -> None:
        (self.place / "pictures").mkdir()
        for seed in range(self.pictures):
            (self.place / "pictures" / f"{seed:03d}.png").write_bytes(picture(seed))

    def results(self) -> list[Path]:
        return sorted((self.place / "results").glob("*.png"))

    def has_begun(self) -> bool:
        return len(self.results()) >= 3

    def check_halted(self, *, asked: bool) -> None:
        for path in self.results():
            with Image.open(path) as image:
                image.load()  # raises if it is cut off
        assert len(self.results()) < self.pictures

    def check_finished(self, result: Any) -> None:
        assert (result["total"], result["failed"]) == (self.pictures, 0)
        assert len(self.results()) == self.pictures
        lines = (self.place / "results" / ".tendies" / "ledger.jsonl").read_text(encoding="utf-8").splitlines()
        done = Counter(record["input"] for record in map(json.loads, lines) if record["outcome"] == "done")
        assert (len(done), max(done.values())) == (self.pictures, 1)
        assert self.server.predicts <= self.pictures + 3  # one picture was in flight in each task that was killed


class Shards(Batch):
    """One of two shards is killed."""

    name = "shards"
    task_id = "batch.infer"
    map_index = 0


class Wait(Work):
    """Waits in the triggerer for a version that is not there."""

    name = "wait"
    deferred = True

    def has_begun(self) -> bool:
        return True

    def let_go(self) -> None:
        if not (self.models / "50").exists():
            self.publish(50)
        super().let_go()

    def check_halted(self, *, asked: bool) -> None:
        """It changes nothing."""

    def check_finished(self, result: Any) -> None:
        assert result == 50
