"""The whole trial of one model, in the child process: open it, run it under every reading, propose contracts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tendies_ops.errors import ExportError, SpecError
from tendies_ops.export.network import Arrays
from tendies_ops.export.reference import network_input
from tendies_ops.export.trial.frozen_run import FrozenRun
from tendies_ops.export.trial.network_outputs import ReadOutput, gives_pictures, layout_of, main_output, read_output
from tendies_ops.export.trial.open_network import (
    answer,
    feeds_of,
    open_unknown,
    size_needed,
    sizes_taken,
    takes_batches,
)
from tendies_ops.export.trial.photos import Pixels, read_photos, sizes_of
from tendies_ops.export.trial.proposals import Proposal, in_order, propose_pictures, propose_recogniser
from tendies_ops.export.trial.readings import Reading, readings_for
from tendies_ops.export.trial.recognisers import Observation
from tendies_ops.export.trial.trial_images import Candidate, candidate_of, ranked
from tendies_ops.spec import Contract, InputContract, ModelSpec, SourceSpec
from tendies_ops.spec.input_contract import Size

Say = Callable[[str], None]
Runs = Sequence[tuple[Reading, Sequence[Arrays]]]


def try_model(
    spec: ModelSpec, outputs: Sequence[str], pictures: Sequence[Path], directory: Path, say: Say
) -> dict[str, Any]:
    """
    Find out the contract of ``spec`` as far as running it can show.

    :param spec: its source is right, and its contract is what the file itself defines.
    :param outputs: tensors that may be the output, the likeliest first; empty: the source names its own.
    :param pictures: photographs such as the network is for; empty: some are made.
    :param directory: gets the pictures of the candidates.
    :return: the proposals, the best first, for JSON.
    :raises TendiesError: the source cannot be opened, or gives no sane numbers under any reading.
    """
    source, run, contract, output = _open(spec, outputs, sizes_of(pictures))
    say(f"Opened {source.checkpoint}")
    photos = read_photos(pictures, contract.input)
    if not takes_batches(run, [_fed(photo, contract.input) for photo in photos], output):
        contract = _changed(contract, {"batch_size": 1})
    readings = readings_for(contract.input)
    runs = [(reading, answers) for reading in readings if (answers := _answers(run, reading, photos))]
    say(f"Ran it on {len(photos)} pictures under {len(readings)} readings")
    proposals = _propose(run, runs, contract, photos, output)
    return {
        "output_tensors": source.output_tensors,
        "proposals": [_written(proposal, number, directory) for number, proposal in enumerate(proposals, 1)],
        "photos": _saved(photos, directory),
        "readings": len(readings),
    }


def _open(
    spec: ModelSpec, outputs: Sequence[str], sizes: Sequence[Size]
) -> tuple[SourceSpec, FrozenRun, Contract, str]:
    """Take the first of the ``outputs`` that is one of a batch of pictures."""
    named = [{"output": name} for name in outputs] or [spec.source.output_tensors]
    for number, tensors in enumerate(named, 1):
        source = spec.source.model_copy(update={"output_tensors": tensors})
        network, contract = open_unknown(source, spec.contract, sizes)
        run = FrozenRun(network, feeds_of(network, contract))
        try:
            return source, run, *_with_sizes(run, contract)
        except SpecError:
            if number == len(named):
                raise
    raise ExportError("There was nothing to open.")


def _answers(run: FrozenRun, reading: Reading, photos: Sequence[Pixels]) -> list[Arrays]:
    import tensorflow as tf

    try:
        return [run.run(_fed(photo, reading.contract)) for photo in photos]
    except tf.errors.OpError:  # networks of 8-bit operations refuse numbers that are far too large
        return []


def _with_sizes(run: FrozenRun, contract: Contract) -> tuple[Contract, str]:
    """Find the size or the stride that the network needs, and its main output."""
    if contract.input.size is None:
        size = size_needed(run, contract.input)
        if size is not None:
            contract = _changed(contract, {"size": size})
    sides = (contract.input.size.height, contract.input.size.width) if contract.input.size else (96, 128)
    outputs = answer(run, contract.input, sides)
    if not outputs:
        raise ExportError(f"The network refuses a picture of {sides[0]} x {sides[1]} and of every usual size.")
    _require_batch_axis(outputs)
    main = main_output(outputs)
    if contract.input.size is not None:
        return _changed(contract, {"resize": "bilinear"}), main
    taken = sizes_taken(run, contract.input, main)
    if taken is None:
        return contract, main
    scaled = contract.output.model_copy(update={"scale": taken["scale"]})
    return _changed(contract, {"multiple_of": taken["multiple_of"]}).model_copy(update={"output": scaled}), main


def _require_batch_axis(outputs: Arrays) -> None:
    for name, values in outputs.items():
        if values.shape[:1] != (1,):
            raise SpecError(
                f"The output `{name}` is {list(values.shape)} for one picture, and has no axis for a batch. Name "
                "another tensor with --source output_tensors={output: TENSOR}."
            )


def _changed(contract: Contract, changes: Mapping[str, Any]) -> Contract:
    return contract.model_copy(update={"input": contract.input.model_copy(update=dict(changes))})


def _fed(photo: Pixels, contract: InputContract) -> NDArray[Any]:
    return network_input(photo, contract.model_copy(update={"resize": "exact"}))


def _propose(run: FrozenRun, runs: Runs, contract: Contract, photos: Sequence[Pixels], main: str) -> list[Proposal]:
    if gives_pictures(runs[0][1][0][main], contract.input.channels):
        return _propose_pictures(runs, contract, photos, main)
    seen = [_observation(run, reading, answers, photos, main) for reading, answers in runs]
    order = in_order(seen, run.red_to_blue())
    best = next(answers for reading, answers in runs if reading is order[0].reading)
    return propose_recogniser(order, contract, _read_outputs(best, contract, list(best[0])), run.red_to_blue())


def _propose_pictures(runs: Runs, contract: Contract, photos: Sequence[Pixels], main: str) -> list[Proposal]:
    layout = layout_of(runs[0][1][0][main])
    base = contract.output.model_copy(update={"layout": layout, "restore_size": contract.input.size is not None})
    found = [
        candidate_of(
            reading,
            [a[main][0] for a in answers],
            photos,
            base.model_copy(update={"color_order": reading.contract.color_order}),
        )
        for reading, answers in runs
    ]
    candidates: list[Candidate] = [one for one in found if one is not None]
    if not candidates:
        raise ExportError(
            f"Under every usual reading of its input, `{main}` has numbers of no usual range (0 to 1, -1 to 1, 0 to "
            "255). Write contract.input.range and contract.output.range as its training code has them."
        )
    order = ranked(candidates)
    best = next(answers for reading, answers in runs if reading is order[0].reading)
    others = _read_outputs(best, contract, [name for name in best[0] if name != main])
    return propose_pictures(order, contract, main, others)


def _read_outputs(answers: Sequence[Arrays], contract: Contract, names: Sequence[str]) -> dict[str, ReadOutput]:
    is_detector = any(name.endswith("detection_boxes") for name in answers[0])
    channels = contract.input.channels
    return {
        name: read_output(name, [answer[name] for answer in answers], channels, is_detector=is_detector)
        for name in names
    }


def _observation(
    run: FrozenRun, reading: Reading, answers: Sequence[Arrays], photos: Sequence[Pixels], main: str
) -> Observation:
    fed = [_fed(photo, reading.contract) for photo in photos]
    numbers = tuple(answer[main][0].astype(np.float64) for answer in answers)
    saturation = float(np.mean([run.saturation(one) for one in fed]))
    return Observation(reading, numbers, saturation, run.distance_from_training(fed), main.endswith("detection_scores"))


def _saved(photos: Sequence[Any], directory: Path, name: str = "photo") -> list[str]:
    """Write each as a PNG and return the files' names; texts are returned as they are."""
    names = []
    for number, photo in enumerate(photos):
        if isinstance(photo, str):
            names.append(photo)
            continue
        Image.fromarray(photo.squeeze(2) if photo.shape[2] == 1 else photo).save(directory / f"{name}_{number}.png")
        names.append(f"{name}_{number}.png")
    return names


def _written(one: Proposal, number: int, directory: Path) -> dict[str, Any]:
    return {
        "name": one.name,
        "verdict": one.verdict,
        "marks": one.marks,
        "contract": one.contract.model_dump(mode="json"),
        "pictures": _saved(one.photos, directory, f"candidate_{number}"),
    }
