"""Made-up trials of made-up arms, and parts to decide by them."""

from collections.abc import Callable, Sequence

import pytest

from denselab.recipes import Recipe
from denselab.study.claims.evidence import Evidence
from denselab.study.claims.parts import KINDS, Part
from denselab.study.records import TRACE_COLUMNS, ScoresRecord, TrialRecord


def made_trial(arm: str, seed: int, values: dict[str, Sequence[float]], status: str) -> TrialRecord:
    epochs = max([3, *(len(one) for one in values.values())])
    trace = {name: tuple(values.get(name, [1.0] * epochs)) for name in TRACE_COLUMNS}
    return TrialRecord(
        recipe=arm,
        settings="0" * 16,
        seed=seed,
        status=status,
        best_epoch=epochs - 1,
        parameters=1,
        seconds=1.0,
        validation=ScoresRecord(1.0, 0.5),
        test=ScoresRecord(values.get("test_loss", [1.0])[0], values.get("test_accuracy", [0.5])[0]),
        trace=trace,
    )


@pytest.fixture
def trials() -> Callable[..., dict[int, TrialRecord]]:
    """Makes up trials of an arm: one table of values a seed."""

    def make(arm: str, *tables: dict[str, Sequence[float]], failed: Sequence[int] = ()):
        return {
            seed: made_trial(arm, seed, table, "diverged" if seed in failed else "finished")
            for seed, table in enumerate(tables)
        }

    return make


@pytest.fixture
def scored(trials) -> Callable[..., Evidence]:
    """Makes up evidence from accuracies in percent, one a seed of each arm."""

    def make(**arms: Sequence[float]) -> Evidence:
        made = {
            arm: trials(arm, *({"test_accuracy": [value / 100]} for value in values))
            for arm, values in arms.items()
        }
        return Evidence(made, {arm: Recipe(name=arm) for arm in arms})

    return make


@pytest.fixture
def part() -> Callable[..., Part]:
    """Makes a part as a file would."""

    def make(kind: str, **fields: object) -> Part:
        return KINDS[kind].model_validate({"kind": kind, "says": "so it is", **fields})

    return make
