"""Measures how far a study's probabilities can be trusted, and what dropout, temperature and seeds add.

`denselab.training` and `denselab.uncertainty`, and JAX with them, are imported when there is something
to measure.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from denselab.data import Dataset
from denselab.errors import UsageError
from denselab.randomness import generator
from denselab.recipes import Recipe
from denselab.study.arms import recipes_of
from denselab.study.compare import restored
from denselab.study.reading import Study, read_predictions
from denselab.study.records import TrialRecord, trials_of
from denselab.study.trust import (
    METRICS,
    ConformalCoverage,
    DrawCurve,
    Method,
    MethodScores,
    Metric,
    RecipeTrust,
    smallest_sufficient,
)

if TYPE_CHECKING:
    pass

__all__ = [
    "CURVE",
    "Settings",
    "check_data",
    "chosen_recipes",
    "has_dropout",
    "measure_uncertainty",
    "resting_model",
]

CURVE = (1, 2, 5, 10, 30, 100, 1000)
"""Numbers of draws that quality is measured at."""

_RESPLITS = 20
_LEAST = float(np.finfo(np.float32).tiny)


class Settings(NamedTuple):
    """How uncertainty is measured.

    Attributes:
        draws: Draws of MC dropout in the comparison.
        curve: Whether to measure quality against the number of draws.
        coverage: Nominal coverage of conformal sets.
        seed: Seed of the draws and of new splits.
    """

    draws: int = 100
    curve: bool = True
    coverage: float = 0.9
    seed: int = 0


class _Tables(NamedTuple):
    """Probabilities on the test rows and on the calibration slice, of one network or ensemble."""

    test: np.ndarray
    calibration: np.ndarray


@dataclass(frozen=True)
class _Work:
    study: Study
    dataset: Dataset
    settings: Settings
    progress: Callable[[str], None]

    @property
    def calibrates(self) -> bool:
        """Whether there is a slice that no member trained or stopped on."""
        return self.dataset.calibration_x is not None


def measure_uncertainty(
    study: Study,
    dataset: Dataset,
    *,
    recipes: Sequence[str] = (),
    settings: Settings | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> tuple[RecipeTrust, ...]:
    """Compares one pass, temperature scaling, MC dropout and an ensemble of the study's own seeds.

    Everything that is fitted is fitted on the study's calibration slice, and everything is measured
    on its test rows. Recipes that share another's weights are left out: their network is that one's.

    Args:
        study: The study.
        dataset: Its data, with test rows and, if it had one, with its calibration slice.
        recipes: Names of recipes; all that were trained by default.
        settings: How to measure; see `Settings`.
        progress: Told what is being measured.

    Returns:
        One entry a recipe.

    Raises:
        UsageError: If the data is not that of the study, or a recipe has no trial that came through.
        CorruptStudyError: If a file of the study is not as it was written.
    """
    check_data(study, dataset)
    work = _Work(study, dataset, settings or Settings(), progress)
    return tuple(_measure(recipe, work) for recipe in chosen_recipes(study, recipes))


def _measure(recipe: Recipe, work: _Work) -> RecipeTrust:
    there = trials_of(recipe, work.study.trials)
    seeds = [seed for seed in work.study.manifest.plan.seeds if seed in there]
    trials = [there[seed] for seed in seeds if not there[seed].failed]
    if not trials:
        raise UsageError(
            f"{work.study.folder}: recipe {recipe.name} has no trial that came through; run its "
            "comparison first"
        )
    notes = [] if work.calibrates else [_NO_SLICE]
    tables: dict[Method, list[_Tables]] = {"deterministic": []}
    passes: dict[Method, float] = {"deterministic": 1.0, "ensemble": float(len(trials))}
    curves: list[dict[Metric, tuple[float, ...]]] = []
    if not has_dropout(recipe):
        notes.append("no dropout in it, so nothing to draw from")
    for number, trial in enumerate(trials, 1):
        work.progress(f"{recipe.name}, seed {trial.seed} ({number} of {len(trials)})")
        model = resting_model(recipe, trial, work.study, work.dataset)
        tables["deterministic"].append(_one_pass(recipe, trial, model, work))
        if has_dropout(recipe):
            drawn, curve, passes["mc"] = _drawn(model, work)
            tables.setdefault("mc", []).append(drawn)
            curves.append(curve)
    methods, temperatures = _scored(tables, passes, work)
    return RecipeTrust(
        recipe=recipe.name,
        seeds=tuple(trial.seed for trial in trials),
        methods=methods,
        temperatures=temperatures,
        curve=_curve(curves, work.settings),
        conformal=_conformal(tables["deterministic"], work) if work.calibrates else None,
        notes=tuple(notes),
    )


_NO_SLICE = (
    "the study kept no calibration slice, so no temperatures and no conformal sets; compare with "
    "--calibration 0.1 to have them"
)


def _one_pass(recipe: Recipe, trial: TrialRecord, model: Any, work: _Work) -> _Tables:
    """Predicts without dropout; what the study stored is that, unless the recipe predicts by draws."""
    if recipe.prediction.draws == 1 and trial.predictions is not None:
        return _Tables(**read_predictions(work.study, trial))
    return _Tables(*(_predict(model, x) for x in _inputs(work.dataset)))


def _drawn(model: Any, work: _Work) -> tuple[_Tables, dict[Metric, tuple[float, ...]], float]:
    from denselab.uncertainty import draw_cost, predict_classes_at

    settings, labels = work.settings, work.dataset.test_y
    test_x, calibration_x = _inputs(work.dataset)
    numbers = sorted({settings.draws, *(CURVE if settings.curve else ())})
    found = dict(
        zip(
            numbers,
            predict_classes_at(model, test_x, at=numbers, seed=settings.seed),
            strict=True,
        )
    )
    calibration = found[settings.draws].probabilities[:0]
    if work.calibrates:
        (several,) = predict_classes_at(
            model, calibration_x, at=[settings.draws], seed=settings.seed
        )
        calibration = several.probabilities
    scores = [_scores(found[number].probabilities, labels) for number in CURVE if number in found]
    cost = draw_cost(model, test_x[:1]).ratio(settings.draws)
    return _Tables(found[settings.draws].probabilities, calibration), _by_metric(scores), cost


def _scored(
    tables: Mapping[Method, list[_Tables]], passes: Mapping[Method, float], work: _Work
) -> tuple[tuple[MethodScores, ...], dict[str, tuple[float, ...]]]:
    """Scores every method there is, with and without a temperature, and the ensemble."""
    methods: list[MethodScores] = []
    temperatures: dict[str, tuple[float, ...]] = {}
    scaled_name: dict[Method, Method] = {"deterministic": "temperature", "mc": "mc_temperature"}
    labels = work.dataset.test_y
    for method, found in tables.items():
        methods.append(_over_seeds(method, passes[method], [t.test for t in found], labels))
        if work.calibrates:
            fitted = [_temperature(table, work) for table in found]
            name, tests = scaled_name[method], [test for test, _ in fitted]
            methods.append(_over_seeds(name, passes[method], tests, labels))
            temperatures[name] = tuple(temperature for _, temperature in fitted)
    members = tables["deterministic"]
    if len(members) > 1:
        methods.append(_ensemble("ensemble", members, work, scale=False))
    if len(members) > 1 and work.calibrates:
        methods.append(_ensemble("ensemble_temperature", members, work, scale=True))
        temperatures["ensemble_temperature"] = (_temperature(_mean(members), work)[1],)
    return tuple(methods), temperatures


def _over_seeds(
    method: Method, passes: float, tests: Sequence[np.ndarray], labels: Any
) -> MethodScores:
    scores = [_scores(test, labels) for test in tests]
    return MethodScores(method, passes, _by_metric(scores), {}, _reliability(tests[0], labels))


def _by_metric(scores: Sequence[Mapping[Metric, float]]) -> dict[Metric, tuple[float, ...]]:
    return {metric: tuple(score[metric] for score in scores) for metric in METRICS}


def _ensemble(
    method: Method, members: Sequence[_Tables], work: _Work, *, scale: bool
) -> MethodScores:
    labels = work.dataset.test_y

    def probabilities(some: Sequence[_Tables]) -> np.ndarray:
        mean = _mean(some)
        return _temperature(mean, work)[0] if scale else mean.test

    predicted = probabilities(members)
    whole, reliability = _scores(predicted, labels), _reliability(predicted, labels)
    without = [[*members[:place], *members[place + 1 :]] for place in range(len(members))]
    scores = [_scores(probabilities(some), labels) for some in without]
    return MethodScores(method, float(len(members)), _by_metric(scores), whole, reliability)


def _mean(members: Sequence[_Tables]) -> _Tables:
    from denselab.uncertainty import ensemble_prediction

    parts = [
        ensemble_prediction([table[part] for table in members]).probabilities for part in (0, 1)
    ]
    return _Tables(*parts)


def _temperature(table: _Tables, work: _Work) -> tuple[np.ndarray, float]:
    """Fits a temperature on the calibration slice; gives the scaled test probabilities and it."""
    from denselab.uncertainty import fit_temperature, temperature_scaled

    labels = work.dataset.calibration_y
    assert labels is not None
    temperature = fit_temperature(_logarithms(table.calibration), labels)
    return np.asarray(temperature_scaled(_logarithms(table.test), temperature)), temperature


def _logarithms(probabilities: np.ndarray) -> Any:
    return np.log(np.maximum(probabilities, _LEAST))


def _scores(probabilities: Any, labels: Any) -> dict[Metric, float]:
    from denselab.uncertainty import score_predictions

    found = score_predictions(probabilities, labels)
    return {
        "accuracy": found.accuracy,
        "loss": found.negative_log_likelihood,
        "brier": found.brier_score,
        "calibration_error": found.expected_calibration_error,
        "aurc": found.aurc,
    }


def _reliability(probabilities: Any, labels: Any) -> Any:
    from denselab.uncertainty import reliability_curve

    _, *parts = reliability_curve(probabilities, labels)
    return tuple(tuple(np.nan_to_num(np.asarray(part, float)).tolist()) for part in parts)


def _curve(
    curves: Sequence[Mapping[Metric, tuple[float, ...]]], settings: Settings
) -> DrawCurve | None:
    if not curves or not settings.curve:
        return None
    values: dict[Metric, tuple[tuple[float, ...], ...]] = {
        metric: tuple(zip(*(curve[metric] for curve in curves), strict=True)) for metric in METRICS
    }
    return DrawCurve(CURVE, values, smallest_sufficient(CURVE, values))


def _conformal(members: Sequence[_Tables], work: _Work) -> ConformalCoverage:
    from denselab.uncertainty import fit_conformal_sets

    fit_y, test_y = work.dataset.calibration_y, work.dataset.test_y
    assert fit_y is not None
    assert test_y is not None
    nominal = work.settings.coverage

    def covered(fit: np.ndarray, fit_y: np.ndarray, test: np.ndarray, y: np.ndarray) -> Any:
        sets = fit_conformal_sets(fit, fit_y, coverage=nominal).sets(test)
        return float(sets[np.arange(len(y)), y].mean()), float(sets.sum(axis=1).mean())

    found = [covered(table.calibration, fit_y, table.test, test_y) for table in members]
    pooled = np.concatenate([members[0].calibration, members[0].test])
    labels, stream = np.concatenate([fit_y, test_y]), generator(work.settings.seed, "resampling")
    resplit = []
    for _ in range(_RESPLITS):
        order = stream.permutation(len(labels))
        fit, test = order[: len(fit_y)], order[len(fit_y) :]
        resplit.append(covered(pooled[fit], labels[fit], pooled[test], labels[test])[0])
    return ConformalCoverage(
        nominal, tuple(c for c, _ in found), tuple(s for _, s in found), tuple(resplit)
    )


def resting_model(recipe: Recipe, trial: TrialRecord, study: Study, dataset: Dataset) -> Any:
    """Builds the network of a trial with its dropout at rest under `predict`."""
    dropout = recipe.network.dropout.model_copy(update={"monte_carlo": False})
    network = recipe.network.model_copy(update={"dropout": dropout})
    resting = recipe.model_copy(update={"network": network})
    return restored(resting, [trial], study=study, dataset=dataset).model(0)


def _predict(model: Any, x: np.ndarray) -> np.ndarray:
    if not len(x):
        return np.zeros((0, model.output_shape[-1]), np.float32)
    return np.asarray(model.predict(x, batch_size=1024, verbose=0))


def _inputs(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    assert dataset.test_x is not None
    calibration = dataset.calibration_x
    return dataset.test_x, dataset.test_x[:0] if calibration is None else calibration


def has_dropout(recipe: Recipe) -> bool:
    """Says whether a recipe's network has anything to draw from."""
    return recipe.network.dropout.kind != "none"


def chosen_recipes(study: Study, names: Sequence[str]) -> list[Recipe]:
    """Picks recipes that a study trained.

    Args:
        study: The study.
        names: Their names; none picks all.

    Returns:
        The recipes with their tuned settings, without those that share another's weights.

    Raises:
        UsageError: If it trained none of that name.
    """
    trained = {r.name: r for r in recipes_of(study) if r.weights_from is None}
    for name in names:
        if name not in trained:
            raise UsageError(
                f"{study.folder}: trained no recipe {name!r}; it has {', '.join(trained)}"
            )
    return [trained[name] for name in names or trained]


def check_data(study: Study, dataset: Dataset) -> None:
    """Checks that data is that of a study.

    Raises:
        UsageError: If it is other data, or was divided otherwise.
    """
    wanted = study.manifest.plan.fingerprint
    if dataset.fingerprint != wanted:
        raise UsageError(
            f"{study.folder}: was made from data {study.manifest.plan.dataset} ({wanted[:12]}), not "
            f"from this ({dataset.fingerprint[:12]}); give the data it was made from"
        )
