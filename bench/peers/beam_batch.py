"""
Apache Beam: match files, share them out, read, `RunInference` with a handler for whole files, write; on the runner that
it has for one machine, with two threads that share the model.

Arguments: the folder of pictures, the folder of results, how many pictures a call gets.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.io import fileio
from apache_beam.ml.inference.base import KeyedModelHandler, ModelHandler, RunInference
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

sys.path.insert(0, str(Path(__file__).parent))

from folder import write_result
from model import Predict, load_model

OPTIONS = ["--direct_num_workers=2", "--direct_running_mode=multi_threading"]


class FileHandler(ModelHandler[bytes, bytes, Predict]):
    """Whole files in, whole files out."""

    def __init__(self, batch_size: int) -> None:
        super().__init__()
        self._batch_size = batch_size

    def load_model(self) -> Predict:
        """Load it, once a process."""
        return load_model()

    def run_inference(
        self, batch: Sequence[bytes], model: Predict, inference_args: dict[str, Any] | None = None
    ) -> Iterable[bytes]:
        """One call a batch."""
        return model(list(batch))

    def batch_elements_kwargs(self) -> dict[str, int]:
        """Batches of one size."""
        return {"min_batch_size": self._batch_size, "max_batch_size": self._batch_size}


def main() -> None:
    source, target, batch_size = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    handler = KeyedModelHandler(FileHandler(batch_size))
    with beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions(OPTIONS)) as pipeline:
        _ = (
            pipeline
            | fileio.MatchFiles(f"{source}/**")
            | fileio.ReadMatches()
            | beam.Reshuffle()  # without it one thread gets everything
            | beam.Map(lambda file: (file.metadata.path, file.read()))
            | RunInference(handler)
            | beam.MapTuple(lambda path, result: write_result(target, Path(path).relative_to(source), result))
        )


if __name__ == "__main__":
    main()
