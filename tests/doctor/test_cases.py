"""Real faulty programs, rebuilt from their facts; the table is printed by benchmarks/doctor.py."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


def benchmark():
    # Read by its path: with importlib mode nothing puts the repository on the import path.
    name = "denselab_doctor_benchmark"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / "doctor.py")
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


CASES = benchmark().CASES
needs_cases = pytest.mark.skipif(
    not CASES.exists(), reason=f"{CASES.name} is not beside the repository"
)


@needs_cases
def test_of_28_known_faults_at_least_25_are_caught_with_a_right_label():
    verdicts = benchmark().judge(CASES)
    known = [verdict for verdict in verdicts if verdict.known]
    missed = [verdict.case["id"] for verdict in known if not verdict.right]

    assert len(known) == 28
    assert len(missed) <= 3, missed


def test_a_setup_with_next_to_no_facts_is_rebuilt():
    verdict = benchmark().verdict(
        {
            "id": "bare",
            "labels": ["ACH(out)"],
            "layers": [{"type": "Dense", "units": 1, "activation": "softmax"}],
        }
    )

    assert verdict.right == ("softmax-on-one-unit",)


def test_what_cannot_be_rebuilt_is_said():
    facts = {
        "id": "odd",
        "labels": ["?"],
        "layers": [{"type": "Dense", "units": 2, "activation": "magic"}, {"type": "Wormhole"}],
        "loss": "regret",
        "opt": "Luck",
        "metrics": ["joy"],
        "x": {"shape": [20, 3], "nan": True},
        "y": {"shape": [20, 2]},
        "fit": {"callbacks": ["Hope"]},
    }

    verdict = benchmark().verdict(facts)

    assert len(verdict.notes) == 6
    assert "data-not-finite" in verdict.other


@pytest.mark.parametrize(
    "facts",
    [
        {"shape": [500, 4], "dtype": "float64", "min": -4.0, "max": 5.0, "mean": 0.1, "std": 1.0},
        {
            "shape": [500],
            "dtype": "int64",
            "min": 0,
            "max": 1,
            "mean": 0.3,
            "n_unique": 2,
            "integral": True,
        },
        {
            "shape": [500, 3],
            "min": 0,
            "max": 1,
            "rows_onehot": True,
            "n_unique": 2,
            "integral": True,
        },
        {
            "shape": [500],
            "dtype": "int64",
            "min": 0,
            "max": 9,
            "mean": 4.5,
            "n_unique": 10,
            "integral": True,
        },
    ],
    ids=["values", "yes or no", "one-hot", "classes"],
)
def test_data_have_the_recorded_statistics(facts):
    drawn = benchmark().draw(facts, np.random.default_rng(0))

    assert list(drawn.shape) == facts["shape"]
    assert (drawn.min(), drawn.max()) == (facts["min"], facts["max"])
    if "mean" in facts:
        # Five standard errors of a mean of 500 rows.
        assert drawn.mean() == pytest.approx(facts["mean"], abs=5 * drawn.std() / 500**0.5)
    if "n_unique" in facts:
        assert len(np.unique(drawn)) == facts["n_unique"]
