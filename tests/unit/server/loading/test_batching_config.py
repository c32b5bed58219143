from __future__ import annotations

from pathlib import Path

import pytest

from tendies_ops.server.loading.batching_config import read_batching_parameters
from tendies_ops.server.status_codes import StatusError


def test_batching_parameters_are_read_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "batching.txt"
    path.write_text(
        "max_batch_size { value: 8 } batch_timeout_micros { value: 500 } allowed_batch_sizes: 6 allowed_batch_sizes: 8"
    )
    parameters = read_batching_parameters(path)
    assert (parameters.max_batch_size, parameters.batch_timeout_s, parameters.padded_size(5)) == (8, 0.0005, 6)
    path.write_text("max_batch_size { value: 8 } allowed_batch_sizes: 4 allowed_batch_sizes: 6")
    with pytest.raises(StatusError, match="last entry was 6; expected 8"):
        read_batching_parameters(path)
    for text in ("pad_variable_length_inputs: true", "enable_large_batch_splitting { value: true }"):
        path.write_text(text)
        with pytest.raises(StatusError, match="are not implemented by the embedded Model Server"):
            read_batching_parameters(path)
