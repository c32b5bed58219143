from __future__ import annotations

from pathlib import Path

import pytest

from tools.check_paths import find_machine_paths


@pytest.mark.parametrize(
    "directory", ["/ho" + "me/alice/", "/Us" + "ers/alice/", "/wo" + "rk/main/", "/ro" + "ot/.venv/"]
)
def test_a_path_of_one_machine_is_found_with_its_line(tmp_path: Path, directory: str) -> None:
    (tmp_path / "page.md").write_text(f"fine\nrun {directory}tendies\n")
    assert find_machine_paths([tmp_path / "page.md"]) == [f"{tmp_path / 'page.md'}:2: run {directory}tendies"]


@pytest.mark.parametrize("text", ["/opt/airflow/dags", "$HOME/work/x", "a/work/b", "network/", "/home/airflow/.local"])
def test_a_path_inside_an_image_or_of_anybody_is_fine(tmp_path: Path, text: str) -> None:
    (tmp_path / "page.md").write_text(text)
    assert find_machine_paths([tmp_path / "page.md"]) == []


def test_a_binary_file_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"\0/ho" + b"me/alice/weights")
    assert find_machine_paths([tmp_path / "weights"]) == []
