"""Commands on a folder of pictures: train, predict, compare, and the report of that."""

import json

import numpy as np
import pytest
from PIL import Image

SMALL = ["--depth", "1", "--width", "8", "--epochs", "20"]


def save(path, shade, *, size=(6, 6), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(shade).integers(shade, shade + 60, (size[1], size[0], 3))
    Image.fromarray(pixels.astype(np.uint8)).convert(mode).save(path)


@pytest.fixture
def pets(folder):
    for row in range(60):
        save(folder / "pets" / ("cat", "dog")[row % 2] / f"{row:02}.png", 130 * (row % 2) + row)
    return "pets"


@pytest.fixture
def model(denselab, pets):
    assert denselab("train", pets, "--recipe", "plain", *SMALL, "--out", "m").code == 0
    return "m/model.keras"


def test_pictures_without_classes_are_predicted_in_the_order_of_their_names(
    denselab, model, folder
):
    for number, (shade, mode) in enumerate([(10, "RGB"), (180, "RGB"), (20, "L")]):
        save(folder / "new" / f"{number}.png", shade, mode=mode)

    answer = denselab("predict", model, "new", "--draws", "1", "--json")

    assert answer.code == 0, answer.err
    rows = json.loads(answer.out)["predictions"]
    assert [row["predicted"] for row in rows] == ["cat", "dog", "cat"]
    assert "label" not in rows[0]


@pytest.mark.parametrize(
    ("size", "options", "expected"),
    [
        (
            (9, 9),
            [],
            "pictures of 9 x 9 pixels, the model takes 6 x 6; --image-size 6 resizes them",
        ),
        ((6, 6), ["--rows", "test"], "new holds pictures without classes, predicted whole"),
        ((6, 6), ["--image-size", "0"], "give the pixels of a side"),
    ],
    ids=["size", "rows", "no size"],
)
def test_pictures_that_do_not_fit_are_one_line(denselab, model, folder, size, options, expected):
    save(folder / "new" / "1.png", 10, size=size)

    answer = denselab("predict", model, "new", *options)

    assert (answer.code, answer.out) == (2, "")
    assert expected in answer.err
    assert answer.err.count("\n") == 1


def test_pictures_of_another_size_are_resized_when_asked(denselab, model, folder):
    for number, shade in enumerate((10, 180)):
        save(folder / "new" / f"{number}.png", shade, size=(18, 12))

    answer = denselab("predict", model, "new", "--image-size", "6", "--draws", "1", "--json")

    assert [row["predicted"] for row in json.loads(answer.out)["predictions"]] == ["cat", "dog"]


def test_a_comparison_remembers_pictures_and_its_data_is_found_again(denselab, pets, folder):
    for row in range(8):  # Some that nobody could tell.
        save(folder / pets / ("cat", "dog")[row % 2] / f"odd{row}.png", 90)
    small = ["--recipes", "plain,batch_norm", "--seeds", "2", "--tune", "0", "--no-timing"]

    compared = denselab("compare", pets, *small, *SMALL, "--out", "study")
    (folder / "away").mkdir()
    (folder / pets).rename(folder / "away" / pets)

    assert compared.code == 0, compared.err
    page = (folder / "study" / "report.html").read_text(encoding="utf-8")
    assert page.split('id="classes"')[1].split("</section>")[0].count("<img") >= 12
    assert denselab("uncertainty", "study").code == 2
    found = denselab("uncertainty", "study", "--data-dir", f"away/{pets}", "--draws", "2", "--json")
    assert found.code == 0, found.err


def test_an_image_size_needs_an_image_folder(denselab):
    answer = denselab("train", "digits", "--recipe", "plain", "--image-size", "8")

    assert answer.code == 2
    assert "digits is no image folder; leave the image size out" in answer.err
