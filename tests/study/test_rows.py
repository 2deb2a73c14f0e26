"""Records as rows, and back."""

from dataclasses import replace
from math import inf, nan

import pytest

from denselab.study import RecipeRecord, ScoresRecord, StoredFile
from denselab.study.rows import (
    EPOCH_COLUMNS,
    RECIPE_COLUMNS,
    TRIAL_COLUMNS,
    checksum,
    epoch_rows,
    recipe_from,
    recipe_row,
    trial_from,
    trial_row,
)

FILE = StoredFile("weights/plain-0.safetensors", 17, "f" * 64)


@pytest.mark.parametrize("epochs", [3, 0])
@pytest.mark.parametrize("file", [FILE, None], ids=["stored", "not stored"])
def test_a_trial_is_read_back(trial, epochs, file):
    record = replace(trial(epochs=epochs), weights=file)
    assert trial_from(trial_row(record), epoch_rows(record)) == record


@pytest.mark.parametrize("value", [inf, -inf, 0.1, 5e-324])
def test_scores_are_read_back_to_the_last_bit(trial, value):
    record = replace(trial(), test=ScoresRecord(value, value))
    assert trial_from(trial_row(record), epoch_rows(record)) == record


def test_what_is_not_a_number_is_null(trial):
    record = replace(trial(), seconds=nan)
    assert trial_row(record)[list(TRIAL_COLUMNS).index("seconds")] is None
    assert repr(trial_from(trial_row(record), []).seconds) == "nan"


def test_minus_zero_is_zero_as_in_sqlite(trial):
    assert repr(trial_row(replace(trial(), seconds=-0.0))).count("-0.0") == 0


@pytest.mark.parametrize("file", [FILE, None], ids=["with a model", "without"])
def test_the_record_of_a_recipe_is_read_back(file):
    record = RecipeRecord("plain", "0" * 16, 1.5, ("one", "two"), 3, file)
    assert recipe_from(recipe_row(record)) == record


def test_rows_have_a_value_a_column(trial):
    assert len(trial_row(trial())) == len(TRIAL_COLUMNS)
    assert {len(row) for row in epoch_rows(trial())} == {len(EPOCH_COLUMNS)}
    assert len(recipe_row(RecipeRecord("plain", "0"))) == len(RECIPE_COLUMNS)


def test_the_checksum_covers_every_value(trial):
    row, epochs = trial_row(trial()), epoch_rows(trial())
    sums = {checksum(row, epochs), checksum(row, epochs[:-1])}
    for place in range(len(row)):
        sums.add(checksum((*row[:place], "changed", *row[place + 1 :]), epochs))
    for number, epoch in enumerate(epochs):
        for place in range(len(epoch)):
            changed = [*epochs]
            changed[number] = (*epoch[:place], "changed", *epoch[place + 1 :])
            sums.add(checksum(row, changed))
    assert len(sums) == 2 + len(row) + len(epochs) * len(epochs[0])


@pytest.mark.parametrize("column", ["recipe", "seed", "test_loss", "weights_bytes"])
def test_a_value_of_another_kind_is_refused(trial, column):
    row = dict(zip(TRIAL_COLUMNS, trial_row(replace(trial(), weights=FILE)), strict=True))
    with pytest.raises(TypeError, match="is not"):
        trial_from(tuple({**row, column: b"bytes"}.values()), [])
