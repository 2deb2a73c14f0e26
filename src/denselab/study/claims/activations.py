"""Puts on record what the hidden layers of a study's networks are like, before and after training."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean

from denselab.data import Dataset
from denselab.recipes import Recipe
from denselab.study.reading import Study, read_weights
from denselab.study.records import TrialRecord, trials_of
from denselab.study.store import Store
from denselab.study.uncertainty import check_data, chosen_recipes

__all__ = [
    "DOCUMENT",
    "LayerTables",
    "activation_rows",
    "keep_rows",
    "measured_layers",
    "put_activations",
]

DOCUMENT = "activations"
"""Name of the document: a list of rows, see `activation_rows`."""

LayerTables = Mapping[str, Mapping[str, Sequence[float]]]
""" "start" and "end" -> quantity -> one value a hidden layer."""


def put_activations(
    store: Store,
    dataset: Dataset,
    *,
    recipes: Sequence[str] = (),
    most_seeds: int = 3,
    say: Callable[[str], None] = lambda text: None,
) -> list[dict[str, object]]:
    """Measures the hidden layers of a study's arms at the start and at the end, and puts them on record.

    Args:
        store: The study.
        dataset: Its data.
        recipes: Names of recipes; all that were trained by default.
        most_seeds: Of how many trials of each.
        say: Told what is being measured.

    Returns:
        What is on record now.

    Raises:
        UsageError: If the data is not that of the study, or it trained no such recipe.
        CorruptStudyError: If a file of it is not as it was written.
    """
    study = store.study
    check_data(study, dataset)
    found: dict[str, dict[int, LayerTables]] = {}
    for recipe in chosen_recipes(study, recipes):
        say(f"layers of {recipe.name}")
        trials = [one for one in trials_of(recipe, study.trials).values() if not one.failed]
        if trials:
            found[recipe.name] = measured_layers(study, dataset, recipe, trials[:most_seeds])
    return keep_rows(store, activation_rows(found))


def keep_rows(store: Store, rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Puts rows on record in place of those of the same arms, beside those of others."""
    arms = {row["arm"] for row in rows}
    others = [row for row in store.study.documents.get(DOCUMENT, []) if row["arm"] not in arms]
    store.put_document(DOCUMENT, [*others, *rows])
    return [*others, *rows]


def activation_rows(layers: Mapping[str, Mapping[int, LayerTables]]) -> list[dict[str, object]]:
    """Averages over seeds what is known of hidden layers.

    Args:
        layers: Arm -> seed -> tables.

    Returns:
        One row an arm, layer (from 1) and time ("start", "end"): mean and variance of what the next layer
        is given, share of derivatives that are 0, relative spread of the units, number of distinct units, and
        the number of seeds.
    """
    rows: list[dict[str, object]] = []
    for arm, by_seed in layers.items():
        tables = list(by_seed.values())
        depth = len(tables[0]["start"]["mean"]) if tables else 0
        for when in ("start", "end"):
            for k in range(depth):
                values = {
                    shown: fmean([float(table[when][name][k]) for table in tables])
                    for name, shown in _SHOWN.items()
                }
                place = {"arm": arm, "layer": k + 1, "when": when, "seeds": len(tables)}
                rows.append({**place, **values})
    return rows


_SHOWN = {
    "mean": "mean",
    "variance": "variance",
    "zero": "zero_derivatives",
    "spread": "unit_spread",
    "distinct": "distinct_units",
}


def measured_layers(
    study: Study, dataset: Dataset, recipe: Recipe, trials: Iterable[TrialRecord]
) -> dict[int, LayerTables]:
    """Measures the hidden layers of trials, before and after training.

    Args:
        study: The study.
        dataset: Its data.
        recipe: The recipe, with the rate that tuning chose.
        trials: Trials of it that did not fail.

    Returns:
        Seed -> tables; see `denselab.training.layers.LayerFacts`.
    """
    from denselab.training.layers import first_weights, layer_facts

    found: dict[int, LayerTables] = {}
    for trial in trials:
        ends = read_weights(study, trial)
        starts = {**ends, **first_weights(recipe, dataset, trial.seed)}
        both = layer_facts(recipe, dataset, [starts, ends], seed=trial.seed)
        tables = [{name: list(values) for name, values in one._asdict().items()} for one in both]
        found[trial.seed] = dict(zip(("start", "end"), tables, strict=True))
    return found
