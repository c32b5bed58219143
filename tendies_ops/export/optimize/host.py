"""Abilities of the machine that measures, as far as a rewrite needs to know."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")
_NVIDIA_GPUS = Path("/proc/driver/nvidia/gpus")
#: With any of these oneDNN multiplies bfloat16 directly; without, it converts, and is slower than float32.
_BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})


@dataclass(frozen=True)
class Host:
    """
    One machine.

    :param cpu_flags: as ``/proc/cpuinfo`` names the instruction sets; empty where that cannot be read.
    """

    cpu_model: str
    cpus: int
    cpu_flags: frozenset[str]
    gpus: tuple[str, ...] = ()
    onednn: bool = True

    def describe(self) -> str:
        """For the manifest."""
        names = [f"{self.cpus} CPUs {self.cpu_model}", *self.gpus]
        extras = sorted(self.cpu_flags & (_BFLOAT16_FLAGS | {"avx512_vnni"}))
        return ", ".join(names) + (f" ({', '.join(extras)})" if extras else "")

    def lacks_for_bfloat16(self) -> str:
        """Return what stands in the way of fast bfloat16; empty: nothing."""
        if self.gpus:
            return ""
        if not self.onednn:
            return "TF_ENABLE_ONEDNN_OPTS=0 turns off the kernels that are fast with bfloat16"
        if not self.cpu_flags & _BFLOAT16_FLAGS:
            return f"this CPU ({self.cpu_model}) has neither AVX512-BF16 nor AMX"
        return ""

    def lacks_for_float16(self) -> str:
        """Return what stands in the way of fast float16; empty: nothing."""
        return "" if self.gpus else "float16 is fast on GPUs only, and this machine has none"


def this_host() -> Host:
    """Describe this machine."""
    lines = _cpu_info()
    return Host(
        cpu_model=lines.get("model name", platform.processor() or platform.machine()),
        cpus=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        cpu_flags=frozenset(lines.get("flags", "").split()),
        gpus=_gpus(),
        onednn=os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1") != "0",
    )


def _cpu_info() -> dict[str, str]:
    """Read the first processor's lines; empty outside Linux."""
    try:
        text = _CPU_INFO.read_text(encoding="utf-8")
    except OSError:
        return {}
    first = text.split("\n\n", maxsplit=1)[0]
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first.splitlines())}


def _gpus() -> tuple[str, ...]:
    """Names of the NVIDIA GPUs, as the driver lists them."""
    try:
        folders = sorted(_NVIDIA_GPUS.iterdir())
    except OSError:
        return ()
    names = []
    for folder in folders:
        lines = (folder / "information").read_text(encoding="utf-8", errors="replace").splitlines()
        names += [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]
    return tuple(names)
