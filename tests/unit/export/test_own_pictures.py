"""Pictures of the batch become golden images: chosen once, small, different, and never a reason to fail."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tendies_ops.errors import SpecError
from tendies_ops.export.golden import golden_images
from tendies_ops.export.own_pictures import own_pictures, photographs
from tendies_ops.spec import ModelSpec

COLOURS = ("red", "darkred", "blue", "white", "maroon")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "base").mkdir()
    return tmp_path / "base"


@pytest.fixture
def photographs_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs" / "night"
    folder.mkdir(parents=True)
    for number, colour in enumerate(COLOURS):
        Image.new("RGB", (640, 480), colour).save(folder / f"{number}.jpg")
    (folder / "cut.jpg").write_bytes((folder / "0.jpg").read_bytes()[:300])
    Image.new("RGB", (64, 64), "green").save(folder / "scans.jpeg", progressive=True)
    return folder.parent


def spec(folder: Path | str, **changes: Any) -> ModelSpec:
    return ModelSpec.model_validate(
        {"model_name": "m", "source": {"checkpoint": "c"}, "batch": {"input": str(folder), "output": "out"}, **changes}
    )


def colour_of(path: Path) -> tuple[int, ...]:
    with Image.open(path) as image:
        return tuple(round(value / 64) for value in image.convert("RGB").resize((1, 1)).getpixel((0, 0)))


def test_pictures_that_differ_most_are_kept_reduced(photographs_folder: Path, base: Path) -> None:
    kept = own_pictures(spec(photographs_folder), base)
    assert [path.name for path in kept] == ["0-0.png", "1-3.png", "2-2.png"]
    assert [colour_of(path) for path in kept] == [(4, 0, 0), (4, 4, 4), (0, 0, 4)]
    for path in kept:
        with Image.open(path) as image:
            assert image.size == (256, 192)


def test_they_remain_the_same_when_the_folder_changes(photographs_folder: Path, base: Path) -> None:
    before = [path.read_bytes() for path in own_pictures(spec(photographs_folder), base)]
    for path in photographs_folder.rglob("*.jpg"):
        path.unlink()
    Image.new("RGB", (64, 64), "pink").save(photographs_folder / "new.png")
    assert [path.read_bytes() for path in own_pictures(spec(photographs_folder), base)] == before


def test_the_ones_that_are_made_follow_with_names_and_files_of_their_own(photographs_folder: Path, base: Path) -> None:
    model = spec(photographs_folder)
    images = golden_images(model.golden, model.contract.input, own_pictures(model, base))
    assert [image.name for image in images[:3]] == ["0-0", "1-3", "2-2"]
    assert len(images) > 5
    assert len({image.name for image in images}) == len({image.file_name for image in images}) == len(images)


def test_a_model_of_one_size_gets_pictures_of_that_size(photographs_folder: Path, base: Path) -> None:
    size = {"height": 32, "width": 48}
    for path in own_pictures(spec(photographs_folder, contract={"input": {"size": size}}), base):
        with Image.open(path) as image:
            assert image.size == (48, 32)


@pytest.mark.parametrize("folder", ["/nowhere", "s3://bucket/pictures", "{{ ds }}/pictures"])
def test_a_folder_that_is_not_on_this_machine_gives_none(folder: str, base: Path) -> None:
    airflow = {"batch_cron": "@daily"}
    assert own_pictures(spec(folder, airflow=airflow), base) == []
    assert list((base / ".tendies").iterdir()) == []


def test_golden_images_of_the_spec_come_first_and_nothing_is_chosen(photographs_folder: Path, base: Path) -> None:
    assert own_pictures(spec(photographs_folder, golden=[str(photographs_folder / "night" / "0.jpg")]), base) == []
    assert list(base.iterdir()) == []


def test_an_export_has_them_although_its_task_sees_part_of_the_spec(photographs_folder: Path, base: Path) -> None:
    assert len(own_pictures(spec(photographs_folder).for_export(), base)) == 3


def test_photographs_of_a_certificate_come_from_the_folder_that_is_named_and_are_at_most_forty(tmp_path: Path) -> None:
    folder = tmp_path / "many" / "inner"
    folder.mkdir(parents=True)
    for number in range(90):
        Image.new("RGB", (600, 300), (number, 0, 0)).save(folder / f"{number:02d}.jpg")
    found = photographs(spec("elsewhere", optimize={"precision": "auto", "photos": str(folder.parent)}))

    assert len(found) == 40
    assert found[0].name == "inner/00.jpg"
    assert found[-1].name == "inner/87.jpg"
    with Image.open(io.BytesIO(found[0].data)) as image:
        assert image.size == (256, 128)


def test_photographs_come_from_the_batch_where_none_are_named(photographs_folder: Path) -> None:
    assert [one.name for one in photographs(spec(photographs_folder))] == [f"night/{n}.jpg" for n in range(5)]
    assert photographs(spec("gs://bucket/photos")) == []


def test_a_named_folder_without_photographs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no readable PNG or JPEG"):
        photographs(spec("elsewhere", optimize={"photos": str(tmp_path)}))
