"""Twelve well-known tables, where they lie beside the repository."""

from pathlib import Path

import numpy as np
import pytest

from denselab.data import Preprocessing, describe_table, read_table, table_dataset

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "data" / "tables"
pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="no ../shared/data/tables beside the repository"
)

TABLES = {
    "auto_imports": (201, 25, None),
    "banknote_authentication": (1372, 4, 2),
    "ecoli": (336, 7, 8),
    "glass": (214, 9, 6),
    "haberman": (306, 3, 2),
    "horse-colic": (300, 27, 2),
    "housing": (506, 13, None),
    "ionosphere": (351, 33, 2),
    "pima-indians-diabetes": (768, 8, 2),
    "sonar": (208, 60, 2),
    "wheat-seeds": (210, 7, 3),
    "winequality-red": (1599, 11, 6),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_read_with_its_task_rows_and_classes(name):
    rows, features, classes = TABLES[name]
    table = read_table(FOLDER / f"{name}.csv", target=-1)

    assert table.schema.task == ("regression" if classes is None else "classification")
    assert (len(table), len(table.schema.features)) == (rows, features)
    assert classes is None or len(table.schema.classes) == classes
    assert not any("give the target away" in line for line in describe_table(table)["warnings"])


@pytest.mark.parametrize("name", TABLES)
def test_a_table_becomes_finite_features_that_survive_json(name):
    table = read_table(FOLDER / f"{name}.csv", target=-1)
    data, fitted = table_dataset(table)
    again = Preprocessing.from_json(fitted.to_json())

    assert np.isfinite(data.x).all()
    assert np.isfinite(data.test_x).all()
    assert again.transform(table).tobytes() == fitted.transform(table).tobytes()


def test_missing_values_and_codes_of_the_horses_are_seen():
    schema = read_table(FOLDER / "horse-colic.csv", target=-1).schema

    assert schema["column_4"].missing == 60
    assert schema["column_25"].kind == "category"  # Lesions: 02208, 00000.


def test_wine_can_be_a_quantity():
    table = read_table(FOLDER / "winequality-red.csv", target=-1, task="regression")
    assert table_dataset(table).dataset.task == "regression"
