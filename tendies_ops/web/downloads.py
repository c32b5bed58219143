"""Downloads, streamed: a run of a million pictures takes no more memory than one of ten."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import PurePosixPath

from tendies_ops.inference.ledger import exact_path
from tendies_ops.web.ledger_index import LedgerIndex
from tendies_ops.web.ledger_places import Query
from tendies_ops.web.remote_files import RemoteFiles
from tendies_ops.web.run_pictures import picture_path
from tendies_ops.web.runs_view import Run
from tendies_ops.web.safety import OutsideError


def ledger_lines(index: LedgerIndex, wanted: Query) -> Iterator[bytes]:
    """The matching lines of the ledger."""
    index.follow()
    yield from index.raw_lines(wanted)


def zip_of_results(run: Run, index: LedgerIndex, wanted: Query, remote: RemoteFiles) -> Iterator[bytes]:
    """
    A ZIP of the results, under their own names below the output folder, stored as they are.

    A result that is not there any more is left out.
    """
    index.follow()
    buffer = _Spout()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for line in index.lines(wanted):
            try:
                path = picture_path(run, line, "after", remote)
            except OutsideError:
                continue
            name = exact_path(line.record, "output") or path.name
            archive.write(path, PurePosixPath(name).as_posix().encode("utf-8", "replace").decode())
            yield buffer.taken()
    yield buffer.taken()


class _Spout(BytesIO):
    """What was written since the last look. It cannot be sought in, so the archive is written in one pass."""

    def seekable(self) -> bool:
        """Never."""
        return False

    def taken(self) -> bytes:
        """Take out what is there."""
        data = self.getvalue()
        super().seek(0)
        self.truncate()
        return data
