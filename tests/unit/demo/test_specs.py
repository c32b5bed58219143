from __future__ import annotations

from pathlib import Path

from examples.demo.place import DemoPlace
from examples.demo.specs import read_example_specs, write_demo_spec
from tendies_ops.spec import load_spec


def test_a_demo_spec_differs_from_the_example_in_folders_and_server_only(tmp_path: Path) -> None:
    place = DemoPlace(tmp_path)
    place.clear()
    for example in read_example_specs():
        demo = load_spec(write_demo_spec(place, example, "http://127.0.0.1:9501"))
        assert demo.release.servers == ("http://127.0.0.1:9501",)
        assert demo.release.model_base_path == place.base_path(example.model_name)
        assert demo.batch.input == str(place.pictures(example.model_name))
        assert demo.model_copy(update={"release": example.release, "batch": example.batch}) == example
    assert (place.specs / "index.txt").read_text().splitlines() == [
        f"{spec.model_name}.yaml" for spec in read_example_specs()
    ]
