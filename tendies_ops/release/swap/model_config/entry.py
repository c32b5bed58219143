"""One model's entry in a ``--model_config_file``: which versions are loaded and where the labels point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tendies_ops.errors import UsageError
from tendies_ops.release.swap.model_config.text import Message, parse_places

Policy = Literal["latest", "all", "specific"]


@dataclass(frozen=True)
class ModelEntry:
    """The entry of one model."""

    base_path: str
    policy: Policy
    versions: tuple[int, ...]  #: of ``specific``
    labels: Mapping[str, int]


@dataclass(frozen=True)
class _Change:
    start: int
    end: int
    text: str


def read_entry(text: str, model_name: str) -> ModelEntry:
    """
    Find ``model_name`` in the text of a model config file.

    :raises UsageError: the text is not such a file, or has no entry, or two, of that name.
    """
    block = _find(text, model_name)
    policies = block.nested("model_version_policy")
    specific = [message for policy in policies for message in policy.nested("specific")]
    everything = any(policy.named("all") for policy in policies)
    labels = {_one(label, "key"): _version(_one(label, "value")) for label in block.nested("version_labels")}
    return ModelEntry(
        base_path=_one(block, "base_path"),
        policy="specific" if specific else "all" if everything else "latest",
        versions=tuple(_version(version) for message in specific for version in message.scalars("versions")),
        labels=labels,
    )


def change_entry(text: str, model_name: str, *, versions: Sequence[int], labels: Mapping[str, int]) -> str:
    """
    Return the text with other versions and labels for one model. Every other character stays, comments included.

    :param versions: all versions to load: the policy becomes ``specific``.
    :param labels: all labels.
    """
    block = _find(text, model_name)
    policy = _policy_text(versions)
    policies = block.named("model_version_policy")
    changes = [_Change(found.start, found.end, policy if n == 0 else "") for n, found in enumerate(policies)]
    changes += _label_changes(block, labels)
    present = {_one(message, "key") for message in block.nested("version_labels")}
    new = [] if policies else [policy]
    new += [_label_text(name, version) for name, version in labels.items() if name not in present]
    if new:
        indent = _indent_of(text, block)
        last = block.fields[-1].end
        changes.append(_Change(last, last, "".join(f"\n{indent}{line}" for line in new)))
    for change in sorted(changes, key=lambda c: c.start, reverse=True):
        text = _apply(text, change)
    return text


def _find(text: str, model_name: str) -> Message:
    configs = [c for models in parse_places(text).nested("model_config_list") for c in models.nested("config")]
    found = [config for config in configs if config.scalars("name") == [model_name]]
    if len(found) == 1:
        return found[0]
    names = ", ".join(name for config in configs for name in config.scalars("name")) or "none"
    raise UsageError(f"it has {len(found) or 'no'} entries with name: {model_name!r}; models in it: {names}.")


def _one(message: Message, name: str) -> str:
    values = message.scalars(name)
    if not values:
        raise UsageError(f"a model's entry has no `{name}`.")
    return values[-1]


def _version(text: str) -> int:
    try:
        return int(text, 16 if text.lower().startswith("0x") else 10)
    except ValueError:
        raise UsageError(f"{text!r} was found where the number of a version is expected.") from None


def _label_changes(block: Message, labels: Mapping[str, int]) -> list[_Change]:
    changes = []
    for found in block.named("version_labels"):
        for message in found.messages:
            name = _one(message, "key")
            value = message.named("value")[-1].values[-1]
            if name in labels:
                changes.append(_Change(value.start, value.end, str(labels[name])))
            elif len(found.messages) == 1:
                changes.append(_Change(found.start, found.end, ""))
            else:
                raise UsageError("`version_labels: [...]` cannot be edited; write one `version_labels {}` a label.")
    return changes


def _apply(text: str, change: _Change) -> str:
    start, end = change.start, change.end
    if not change.text:  # a removed field takes its line with it, unless that has something else
        line_start = text.rfind("\n", 0, start) + 1
        line_end = text.find("\n", end)
        line_end = len(text) if line_end < 0 else line_end + 1
        if not text[line_start:start].strip() and not text[end:line_end].strip(" \t\n,;"):
            start, end = line_start, line_end
    return text[:start] + change.text + text[end:]


def _indent_of(text: str, block: Message) -> str:
    first = block.fields[0].start
    before = text[text.rfind("\n", 0, first) + 1 : first]
    return before if not before.strip() else "    "


def _policy_text(versions: Sequence[int]) -> str:
    inside = " ".join(f"versions: {version}" for version in sorted(set(versions)))
    return f"model_version_policy {{ specific {{ {inside} }} }}"


def _label_text(name: str, version: int) -> str:
    return f'version_labels {{ key: "{name}" value: {version} }}'
