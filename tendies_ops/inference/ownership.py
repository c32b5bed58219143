"""
Decide whether a run may write into an output folder: it belongs to one model and one kind of results.

The owner is kept in ``.tendies/owner.json``; a folder without that file belongs to the model of the last result in its
ledger. Several input folders may share an output as long as no name is in more than one of them.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from tendies_ops.errors import OutputFolderError, OutputOwnedError
from tendies_ops.files.object_store import ObjectStore
from tendies_ops.inference.ledger.ledger import LEDGER_NAME, SHARD_LEDGERS, STATE_FOLDER, exact_path, read_record
from tendies_ops.inference.ledger.outcomes import Found
from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.results import Answers
from tendies_ops.inference.storage.ignored import is_ignored
from tendies_ops.inference.storage.local import Input, LocalInput, LocalOutput, Output, folder_identity

_OWNER_FILE = f"{STATE_FOLDER}/owner.json"
_WAYS_OUT = (
    "Nothing was written. Give another output folder, or, to replace those results on purpose, pass --take-over "
    "(`take_over` of the batch task)."
)


@dataclass(frozen=True)
class Owner:
    """
    The owner of an output folder.

    :param kind: of the results, as :attr:`Answers.kind`; empty if it is not known.
    :param outputs: of the model, if its results are not pictures.
    :param input_folder: of all lines of the ledger that do not name another one.
    :param has_more_inputs: True if some lines name another one.
    """

    model_name: str
    kind: str = ""
    outputs: tuple[str, ...] = ()
    input_folder: str = ""
    has_more_inputs: bool = False


def claim_output(
    options: BatchOptions, answers: Answers, source: Input, target: Output, files: Callable[[], Iterable[Found]]
) -> str:
    """
    Make the run's model the owner of its output folder, or refuse before anything is written.

    :param files: lists the files of the run; called only if another input folder was used before.
    :return: the input folder for the lines of the ledger; empty if it is the owner's.
    :raises OutputOwnedError: the folder belongs to another model, holds another kind of results, or holds results of
        pictures of the same names from another input folder, and ``take_over`` is off.
    """
    owner = _read_owner(target.read, target.state)
    input_folder = folder_identity(options.input)
    kind = answers.kind if answers.outputs else ""
    outputs = () if answers.kind == "picture" else tuple(answers.outputs)
    if owner is None or owner.model_name != options.model_name:
        if not options.take_over:
            _refuse_another_model(options, owner, target)
        claimed = Owner(options.model_name, kind, outputs, input_folder)
    else:
        if not options.take_over:
            _refuse_another_kind(options, owner, answers)
            _refuse_same_names(options, owner, source, target, files)
        first = owner.input_folder or input_folder
        more = owner.has_more_inputs or first != input_folder
        claimed = replace(owner, input_folder=first, has_more_inputs=more)
        if kind:
            claimed = replace(claimed, kind=kind, outputs=outputs)
    if claimed != owner and not options.dry_run:
        target.write(_OWNER_FILE, orjson.dumps(asdict(claimed), option=orjson.OPT_INDENT_2))
    return "" if claimed.input_folder == input_folder else input_folder


def _refuse_another_model(options: BatchOptions, owner: Owner | None, target: Output) -> None:
    if owner is not None:
        of_input = f", made from {owner.input_folder}" if owner.input_folder else ""
        raise OutputOwnedError(
            f"The output folder {options.output} belongs to model {owner.model_name}: it holds that model's "
            f"results{of_input}, which those of {options.model_name} would overwrite. {_WAYS_OUT}"
        )
    for place, other in _owners_around(target):
        if other != options.model_name:
            raise OutputOwnedError(
                f"The output folder {options.output} and {place}, which holds the results of model {other}, are one "
                f"inside the other; the results of {options.model_name} could overwrite those. {_WAYS_OUT}"
            )


def _owners_around(target: Output) -> Iterator[tuple[str, str]]:
    """Yield outputs above this one, and below it on a disk, each with the name of its model."""
    if isinstance(target, LocalOutput):
        root = target.root.absolute()
        below = (Path(folder) for folder, names, _ in os.walk(root) if STATE_FOLDER in names)
        for folder in (*root.parents, *below):
            model_name = model_of(folder) if folder != root else None
            if model_name is not None:
                yield str(folder), model_name
        return
    scheme, _, path = target.url.partition("://")
    parts = path.split("/")
    for count in range(len(parts) - 1, 0, -1):
        url = f"{scheme}://{'/'.join(parts[:count])}"
        with contextlib.closing(ObjectStore(url)) as store, contextlib.suppress(OSError, ValueError, LookupError):
            yield url, str(orjson.loads(store.read(_OWNER_FILE))["model_name"])


def _refuse_another_kind(options: BatchOptions, owner: Owner, answers: Answers) -> None:
    if not (owner.kind and answers.outputs):  # one of them is not known
        return
    missing = set(owner.outputs) - set(answers.outputs)
    if owner.kind != answers.kind or missing:
        had = f"a {owner.kind} ({', '.join(owner.outputs)})" if owner.outputs else f"a {owner.kind}"
        has = f"a {answers.kind} ({', '.join(answers.outputs)})" if answers.outputs else f"a {answers.kind}"
        raise OutputOwnedError(
            f"The output folder {options.output} holds results of model {options.model_name} of another kind: {had} "
            f"for each picture, and the version that this run uses returns {has}. {_WAYS_OUT}"
        )


def _refuse_same_names(
    options: BatchOptions, owner: Owner, source: Input, target: Output, files: Callable[[], Iterable[Found]]
) -> None:
    """Compare names without their extensions, for ``a.jpg`` and ``a.png`` of two folders have one result."""
    mine = folder_identity(options.input)
    if mine == (owner.input_folder or mine) and not owner.has_more_inputs:
        return
    taken = _names_of_others(target.state, owner, mine)
    if not taken:
        return
    for found in files():
        names = (hash(found.output_stem), hash(os.path.splitext(found.path)[0]))  # noqa: PTH122 # a str in a hot loop
        with contextlib.suppress(OSError):  # the run counts a file that cannot be read as failed
            if not taken.isdisjoint(names) and not is_ignored(found, source):
                raise OutputOwnedError(
                    f"The output folder {options.output} holds a result for {found.path} that was made from another "
                    f"input folder ({owner.input_folder if mine != owner.input_folder else 'not the first one'}), "
                    f"which that of {options.input} would overwrite. {_WAYS_OUT}"
                )


def _names_of_others(state: Path, owner: Owner, mine: str) -> set[int]:
    """Return hashes of the names whose results were made from another input folder than ``mine``."""
    taken: set[int] = set()
    for record in _records(state):
        name = exact_path(record, "input")
        if not name or record["model_name"] != owner.model_name:
            continue
        names = {hash(name), hash(os.path.splitext(name)[0])}  # noqa: PTH122
        if (record.get("input_folder") or owner.input_folder or mine) == mine:
            taken -= names
        else:
            taken |= names
    return taken


def _records(state: Path) -> Iterator[dict[str, Any]]:
    """Read the lines about pictures that have a result."""
    for path in (state / LEDGER_NAME, *sorted(state.glob(SHARD_LEDGERS))):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), path.open("rb") as stream:
            yield from (record for record in map(read_record, stream) if record and record["output"])


def model_of(output: Path) -> str | None:
    """Return the model whose results are in a folder; None if it is not the output of a batch."""
    owner = _read_owner(LocalInput(output).read, output / STATE_FOLDER)
    return owner.model_name if owner else None


def _read_owner(read: Callable[[str], bytes], state: Path) -> Owner | None:
    """Return the owner of an output; None if it has none, or none of its results are there yet."""
    if next(_records(state), None) is None:
        return None
    try:
        known = orjson.loads(read(_OWNER_FILE))
        return Owner(**{**known, "outputs": tuple(known["outputs"])})
    except FileNotFoundError:
        pass
    except OSError as error:
        raise OutputFolderError(f"The owner of the output folder, {_OWNER_FILE}, cannot be read: {error}.") from error
    except (ValueError, TypeError, KeyError):  # damaged on the disk
        pass
    return Owner(deque(_records(state), maxlen=1)[0]["model_name"])
