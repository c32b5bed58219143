"""The environment of a process that runs a model: as little as it needs, and no secrets."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

#: Finding programs, libraries and temporary folders, the language, and the settings of TensorFlow and its libraries.
#: ``TENDIES_DEV`` marks what `tendies dev` has started. Everything else is left out: Airflow's settings and
#: connections, tokens, keys, and proxies with passwords.
_NEEDED = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|TMPDIR|TEMP|TMP|TZ|LANG|LANGUAGE|LC_\w+|LD_LIBRARY_PATH|DYLD_LIBRARY_PATH|TERM|COLUMNS"
    r"|NO_COLOR|PYTHON\w+|VIRTUAL_ENV|TF_(?!CONFIG)\w+|TF2_\w+|KERAS_\w+|XLA_\w+|CUDA_\w+|NVIDIA_\w+|OMP_\w+|MKL_\w+"
    r"|OPENBLAS_\w+|KMP_\w+|ONEDNN_\w+|MALLOC_\w+|TENDIES_DEV|SYSTEMROOT"
)


def environment_of_child(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the part of an environment that a process which runs a model gets."""
    return {name: value for name, value in environment.items() if _NEEDED.fullmatch(name)}
