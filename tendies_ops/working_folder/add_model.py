from __future__ import annotations

from pathlib import Path

from tendies_ops.spec import INDEX_NAME

_BATCH = """batch:
  input: ../pictures/{name}
  output: ../results/{name}
"""


def place_of_spec(folder: Path, model_name: str) -> Path:
    """Return where a new spec belongs: in ``specs/`` of a working folder, else in the folder itself."""
    specs = folder / "specs"
    return (specs if (specs / INDEX_NAME).is_file() else folder) / f"{model_name}.yaml"


def add_model(spec: Path, model_name: str) -> bool:
    """
    Complete a drafted spec of a working folder: folders for its batch, and its name in the index.

    :return: False if the spec is not in a working folder; it remains unchanged then.
    """
    index = spec.parent / INDEX_NAME
    if not index.is_file():
        return False
    text = spec.read_text(encoding="utf-8")
    if "\nbatch:" not in text:
        spec.write_text(text + _BATCH.format(name=model_name), encoding="utf-8")
    for name in ("models", "pictures"):
        (spec.parent.parent / name / model_name).mkdir(parents=True, exist_ok=True)
    named = index.read_text(encoding="utf-8")
    if spec.name not in named.split():
        index.write_text(f"{named.rstrip()}\n{spec.name}\n", encoding="utf-8")
    return True
