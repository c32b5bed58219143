"""The training scripts run as anybody would run them, for a few steps; the spec's graph takes what they leave."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.examples import EXAMPLES, load_example

pytestmark = pytest.mark.slow  # two processes that import TensorFlow and trace a training step


def run_script(script: str, *arguments: str) -> str:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, str(EXAMPLES / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_stripes_can_be_trained_again(tmp_path: Path) -> None:
    import tensorflow as tf

    prefix = tmp_path / "model.ckpt"
    said = run_script("noise_to_stripes/train.py", "--steps", "2", "--batch-size", "2", "--checkpoint", str(prefix))
    committed = tf.train.latest_checkpoint(str(EXAMPLES / "noise_to_stripes" / "checkpoint"))

    assert "step     1" in said
    assert tf.train.list_variables(f"{prefix}-2") == tf.train.list_variables(committed)
    assert (tmp_path / "checkpoint").read_text(encoding="utf-8").startswith('model_checkpoint_path: "model.ckpt-2"')


def test_brush_strokes_can_be_trained_further(tmp_path: Path) -> None:
    committed, made = EXAMPLES / "brush_strokes" / "checkpoint" / "brush_strokes.keras", tmp_path / "made.keras"
    few = ["--crops=4", "--crop-size=64", "--steps=2", "--batch-size=2", "--learning-rate=1e-6"]
    arguments = [*few, f"--start-from={committed}"]
    said = run_script("brush_strokes/train.py", *arguments, "--checkpoint", str(made))

    model = load_example("brush_strokes/model.py")
    network = model.build_model()
    network.load_weights(made)
    assert network.count_params() == 346_756
    loss = float(said.rsplit("loss", 1)[1])
    assert loss < 0.08  # an untrained network starts above 0.3
