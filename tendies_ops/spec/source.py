"""The checkpoint, and the graph that its weights belong to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeGuard

from pydantic import Field, PlainValidator

from tendies_ops.errors import SpecError
from tendies_ops.spec.strict_model import SpecPart
from tendies_ops.spec.templates import Fixed

#: Between the URL of a file and its digest.
DIGEST_MARK = "#sha256="


def is_url(place: object) -> TypeGuard[str]:
    """Return True for the URL of a place that is not on this machine."""
    return isinstance(place, str) and "://" in place and not place.startswith(("file://", "local://"))


def read_place(place: object) -> Path | str:
    """
    Return a path, or a URL as the text that it is.

    :raises ValueError: it is neither.
    """
    if not isinstance(place, str | Path) or not str(place):
        raise ValueError("must be a path or a URL")
    return place if is_url(place) else Path(str(place).removeprefix("file://").removeprefix("local://"))


Place = Annotated[Path | str, PlainValidator(read_place)]
SourceKind = Literal["tf1_checkpoint", "tf2_checkpoint", "keras", "frozen_graph", "saved_model"]


class SourceSpec(SpecPart):
    """The checkpoint and its graph. A ``kind`` that is not given is derived from the files."""

    checkpoint: Annotated[Place, Fixed] = Field(
        description="file, prefix or directory, relative to the spec file; or an fsspec URL of one, which is fetched"
    )
    allowed_checkpoints: Annotated[tuple[str, ...], Fixed] = Field(
        (),
        description="further folders that the `checkpoint` of a run may be in; always allowed: the checkpoint's own "
        "folder and `airflow.watch_dir`",
    )
    trust_code: bool = Field(
        False, description="run the Python code that a Keras file holds (Lambda layers, pickled functions)"
    )
    allow_operations: tuple[str, ...] = Field(
        (),
        description="operations of the graph that do more than compute and may run all the same, such as `ReadFile`",
    )
    kind: SourceKind | None = None
    builder: Annotated[str | None, Fixed] = Field(
        None, description="`module:function` or `path/to/file.py:function` that builds the graph or the model"
    )
    builder_arguments: dict[str, Any] = Field(default_factory=dict, description="keyword arguments for the builder")
    graph: Annotated[Path | None, Fixed] = Field(
        None, description=".meta, .pb or .pbtxt that holds the graph, instead of a builder"
    )
    input_tensor: str | None = Field(None, description="name of the image tensor, such as `input:0`")
    output_tensors: dict[str, str] = Field(
        default_factory=dict, description="signature output -> tensor name; absent: the one output there is"
    )
    constants: dict[str, Any] = Field(
        default_factory=dict, description="further inputs bound to fixed values, such as `is_training: false`"
    )
    variable_map: dict[str, str] = Field(
        default_factory=dict, description="regular expression on the graph's variable name -> checkpoint name"
    )
    signature: str = Field("serving_default", description="signature of a SavedModel source")
    tags: tuple[str, ...] = Field(("serve",), description="tags of a SavedModel source")

    @property
    def local_checkpoint(self) -> Path:
        """
        The checkpoint on this machine.

        :raises SpecError: it is a URL, which has to be fetched first.
        """
        if is_url(self.checkpoint):
            raise SpecError(f"The checkpoint {self.checkpoint} is not on this machine, where a path is needed.")
        return Path(self.checkpoint)
