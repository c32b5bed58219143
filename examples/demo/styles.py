"""Each photograph of one folder in every style of the model, as a table of pictures."""

from __future__ import annotations

import shutil
from pathlib import Path

from tendies_ops.inference import BatchOptions, run_batch
from tendies_ops.inference.several_runs.fan_out import MATRIX_NAME, read_combinations, run_fan_out
from tendies_ops.spec import load_spec

FIVE_STYLES = "five_styles"


def draw_styles(folder: Path, server: str) -> Path:
    """Run a fan-out through the version in service; what an earlier demo has painted is not painted again."""
    spec = load_spec(folder / "specs" / f"{FIVE_STYLES}.yaml")
    styles = list(spec.contract.extra_inputs["style"].choices)
    options = BatchOptions(
        input=str(folder / "pictures" / FIVE_STYLES / styles[0]),
        output=str(folder / "results" / f"{FIVE_STYLES}_all"),
        model_name=FIVE_STYLES,
        servers=(server,),
        model_base_path=str(folder / "models" / FIVE_STYLES),
        max_batch_size=4,
    )
    run_fan_out(options, read_combinations([f"style={','.join(styles)}"]), run_batch)
    return Path(shutil.copyfile(Path(options.output) / MATRIX_NAME, folder / f"{FIVE_STYLES}_all.png"))
