"""YAML files whose values know their lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

#: Ten times as fast, where libyaml is installed.
_FAST_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
#: A part of the parser's message -> what to do about it.
_REMEDIES = {
    "'\\t'": "indent with spaces instead of tabs",
    "mapping values are not allowed": "quote a value that has `: ` in it, and indent the keys of a mapping equally",
    "',' or ']'": "close the list with `]`",
    "',' or '}'": "close the mapping with `}`",
    "expected <block end>": "indent the keys of one mapping equally",
    "could not find expected ':'": "write `key: value`, with a space behind the colon",
    "while scanning a quoted scalar": "close the quotes",
    "cannot start any token": "put the value in quotes",
    "undefined alias": "put a value that begins with `*` in quotes",
}


class YamlError(Exception):
    """A text that is not YAML: its line, and what to do."""

    def __init__(self, message: str, line: int | None) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class YamlFile:
    """The content of a YAML file, and the nodes that it was made from."""

    data: Any
    root: yaml.Node | None

    def line_of(self, location: Iterable[str | int]) -> int:
        """Return the line of the value at ``location``, or of the last key on the way to it that is there."""
        node, line = self.root, 1
        for part in location:
            found = next((pair for pair in _entries(node) if pair[0] == part), None)
            if found is None:
                break
            _, mark, node = found
            line = mark.line + 1
        return line


def parse_yaml(text: str) -> YamlFile:
    """
    Read YAML in which no key of a mapping occurs twice: the first one would be lost without notice.

    :raises YamlError: it is not YAML, or a key occurs twice.
    """
    try:
        return _parse(text, _FAST_LOADER)
    except YamlError:
        return _parse(text, yaml.SafeLoader)  # whose errors have more detail


def _parse(text: str, loader_class: type[yaml.SafeLoader]) -> YamlFile:
    try:
        loader = loader_class(text)
    except yaml.YAMLError as error:  # a character that YAML does not allow
        raise YamlError(" ".join(str(error).split()), None) from error
    try:
        root = loader.get_single_node()
        for key in _repeated_keys(root):
            raise YamlError(f"found the key {key.value!r} twice; remove one", key.start_mark.line + 1)
        return YamlFile(None if root is None else loader.construct_document(root), root)
    except yaml.MarkedYAMLError as error:
        raise YamlError(_words(error), error.problem_mark.line + 1 if error.problem_mark else None) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date such as 2024-13-01
        raise YamlError(" ".join(str(error).split()), None) from error
    finally:
        loader.dispose()


def _words(error: yaml.MarkedYAMLError) -> str:
    said = f"{error.context or ''} {error.problem or ''}".strip()
    remedy = next((remedy for part, remedy in _REMEDIES.items() if part in said), None)
    return f"{said}; {remedy}" if remedy else said


def _repeated_keys(node: yaml.Node | None) -> Iterator[yaml.ScalarNode]:
    waiting, seen_nodes = [node], set()
    while waiting:
        node = waiting.pop()
        if node is None or id(node) in seen_nodes:  # an alias is its anchor's own node
            continue
        seen_nodes.add(id(node))
        keys = set()
        for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in keys:
                    yield key
                keys.add(key.value)
            waiting += [key, value]
        waiting += node.value if isinstance(node, yaml.SequenceNode) else []


def _entries(node: yaml.Node | None) -> Iterator[tuple[str | int, yaml.Mark, yaml.Node]]:
    """Yield key or index, where it is, and value of each entry of a node."""
    if isinstance(node, yaml.MappingNode):
        yield from ((str(key.value), key.start_mark, value) for key, value in node.value)
    elif isinstance(node, yaml.SequenceNode):
        yield from ((index, value.start_mark, value) for index, value in enumerate(node.value))
