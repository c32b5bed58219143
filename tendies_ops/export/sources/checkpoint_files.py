"""Finding the checkpoint that is meant among files, prefixes and directories. No TensorFlow."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tendies_ops.errors import CheckpointChangedError, CheckpointError, CheckpointMissingError, TendiesError
from tendies_ops.files import digest_file
from tendies_ops.files.digests import digest_of_digests

_SHARD = re.compile(r"^(?P<prefix>.+)\.(?:data-(?P<number>\d{5})-of-(?P<count>\d{5})|index|meta)$")
_STATE_PATH = re.compile(r'^\s*model_checkpoint_path:\s*"(?P<path>(?:[^"\\]|\\.)*)"', re.MULTILINE)
_STEP = re.compile(r"-(\d+)$")


def resolve_checkpoint(path: Path) -> Path:
    """
    Turn a prefix, one of a checkpoint's files, or a directory into the prefix (V2) or the single file (V1).

    A directory is read like ``tf.train.latest_checkpoint`` reads it, with two differences. The name in a state file is
    looked up in that directory, because a copied directory still names the place that it was copied from. Without a
    state file the highest step is taken.

    :raises CheckpointError: there is no checkpoint, or its parts are missing.
    """
    if path.is_dir():
        return _require_complete(_in_directory(path))
    match = _SHARD.match(path.name)
    if match:
        return _require_complete(path.with_name(match["prefix"]))
    return _require_complete(path)


def _in_directory(directory: Path) -> Path:
    prefixes = _prefixes_in(directory)
    named = _named_by_state_file(directory)
    if named is not None:
        if _prefix_exists(directory / named.name):
            return directory / named.name
        if _is_inside(named, directory) and _prefix_exists(named):
            return _require_complete(named)
        found = f"It holds {', '.join(p.name for p in prefixes)}." if prefixes else "It holds no other checkpoint."
        raise CheckpointMissingError(
            f"{directory / 'checkpoint'} says that the checkpoint is {named}, which is not there. "
            f"{found} Give the prefix of the one that you mean, or restore the missing files."
        )
    if not prefixes:
        raise CheckpointMissingError(
            f"{directory} holds no checkpoint: no `checkpoint` file, no *.index, no *.ckpt. {_contents_of(directory)}"
        )
    return max(prefixes, key=lambda prefix: (step_of(prefix) if step_of(prefix) is not None else -1, prefix.name))


def _is_inside(path: Path, directory: Path) -> bool:
    """Return True if ``path`` is below ``directory`` after `..` and links: a state file is written by anyone."""
    return path.resolve().is_relative_to(directory.resolve())


def _named_by_state_file(directory: Path) -> Path | None:
    state = directory / "checkpoint"
    if not state.is_file():
        return None
    try:
        match = _STATE_PATH.search(state.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointMissingError(f"The state file {state} cannot be read: {error}.") from error
    if match is None:
        raise CheckpointError(f"The state file {state} names no checkpoint (no `model_checkpoint_path:` line).")
    return directory / _unescaped(match["path"])


def _unescaped(text: str) -> str:
    """Undo the escapes of a text protocol buffer. Each stands for a byte, and the bytes are UTF-8."""
    return text.encode().decode("unicode_escape").encode("latin-1", "replace").decode("utf-8", "replace")


def _prefixes_in(directory: Path) -> list[Path]:
    names = sorted(p.name for p in directory.iterdir() if p.is_file())
    prefixes = {name.removesuffix(".index") for name in names if name.endswith(".index")}
    prefixes |= {name for name in names if re.search(r"\.ckpt(-\d+)?$", name)}
    return [directory / prefix for prefix in sorted(prefixes)]


def _prefix_exists(prefix: Path) -> bool:
    return prefix.is_file() or Path(f"{prefix}.index").is_file()


def _require_complete(prefix: Path) -> Path:
    shards = sorted(prefix.parent.glob(f"{_escape(prefix.name)}.data-?????-of-?????"))
    if prefix.is_file():
        return prefix  # V1: one file
    if not Path(f"{prefix}.index").is_file():
        if shards:
            raise CheckpointMissingError(
                f"The checkpoint {prefix} has no {prefix.name}.index next to its data; copy it too."
            )
        raise CheckpointMissingError(f"There is no checkpoint at {prefix}. {_contents_of(prefix.parent)}")
    count = max((int(match["count"]) for s in shards if (match := _SHARD.match(s.name)) and match["count"]), default=0)
    missing = [n for n in range(count) if not Path(f"{prefix}.data-{n:05d}-of-{count:05d}").is_file()]
    if not shards or missing:
        name = f"{prefix.name}.data-{missing[0]:05d}-of-{count:05d}" if missing else f"{prefix.name}.data-*"
        raise CheckpointMissingError(f"The checkpoint {prefix} is not whole: {name} is missing. Copy all of its files.")
    return prefix


def checkpoint_files(prefix: Path) -> list[Path]:
    """All files that hold the weights of a checkpoint (not its .meta)."""
    if prefix.is_file():
        return [prefix]
    return [Path(f"{prefix}.index"), *sorted(prefix.parent.glob(f"{_escape(prefix.name)}.data-?????-of-?????"))]


def digest_of_files(files: list[Path]) -> str:
    """
    One digest of weights, whatever the prefix is called.

    :raises CheckpointError: a file cannot be read.
    """
    try:
        # The names of the files are left out: the same weights under another name are the same weights.
        return digest_of_digests({f"{number:05d}": digest_file(path) for number, path in enumerate(files)})
    except OSError as error:
        raise CheckpointMissingError(f"{error.filename} cannot be read: {error.strerror}.") from error


@contextlib.contextmanager
def unchanged(files: Sequence[Path]) -> Iterator[None]:
    """
    Detect writes to ``files`` during the block: the digest would be of other weights than those that were read.

    :raises CheckpointChangedError: one was written to.
    """
    before = {path: _identity(path) for path in files}
    try:
        yield
    except TendiesError as error:
        _require_unchanged(before, error)
        raise
    _require_unchanged(before)


def _require_unchanged(before: Mapping[Path, object], error: TendiesError | None = None) -> None:
    changed = [path for path, identity in before.items() if _identity(path) != identity]
    if changed:
        raise CheckpointChangedError(
            f"{changed[0]} was written to or removed while it was read. Export it again when its trainer is done with "
            "it, and let trainers give each checkpoint a name of its own."
        ) from error


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def how_to_fix(path: Path) -> str:
    """Return what to do about files that TensorFlow cannot read."""
    if any(sign in str(path) for sign in "[]\\"):
        return "TensorFlow takes `[`, `]` and `\\` in a path for a pattern: rename its folder or file, or link to it."
    return "It is damaged or was cut short; copy it again."


def step_of(prefix: Path) -> int | None:
    """Read the training step that the prefix ends in: ``model.ckpt-33`` -> 33."""
    match = _STEP.search(prefix.name)
    return int(match[1]) if match else None


def _contents_of(directory: Path) -> str:
    if not directory.is_dir():
        return f"The directory {directory} does not exist."
    names = sorted(p.name for p in directory.iterdir())
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    return f"{directory} holds {shown}." if names else f"{directory} is empty."


def _escape(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)
