from __future__ import annotations

from tendies_ops.export.optimize.host import Host, this_host

OLD = Host("Old CPU", 4, frozenset({"avx2"}))
NEW = Host("New CPU", 4, frozenset({"avx2", "avx512_bf16"}))


def test_bfloat16_needs_the_instructions_and_the_kernels_that_use_them() -> None:
    assert NEW.lacks_for_bfloat16() == ""
    assert "neither AVX512-BF16 nor AMX" in OLD.lacks_for_bfloat16()
    without = Host("New CPU", 4, NEW.cpu_flags, onednn=False)
    assert "TF_ENABLE_ONEDNN_OPTS=0" in without.lacks_for_bfloat16()


def test_a_gpu_is_fast_with_both_halves() -> None:
    host = Host("Old CPU", 4, OLD.cpu_flags, gpus=("NVIDIA H200",))

    assert host.lacks_for_bfloat16() == host.lacks_for_float16() == ""
    assert "GPUs only" in NEW.lacks_for_float16()


def test_the_description_names_what_figures_depend_on() -> None:
    assert NEW.describe() == "4 CPUs New CPU (avx512_bf16)"
    assert this_host().cpus >= 1
