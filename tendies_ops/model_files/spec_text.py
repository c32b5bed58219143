"""A drafted spec as text: YAML, with a comment above each key on how its value was found."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tendies_ops.model_files.description import ModelFile
from tendies_ops.model_files.draft import Proposal, Trial, name_of, relative_to
from tendies_ops.spec.strict_model import SpecPart

_WIDTH = 110
#: Sections that are written as blocks; other mappings are short.
_BLOCKS = {"source", "contract", "input", "output", "outputs", "extra_inputs"}


def spec_text(found: ModelFile, trial: Trial, chosen: int, target: Path, header: Sequence[str]) -> str:
    """
    Write the spec of the proposal ``chosen``.

    :param target: the file that it will be in.
    :param header: lines on how it was made.
    """
    proposal = trial.proposals[chosen]
    source = trial.source.model_dump(mode="json", exclude_defaults=True)
    source["checkpoint"] = relative_to(trial.source.local_checkpoint, target.parent)
    if str(source.get("builder", "")).partition(":")[0].endswith(".py"):
        place, _, function = str(source["builder"]).rpartition(":")
        source["builder"] = f"{relative_to(Path(place), target.parent)}:{function}"
    spec = {"model_name": name_of(found.path), "source": source, "contract": _contract(proposal)}
    marks = {**_marks_of_file(found), **{f"contract.{key}": mark for key, mark in proposal.marks.items()}}
    return "\n".join([*(_comment(line, "") for line in header), *_lines(spec, marks, "", "")]) + "\n"


def _contract(proposal: Proposal) -> dict[str, Any]:
    """Return the contract without its defaults, except for those that a reader wants to see."""
    given = proposal.contract
    keys = {"range", "color_order"} if given.input.channels == 3 else {"range"}
    outputs = {
        name: _shown(output, {"kind", *(keys if output.kind == "image" else ())})
        for name, output in (given.outputs or {"output": given.output}).items()
    }
    return {
        "input": _shown(given.input, set() if given.input.dtype == "uint8" else keys),
        **({"outputs": outputs} if given.outputs else outputs),
        **given.model_dump(mode="json", include={"extra_inputs"}, exclude_defaults=True),
    }


def _shown(part: SpecPart, always: set[str]) -> dict[str, Any]:
    changed = part.model_dump(mode="json", exclude_defaults=True)
    wanted = [key for key in type(part).model_fields if key in always or key in changed]
    full = part.model_dump(mode="json")
    return {key: full[key] for key in wanted}


def _marks_of_file(found: ModelFile) -> dict[str, str]:
    marks = {}
    if found.constants:
        marks["source.constants"] = "assumed: the values that such inputs have when nothing is trained"
    if found.further_inputs:
        marks["contract.extra_inputs"] = (
            "unknown: what these inputs mean. Each request must set them; or bind them to a value in source.constants"
        )
    for key, tensors in (("input_tensor", found.inputs), ("output_tensors", found.outputs)):
        others = [str(tensor) for tensor in tensors[1:5]]
        if others:
            marks[f"source.{key}"] = f"assumed, the likeliest. Others: {'; '.join(others)}"
    return marks


def _lines(values: Mapping[str, Any], marks: Mapping[str, str], at: str, indent: str) -> Iterator[str]:
    for key, value in values.items():
        place = f"{at}.{key}" if at else key
        if place in marks:
            yield _comment(marks[place], indent)
        if isinstance(value, dict) and (key in _BLOCKS or at.endswith(("outputs", "extra_inputs"))):
            yield f"{indent}{_flow(key)}:"
            yield from _lines(value, marks, place, indent + "  ")
        else:
            yield f"{indent}{_flow(key)}: {_flow(value)}"


def _flow(value: Any) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True)
    return text.removesuffix("...\n").strip()


def _comment(text: str, indent: str) -> str:
    lines = textwrap.wrap(text, _WIDTH - len(indent)) or [""]
    return "\n".join(f"{indent}# {line}".rstrip() for line in lines)
