"""The picture that is sent where a model takes a second one and none was chosen."""

from __future__ import annotations

import io

from PIL import Image

from tendies_ops.spec import InputContract
from tendies_ops.spec.neutral_picture import neutral_picture


def test_it_is_a_picture_of_the_size_of_the_contract_with_many_colours() -> None:
    contract = InputContract.model_validate({"size": {"height": 12, "width": 20}})

    with Image.open(io.BytesIO(neutral_picture(contract))) as image:
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (20, 12))
        assert len(image.getcolors(1000) or ()) == 240
