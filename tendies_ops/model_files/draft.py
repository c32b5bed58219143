"""Drafting the spec of an unknown model: from its file as far as that goes, the rest by trial."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tendies_ops.errors import SpecError, UsageError
from tendies_ops.export import try_contracts
from tendies_ops.model_files.description import ModelFile, Tensor
from tendies_ops.spec import Contract, ModelSpec, SourceSpec

_MOST_PICTURES = 4
_PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}
_CHANNELS = (1, 3, 4)


@dataclass(frozen=True)
class Proposal:
    """One contract that may be right, the best first."""

    name: str
    verdict: str
    contract: Contract
    marks: Mapping[str, str]  #: key of the contract -> how it was found out
    pictures: tuple[Path | str, ...]  #: results, or numbers as text, one for each picture of the trial


@dataclass(frozen=True)
class Trial:
    """The result of a trial."""

    source: SourceSpec
    proposals: tuple[Proposal, ...]
    photos: tuple[Path, ...]
    readings: int  #: how many were tried


def try_model_file(
    found: ModelFile, known: Mapping[str, Any], pictures: Sequence[Path], directory: Path, **how: Any
) -> Trial:
    """
    Run a model under the usual contracts.

    :param known: keys of ``source`` that the caller knows.
    :param directory: gets the pictures of the trial.
    :param how: as for :func:`~tendies_ops.export.try_contracts`.
    :raises TendiesError: it cannot be exported, or more must be known before it can be run.
    """
    spec = _first_spec(found, known)
    names = [tensor.name for tensor in found.outputs] if _names_its_ends(found, known) else []
    result = try_contracts(spec, names, pictures, directory, **how)
    return Trial(
        spec.source.model_copy(update={"output_tensors": result["output_tensors"]}),
        tuple(_proposal(one, directory) for one in result["proposals"]),
        tuple(directory / name for name in result["photos"]),
        result["readings"],
    )


def _proposal(one: Mapping[str, Any], directory: Path) -> Proposal:
    pictures = [directory / shown if shown.endswith(".png") else shown for shown in one["pictures"]]
    contract = Contract.model_validate(one["contract"])
    return Proposal(one["name"], one["verdict"], contract, one["marks"], tuple(pictures))


def _first_spec(found: ModelFile, known: Mapping[str, Any]) -> ModelSpec:
    if found.kind is None:
        raise SpecError(f"{found.path} is {found.format}, which tendies does not export. {found.advice}")
    if found.inputs and found.inputs[0].dtype == "string":
        raise SpecError(
            f"{found.path} takes encoded picture files, so no range of its input can be tried. Name the tensor behind "
            "its decoding with --source input_tensor=NAME, or save it with a signature that takes the decoded picture."
        )
    if not found.inputs and "builder" not in known and any("builder" in need for need in found.needs):
        raise SpecError(f"{found.path} is {found.format}. It needs {' '.join(found.needs)}")
    source = {"checkpoint": str(found.path.absolute()), **_source_of(found, known), **known}
    try:
        return ModelSpec.model_validate(
            {"model_name": name_of(found.path), "source": source, "contract": _contract_of(found)}
        )
    except ValidationError as error:
        problems = "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in error.errors())
        raise UsageError(f"--source: {problems}.") from error


def _names_its_ends(found: ModelFile, known: Mapping[str, Any]) -> bool:
    """Return True for graphs, of which the spec must name the ends; a builder returns them."""
    return found.kind in ("tf1_checkpoint", "frozen_graph") and not {"builder", "output_tensors"} & known.keys()


def _source_of(found: ModelFile, known: Mapping[str, Any]) -> dict[str, Any]:
    source: dict[str, Any] = {"constants": dict(found.constants)} if found.constants else {}
    if found.inputs and (_names_its_ends(found, known) or len(found.inputs) > 1) and found.kind != "keras":
        source["input_tensor"] = found.inputs[0].name
    return source


def _contract_of(found: ModelFile) -> dict[str, Any]:
    extra = {
        re.sub(r"[^A-Za-z0-9_.-]", "_", one.name).removeprefix("serving_default_"): {"tensor": one.name}
        for one in found.further_inputs
    }
    return {"input": _input_of(found.inputs[0]) if found.inputs else {}, "extra_inputs": extra}


def _input_of(picture: Tensor) -> dict[str, Any]:
    """Read the shape of a whole Keras file: its network is built for what is in the contract."""
    known: dict[str, Any] = {"dtype": picture.dtype} if picture.dtype in ("float16", "uint8") else {}
    shape = picture.shape or ()
    if len(shape) != 4:
        return known
    if shape[1] in _CHANNELS and shape[3] not in _CHANNELS:
        return {**known, "layout": "nchw", "channels": shape[1], **_size(shape[2], shape[3])}
    return {**known, **({"channels": shape[3]} if shape[3] in _CHANNELS else {}), **_size(shape[1], shape[2])}


def _size(height: int | None, width: int | None) -> dict[str, Any]:
    return {"size": {"height": height, "width": width}} if height and width else {}


def name_of(path: Path) -> str:
    """Make a model's name of its path."""
    own = path.name if path.is_dir() else path.name.split(".")[0]
    generic = own.isdecimal() or own in ("model", "saved_model", "frozen_graph", "checkpoint", "variables")
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", path.absolute().parent.name if generic else own).strip("_.-")
    return name[:100] or "model"


def pictures_in(place: Path) -> list[Path]:
    """
    Choose pictures for a trial from all over a folder.

    :raises UsageError: it has no picture.
    """
    files = [place] if place.is_file() else sorted(place.iterdir()) if place.is_dir() else []
    found = [file for file in files if file.suffix.lower() in _PICTURE_SUFFIXES and not file.name.startswith(".")]
    if not found:
        raise UsageError(f"--pictures: there is no picture in {place} ({', '.join(sorted(_PICTURE_SUFFIXES))}).")
    step = max(1, len(found) // _MOST_PICTURES)
    return found[::step][:_MOST_PICTURES]


def relative_to(path: Path, directory: Path) -> str:
    """Return ``path`` as a spec in ``directory`` names it."""
    return os.path.relpath(path.absolute(), directory.absolute())
