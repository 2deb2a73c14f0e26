"""Image folders as data sets: what is read, in which form, and in which order."""

import numpy as np
import pytest
from PIL import Image

from denselab.data import is_image_folder, load, read_image_folder
from denselab.errors import DataError, UsageError

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 8, 6, 3), dtype=np.uint8)


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


@pytest.fixture
def folder(tmp_path):
    for row in range(6):
        save(tmp_path / "pets" / ("cat", "dog")[row % 2] / f"{row}.png", PIXELS[row])
    return tmp_path / "pets"


def test_classes_are_numbered_by_name_and_rows_stand_in_the_order_of_their_files(folder):
    data = read_image_folder(folder)

    assert (data.name, data.class_names, data.image_shape) == ("pets", ("cat", "dog"), (8, 6, 3))
    assert data.y.tolist() == [0, 0, 0, 1, 1, 1]
    assert np.array_equal(data.x, PIXELS[[0, 2, 4, 1, 3, 5]])
    assert data.test_x is None


def test_a_test_folder_holds_the_test_rows(tmp_path):
    for row in range(12):
        part = "test" if row > 7 else "train"
        save(tmp_path / part / ("a", "b")[row % 2] / f"{row:02}.png", PIXELS[row])

    data = read_image_folder(tmp_path)

    assert data.y.tolist() == [0] * 4 + [1] * 4
    assert np.array_equal(data.test_x, PIXELS[[8, 10, 9, 11]])
    assert data.test_y.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("ending", ["png", "bmp"])
def test_every_lossless_format_gives_the_very_pixels(tmp_path, ending):
    for row in range(4):
        save(tmp_path / "ab"[row % 2] / f"{row}.{ending}", PIXELS[row])

    assert np.array_equal(read_image_folder(tmp_path).x, PIXELS[[0, 2, 1, 3]])


def test_grey_pictures_have_one_channel_and_three_among_coloured_ones(folder, tmp_path):
    grey = PIXELS[..., 0]
    for row in range(4):
        save(tmp_path / "grey" / "ab"[row % 2] / f"{row}.png", grey[row])
    save(folder / "cat" / "grey.png", grey[7])

    assert np.array_equal(read_image_folder(tmp_path / "grey").x[..., 0], grey[[0, 2, 1, 3]])
    mixed = read_image_folder(folder).x
    assert mixed.shape == (7, 8, 6, 3)
    assert np.array_equal(mixed[3], np.repeat(grey[7][:, :, None], 3, axis=2))


def test_pictures_are_turned_as_their_exif_says(folder):
    exif = Image.Exif()
    exif[0x0112] = 6  # Shown turned right by a quarter, as a telephone held upright writes it.
    save(folder / "cat" / "0.png", np.rot90(PIXELS[0]), exif=exif)

    assert np.array_equal(read_image_folder(folder).x[0], PIXELS[0])


def test_an_alpha_that_hides_nothing_is_left_out(folder):
    opaque = np.concatenate([PIXELS[0], np.full((8, 6, 1), 255, np.uint8)], axis=2)
    save(folder / "cat" / "0.png", opaque)

    assert np.array_equal(read_image_folder(folder).x[0], PIXELS[0])


def test_a_size_cuts_squares_out_of_the_middle_and_averages(tmp_path):
    wide = np.zeros((8, 16, 3), np.uint8)
    wide[:, 4:8], wide[:, 8:12] = 100, 200
    for row in range(4):
        save(tmp_path / "ab"[row % 2] / f"{row}.png", wide if row else PIXELS[0])

    data = read_image_folder(tmp_path, size=2)

    assert data.x.shape == (4, 2, 2, 3)
    assert data.x[1, :, :, 0].tolist() == [[100, 200], [100, 200]]
    assert data.source.endswith("image folder, cut to squares and resized to 2 x 2")


@pytest.mark.parametrize("size", [0, -1, 10**9])
def test_a_size_that_makes_no_sense_is_refused(folder, size):
    with pytest.raises(UsageError, match="give the pixels of a side, from 1 to 512"):
        read_image_folder(folder, size=size)


def test_a_large_photograph_is_read_at_a_fraction_of_its_size(tmp_path):
    smooth = np.linspace(0, 255, 1600).astype(np.uint8)
    photograph = np.broadcast_to(smooth[:, None, None], (1600, 1600, 3))
    for row in range(4):
        save(tmp_path / "ab"[row % 2] / f"{row}.jpg", photograph, quality=95)

    column = read_image_folder(tmp_path, size=4).x[0, :, 0, 0].astype(int)

    assert np.abs(column - [32, 96, 159, 223]).max() <= 2


def test_pictures_too_large_for_dense_nets_ask_for_a_size(tmp_path):
    for row in range(4):
        save(tmp_path / "ab"[row % 2] / f"{row}.png", np.zeros((400, 400), np.uint8))

    with pytest.raises(DataError, match=r"4 pictures of 400 x 400 pixels .* give --image-size"):
        read_image_folder(tmp_path)
    assert read_image_folder(tmp_path, size=32).x.shape == (4, 32, 32, 1)


def test_a_folder_goes_before_nothing_and_after_names(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    folder.rename("digits")

    assert load("digits").n == 1797
    assert load("./digits").n == 6
    assert is_image_folder("digits")
    assert not is_image_folder("nothing\0")


def test_a_folder_that_goes_by_its_last_name_is_found_as_data_dir(folder):
    assert load("pets", data_dir=folder).fingerprint == load(str(folder)).fingerprint


def test_no_other_data_has_an_image_size():
    with pytest.raises(UsageError, match="wine is no image folder; leave the image size out"):
        load("wine", image_size=8)
