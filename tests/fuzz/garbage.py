"""What a fuzzed reader is given."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["../..", "/etc/passwd", "\ud800", "9" * 30, "NaN", "sha256:", "a\x00b", "{{x}}"])
)


def json_values(*keys: str) -> st.SearchStrategy[Any]:
    """Any JSON, in whose objects these keys turn up more often than others."""
    names = st.sampled_from(keys) | st.text(max_size=8) if keys else st.text(max_size=8)
    return st.recursive(
        _SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=6), max_leaves=12
    )


def replaced(document: Any, *keys: str) -> st.SearchStrategy[Any]:
    """``document`` with one or two values, anywhere in it, gone or replaced by something else."""
    return st.lists(st.tuples(st.sampled_from(_paths(document)), json_values(*keys) | st.just(_GONE)), max_size=2).map(
        lambda changes: _changed(document, changes)
    )


def mutated(data: bytes) -> st.SearchStrategy[bytes]:
    """``data`` with pieces cut out, put in or overwritten."""
    place = st.integers(0, len(data))
    change = st.tuples(place, st.integers(0, 12), st.binary(max_size=12))

    def apply(changes: list[tuple[int, int, bytes]]) -> bytes:
        changed = bytearray(data)
        for at, length, new in changes:
            changed[at : at + length] = new
        return bytes(changed)

    return st.lists(change, min_size=1, max_size=4).map(apply)


_GONE = object()


def _paths(document: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items: Any = ()
    if isinstance(document, dict):
        items = document.items()
    elif isinstance(document, list):
        items = enumerate(document)
    return [at, *(path for key, value in items for path in _paths(value, (*at, key)))]


def _changed(document: Any, changes: list[tuple[tuple[Any, ...], Any]]) -> Any:
    copy = json.loads(json.dumps(document))
    for path, value in changes:
        copy = _replace(copy, path, value)
    return copy


def _replace(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return None if value is _GONE else value
    try:
        if len(path) > 1:
            document[path[0]] = _replace(document[path[0]], path[1:], value)
        elif value is _GONE:
            del document[path[0]]
        else:
            document[path[0]] = value
    except (KeyError, IndexError, TypeError):
        pass  # an earlier change took it away
    return document
