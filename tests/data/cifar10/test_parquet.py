"""Parquet copies that are cut, incomplete, or of other columns."""

import polars as pl
import pytest

from denselab.data.cifar10 import load_cifar10, parquet
from denselab.errors import DataError, UnsafeFileError


@pytest.fixture
def folder(write, tmp_path):
    return write("Parquet", tmp_path / "copy")


@pytest.fixture
def load(truth, tmp_path):
    return lambda place=tmp_path / "copy": load_cifar10(data_dir=place, rows=truth.rows)


def rewrite(file, change):
    change(pl.read_parquet(file)).write_parquet(file)


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_missing_part_is_named(folder, load, part):
    (folder / f"{part}.parquet").unlink()
    with pytest.raises(DataError, match=rf"has no {part}.parquet or {part}-\*.parquet"):
        load()


def test_a_missing_shard_is_noticed(write, load, tmp_path):
    folder = write("Parquet, shards", tmp_path / "copy")
    (folder / "plain_text" / "train-00001-of-00002.parquet").unlink()
    with pytest.raises(DataError, match=r"train\*.parquet holds 25 rows, expected 50"):
        load()


def test_one_file_stands_for_its_folder(folder, load):
    assert load(folder / "test.parquet").fingerprint == load().fingerprint


def test_the_order_of_the_rows_does_not_matter(folder, load):
    before = load().fingerprint
    rewrite(folder / "train.parquet", lambda frame: frame.sample(fraction=1, shuffle=True, seed=1))
    assert load().fingerprint == before


def test_a_file_cut_at_any_place_is_refused(folder, load):
    file = folder / "train.parquet"
    whole = file.read_bytes()
    for length in [0, 1, 4, 100, len(whole) // 2, len(whole) - 8, len(whole) - 1]:
        file.write_bytes(whole[:length])
        with pytest.raises(
            DataError, match=r"train.parquet is a truncated or damaged Parquet"
        ) as e:
            load()
        assert "\n" not in str(e.value)


def test_a_damaged_page_is_refused(folder, load):
    file = folder / "train.parquet"
    whole = bytearray(file.read_bytes())
    whole[4:400] = bytes(396)
    file.write_bytes(whole)
    with pytest.raises(DataError, match="truncated or damaged Parquet"):
        load()


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        pytest.param(lambda f: f.drop("label"), "columns img: .*expected img", id="no label"),
        pytest.param(lambda f: f.drop("img"), "expected img .* and label", id="no image"),
        pytest.param(
            lambda f: f.with_columns(pl.col("img").struct.field("bytes").alias("img")),
            "a struct with the binary field bytes",
            id="bare bytes",
        ),
        pytest.param(
            lambda f: f.with_columns(pl.col("label").cast(pl.Float64)), "whole numbers", id="float"
        ),
        pytest.param(
            lambda f: f.with_columns(label=pl.when(pl.col("label") < 9).then("label")),
            "rows without image or label",
            id="label missing",
        ),
        pytest.param(
            lambda f: f.with_columns(label=pl.col("label") + 1),
            "label 10, expected 0 to 9",
            id="10",
        ),
        pytest.param(lambda f: f.head(0), "holds 0 rows, expected 50", id="no row"),
        pytest.param(lambda f: f.head(49), "holds 49 rows, expected 50", id="one row short"),
        pytest.param(
            lambda f: f.with_columns(img=pl.struct(bytes=pl.lit(b"junk"), path=pl.lit("x"))),
            r"train.parquet, row 0 is no readable PNG or JPEG",
            id="no images",
        ),
    ],
)
def test_a_table_that_is_no_cifar10_is_refused(folder, load, change, remedy):
    rewrite(folder / "train.parquet", change)
    with pytest.raises(DataError, match=remedy):
        load()


def test_a_file_far_too_large_is_refused_unread(folder, load, monkeypatch):
    monkeypatch.setattr(parquet, "_FILE_LIMIT", 1000)
    with pytest.raises(UnsafeFileError, match="larger than 1,000 bytes"):
        load()


def test_a_folder_whose_name_looks_like_a_pattern_is_read(write, truth, tmp_path):
    folder = write("Parquet", tmp_path / "copy [1]*")
    assert load_cifar10(data_dir=folder, rows=truth.rows).n == 50


def test_column_names_that_would_steer_the_terminal_or_fill_it_are_cut(folder, load):
    rewrite(folder / "train.parquet", lambda f: f.rename({"img": "\x1b[31m\n" + "x" * 10_000}))
    with pytest.raises(DataError) as refused:
        load()
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 1000
