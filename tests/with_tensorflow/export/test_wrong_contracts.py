"""Wrong contracts of real networks are warned about where pictures can show them, and right contracts are not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tendies_ops.export.completion import complete_contract
from tendies_ops.export.golden import golden_images
from tendies_ops.export.network import IMAGE, Network
from tendies_ops.export.parity import expect
from tendies_ops.export.plausibility import judge
from tendies_ops.export.sources.detect import open_source
from tendies_ops.export.sources.graph_files import read_graph
from tendies_ops.spec import Contract, load_spec
from tendies_ops.spec.manifest import PlausibilityEntry

pytestmark = [pytest.mark.shared_data, pytest.mark.slow]
SPECS = Path(__file__).parent / "specs"
NETWORKS = ["cyclegan_meta", "fast_style", "magenta_style_0", "cartoongan_saved_model", "esrgan"]
RANGES = [(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)]


@dataclass(frozen=True)
class Opened:
    """A network and its right contract."""

    network: Network
    contract: Contract

    def judge(self, **ends: dict[str, Any]) -> PlausibilityEntry:
        """Judge the contract with some keys of its ends replaced."""
        stated = self.contract.model_dump()
        changed = Contract.model_validate({end: {**stated[end], **ends.get(end, {})} for end in ("input", "output")})
        expected = expect(self.network, golden_images([], changed.input), changed, {})
        (entry,) = judge(expected, changed, lambda batch: self.network.run({IMAGE: batch}))
        return entry

    def other_ranges(self, end: str) -> list[dict[str, Any]]:
        """Return the usual ranges but the right one, and the right one three times as wide."""
        stated = self.contract.model_dump()[end]["range"]
        right = (stated["low"], stated["high"])
        wrong = [pair for pair in RANGES if pair != right] + [(3 * right[0], 3 * right[1])]
        return [{"range": {"low": low, "high": high}} for low, high in wrong]


@pytest.fixture(scope="module", params=NETWORKS)
def opened(request: pytest.FixtureRequest, shared_data: Path) -> Opened:
    """One network at a time."""
    spec = load_spec(SPECS / f"{request.param}.yaml")
    network = open_source(spec.source, spec.contract)
    return Opened(network, complete_contract(spec.contract, network))


def test_the_right_contract_of_a_real_network_is_not_doubted(opened: Opened) -> None:
    assert opened.judge().doubts == ()


def test_each_wrong_input_range_of_a_real_network_is_doubted(opened: Opened) -> None:
    for wrong in opened.other_ranges("input"):
        assert "range" in " ".join(opened.judge(input=wrong).doubts), wrong


def test_each_wrong_output_range_of_a_real_network_is_doubted(opened: Opened) -> None:
    for wrong in opened.other_ranges("output"):
        assert "contract.output" in " ".join(opened.judge(output=wrong).doubts), wrong


def test_exchanged_colours_of_a_real_network_are_doubted_or_reported_as_not_verified(opened: Opened) -> None:
    bgr = {"color_order": "bgr"}
    for ends in ({"input": bgr}, {"output": bgr}, {"input": bgr, "output": bgr}):
        entry = opened.judge(**ends)
        assert "color_order" in " ".join([*entry.doubts, *entry.untold]), ends


def test_a_real_network_without_its_final_sigmoid_is_doubted(shared_data: Path) -> None:
    spec = load_spec(SPECS / "magenta_style_0.yaml")
    graph = read_graph(spec.source.local_checkpoint)
    sigmoid = next(node for node in graph.node if node.name == spec.source.output_tensors["output"])
    source = spec.source.model_copy(update={"output_tensors": {"output": sigmoid.input[0]}})
    network = open_source(source, spec.contract)
    contract = complete_contract(spec.contract, network)
    expected = expect(network, golden_images([], contract.input), contract, {})
    (entry,) = judge(expected, contract)
    assert "sigmoid" in " ".join(entry.doubts)
