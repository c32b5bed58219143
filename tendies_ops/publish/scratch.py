"""Temporary folders of a process, which are removed even after it was killed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType

from tendies_ops.publish.owner import Owner

_PREFIX = "tendies-"
_OWNER, _FILES = "owner.json", "files"


class ScratchFolder:
    """
    A temporary folder, removed at the end of its process or, if that was killed, when the next one is made.

    :param purpose: a word for the folder's name.
    """

    def __init__(self, purpose: str) -> None:
        remove_folders_of_the_dead()
        self._whole = tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{purpose}-")
        whole = Path(self._whole.name)
        (whole / _OWNER).write_text(json.dumps(Owner.me().to_json()), encoding="utf-8")
        self.path = whole / _FILES  #: empty at first
        self.path.mkdir()

    def cleanup(self) -> None:
        """Remove the folder."""
        self._whole.cleanup()

    def __enter__(self) -> Path:
        return self.path

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cleanup()


def remove_folders_of_the_dead() -> None:
    """Remove the scratch folders of this user's processes that were killed. Unreadable ones stay."""
    with contextlib.suppress(OSError):
        for whole in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
            if _was_left(whole):
                shutil.rmtree(whole, ignore_errors=True)


def _was_left(whole: Path) -> bool:
    """Return True if the folder is this user's own and its process is known to be dead."""
    try:
        if whole.is_symlink() or whole.stat().st_uid != os.getuid():
            return False
        return Owner.from_json(json.loads((whole / _OWNER).read_text(encoding="utf-8"))).is_known_dead()
    except (OSError, KeyError, TypeError, ValueError):
        return False
