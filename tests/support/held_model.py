"""The example's network, whose building lasts until a file is gone; an export's child process loads it by its path."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from examples.noise_to_stripes.model import generator


def held_generator(image: Any, *, held: str, **arguments: Any) -> Any:
    """
    Say which process this is, and wait.

    :param held: file that someone removes.
    """
    Path(held).with_name("exporting.pid").write_text(str(os.getpid()), encoding="ascii")
    while Path(held).exists():
        time.sleep(0.05)
    return generator(image, **arguments)
