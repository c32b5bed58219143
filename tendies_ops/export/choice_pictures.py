"""The pictures that the choices of an input name, such as styles: kept in the version."""

from __future__ import annotations

from pathlib import Path

from tendies_ops.errors import SpecError
from tendies_ops.spec import Contract, ModelSpec
from tendies_ops.spec.parameters import CHOICES_DIRECTORY, ExtraInput


def keep_choice_pictures(directory: Path, spec: ModelSpec) -> ModelSpec:
    """
    Copy the pictures of choices into a version.

    :return: the spec with their paths inside the version.
    :raises SpecError: one cannot be read, or the graph cannot decode it.
    """
    inputs = {
        name: _keep(directory, name, one) if one.picture is not None and one.choices else one
        for name, one in spec.contract.extra_inputs.items()
    }
    return spec.model_copy(update={"contract": spec.contract.model_copy(update={"extra_inputs": inputs})})


def _keep(directory: Path, name: str, one: ExtraInput) -> ExtraInput:
    folder = directory / CHOICES_DIRECTORY / name
    folder.mkdir(parents=True, exist_ok=True)
    kept: dict[str, str] = {}
    for number, (choice, source) in enumerate(one.choices.items()):
        path = Path(str(source))
        data = _read_picture(f"{name}.choices.{choice}", path, one)
        file_name = f"{number}{path.suffix.lower()}"  # a choice may have any name
        (folder / file_name).write_bytes(data)
        kept[choice] = f"{CHOICES_DIRECTORY}/{name}/{file_name}"
    default = next((kept[choice] for choice, source in one.choices.items() if source == one.default), None)
    return one.model_copy(update={"choices": kept, "default": default})


def _read_picture(key: str, path: Path, one: ExtraInput) -> bytes:
    import tensorflow as tf

    from tendies_ops.export.parity import decoded

    try:
        data = path.read_bytes()
        decoded(data, Contract(input=one.picture or Contract().input))
    except OSError as error:
        raise SpecError(f"contract.extra_inputs.{key} is {path}, which cannot be read: {error.strerror}.") from error
    except tf.errors.OpError as error:
        raise SpecError(f"contract.extra_inputs.{key} is {path}, which is not a PNG or JPEG.") from error
    return data
