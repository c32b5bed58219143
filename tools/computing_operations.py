"""
Write the list of TensorFlow's operations that only compute: `python tools/computing_operations.py`.

Those of the installed TensorFlow that have a kernel for the CPU, keep no state or only state of their own graph, and
match no reason of `tendies_ops/graphs/operations.py`. Names that are on the list already stay: another TensorFlow may
still have them.
"""

from __future__ import annotations

import re

from tendies_ops.graphs.operations import COMPUTING_FILE, computing_operations, reason_against

#: Stateful for TensorFlow, but random numbers, control flow, and variables, arrays and tables of the graph itself.
_STATE_OF_THE_GRAPH = re.compile(
    r"(Stateful)?(Random|Truncated|ParameterizedTruncated|Standard|Uniform|NonDeterministic|Multinomial|Rng).*"
    r"|Stateful.*|StatelessRandomGetAlg|SampleDistortedBoundingBox.*|.*CandidateSampler|If|While|Case|Assert"
    r"|CheckNumerics.*|Var.*|ReadVariableOp|AssignVariableOp|AssignAddVariableOp|AssignSubVariableOp|Resource(Gather"
    r"|Scatter|StridedSlice).*|DestroyResourceOp|DisableCopyOnRead|TensorArray.*|Stack.*|TemporaryVariable|(Anonymous)?("
    r"Mutable)?(Dense)?HashTable.*|AnonymousMutable.*|LookupTable.*|InitializeTableV2|CudnnRNN.*|GuaranteeConst|Empty"
    r"|DeviceIndex|_Fused.*|IsResourceHandleRefCounting"
)
#: Kernels for GPUs, which a TensorFlow for CPUs does not register, and operations that are run by other means.
_WITHOUT_KERNEL_HERE = re.compile(r"CudnnRNN.*|AccumulateNV2|FusedResizeAndPadConv2D|_FusedBatchNormEx")
#: Kernels of TensorFlow's own tests, and internal operations that check their inputs less.
_NOT_FOR_MODELS = re.compile(
    r"_(?!Fused(Batch|Conv2D|Depthwise|Mat)).*|ConstructionFails|KernelLabel.*|Old|GetDeadline|GetElementAtIndex"
    r"|GetOptions|(Unc|C)ompressElement|WindowOp"
)
_HEAD = "# Operations of TensorFlow that only compute. Made by `python tools/computing_operations.py`.\n"


def found_here() -> set[str]:
    """Return the computing operations of the installed TensorFlow."""
    from tensorflow.core.framework import op_def_pb2
    from tensorflow.python.client import pywrap_tf_session
    from tensorflow.python.framework import kernels

    registered = op_def_pb2.OpList()
    registered.ParseFromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList()))
    with_kernel = {kernel.op for kernel in kernels.get_all_registered_kernels().kernel}
    return {
        op.name
        for op in registered.op
        if (op.name in with_kernel or _WITHOUT_KERNEL_HERE.fullmatch(op.name))
        and (not op.is_stateful or _STATE_OF_THE_GRAPH.fullmatch(op.name))
        and not _NOT_FOR_MODELS.fullmatch(op.name)
        and reason_against(op.name) is None
    }


if __name__ == "__main__":
    names = found_here() | {name for name in computing_operations() if reason_against(name) is None}
    COMPUTING_FILE.write_text(_HEAD + "".join(f"{name}\n" for name in sorted(names)), encoding="utf-8")
