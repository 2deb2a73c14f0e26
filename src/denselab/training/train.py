"""Where the instruments meet: recipe + data -> population -> trials.

`train_recipe` is the path every trained network of denselab takes: split the rows by seed, fit the
preprocessing on the training part, build one Keras model for each seed, train them as one population,
predict validation and test rows, and hand back trials.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack

import keras
import numpy as np

from denselab.data import Dataset, split, standardization
from denselab.engine import (
    Member,
    Predictor,
    claim_cores,
    train_population,
)
from denselab.errors import UsageError
from denselab.recipes import Recipe
from denselab.training.following import Following, Reporting, checkpoint_options
from denselab.training.network import build_network, compile_network
from denselab.training.results import Predictions, Progress, RecipeResult, Scores, Trial
from denselab.training.run_options import rate_path, run_options
from denselab.training.saving import INPUT_MEAN, INPUT_SCALE, named_weights, set_named_weights
from denselab.training.starting import start_weights
from denselab.training.targets import TargetScale

__all__ = [
    "restore_recipe",
    "score",
    "score_values",
    "splits_for",
    "train_places",
    "train_rates",
    "train_recipe",
]

Splits = list[tuple[np.ndarray, np.ndarray]]

_UNSEEN = Scores(float("nan"), float("nan"))
"""The scores of test rows that nobody looks at."""


def train_recipe(
    recipe: Recipe,
    dataset: Dataset,
    *,
    seeds: Sequence[int],
    source: RecipeResult | None = None,
    on_trial: Callable[[Trial], None] | None = None,
    **following: Unpack[Following],
) -> RecipeResult:
    """Trains one recipe under several seeds, side by side.

    Args:
        recipe: What to train.
        dataset: Data with a test set; the target of a regression is brought to mean 0 and deviation 1 over all
            rows that neither test nor calibrate, and predictions are in its own units.
        seeds: One whole number a member; decides split, weights, order of rows, dropout and draws.
        source: The result of the recipe that `recipe.weights_from` names, and nothing is trained, or of the one
            that `recipe.starts_from` names, and each seed goes on from its weights there.
        on_trial: Called with each trial as soon as it is done and scored.
        **following: `on_progress` and `checkpoints`, see `Following`.

    Returns:
        The trials, in the order of the seeds.

    Raises:
        UsageError: If the data has no test set, a source is missing, or mixup meets a regression.
        KeyboardInterrupt: After Ctrl-C; trials that were done have been handed to `on_trial`, the others
            to `checkpoints`.

    Example:
        >>> from denselab.data import hold_out_test, load
        >>> from denselab.recipes import load_recipe
        >>> short = load_recipe("plain", preset="tuned", settings=["network.depth=2", "training.epochs=5"])
        >>> result = train_recipe(short, hold_out_test(load("digits")), seeds=[0])
        >>> result.trials[0].test.accuracy > 0.8
        True
    """
    _check(recipe, dataset, source)
    claim_cores()  # before the first model is built, which starts JAX
    splits = splits_for(recipe, dataset, seeds)
    report = Reporting(on_trial, **following)
    if source is not None and recipe.weights_from is not None:
        return _share(recipe, dataset, splits, source=source, report=report)
    further = {} if source is None else {"initial_weights": start_weights(recipe, source)}
    return train_places(recipe, dataset, splits, seeds=seeds, report=report, further=further)


def train_rates(
    recipe: Recipe,
    dataset: Dataset,
    *,
    rates: Sequence[float],
    seed: int,
    on_trial: Callable[[float, Trial], None],
    **following: Unpack[Following],
) -> None:
    """Trains one recipe with several learning rates, side by side in one program.

    All members have the same seed, and so the same split, first weights and order; they start from
    fresh weights even where the recipe `starts_from` another. No test row is looked at.

    Args:
        recipe: What to train; its own learning rate does not count.
        dataset: The data.
        rates: Learning rates; with a schedule its highest value.
        seed: The seed.
        on_trial: Called with each rate and its trial, as soon as it is done; a trial holds no test
            scores and no predictions.
        **following: `on_progress` and `checkpoints`, see `Following`.

    Raises:
        UsageError: If the recipe trains nothing.
        KeyboardInterrupt: After Ctrl-C; what was done has been handed to `on_trial`.

    Example:
        >>> from denselab.data import load
        >>> from denselab.recipes import load_recipe
        >>> short = load_recipe("plain", preset="tuned", settings=["network.depth=2", "training.epochs=5"])
        >>> found = {}
        >>> train_rates(short, load("digits"), rates=[1e-6, 1e-3], seed=0, on_trial=found.__setitem__)
        >>> found[1e-6].validation.accuracy < found[1e-3].validation.accuracy
        True
    """
    _check_task(recipe, dataset)
    if recipe.weights_from is not None:
        raise UsageError(
            f"recipe {recipe.name} trains nothing; tune {recipe.weights_from}, whose weights it takes"
        )
    claim_cores()
    unseen = dataclasses.replace(
        dataset,
        test_x=None,
        test_y=None,
        calibration_x=None,
        calibration_y=None,
    )
    seeds = [seed] * len(rates)
    places: dict[int, float] = dict(enumerate(rates))
    train_places(
        recipe,
        unseen,
        splits_for(recipe, unseen, seeds),
        seeds=seeds,
        report=Reporting(on_place=lambda place, t: on_trial(places[place], t), **following),
        further={"scalars": {rate_path(recipe): list(rates)}},
    )


def restore_recipe(recipe: Recipe, dataset: Dataset, trials: Sequence[Trial]) -> RecipeResult:
    """Rebuilds the result of a recipe from trials that were stored.

    Args:
        recipe: The recipe they were trained with.
        dataset: The data they were trained on.
        trials: The trials with their weights.

    Returns:
        A result that can save models and be the source of other recipes.
    """
    return RecipeResult(recipe, dataset, tuple(trials), compile_seconds=0.0)


def score(probabilities: np.ndarray, labels: np.ndarray) -> Scores:
    """Scores predicted probabilities against labels.

    Args:
        probabilities: Shape (rows, classes).
        labels: Class numbers, shape (rows,).

    Returns:
        Mean cross-entropy and accuracy; both NaN where probabilities are.

    Example:
        >>> score(np.array([[0.5, 0.5], [0.0, 1.0]]), np.array([0, 1]))
        Scores(loss=0.34657359027997264, accuracy=1.0)
    """
    if not np.isfinite(probabilities).all():
        return Scores(float("nan"), float("nan"))
    right = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    # The least probability float32 tells from 0: a probability that underflowed costs 87 nats, not infinity.
    loss = -np.log(np.maximum(right, np.finfo(np.float32).tiny)).mean()
    return Scores(float(loss), float((probabilities.argmax(axis=1) == labels).mean()))


def score_values(values: np.ndarray, targets: np.ndarray) -> Scores:
    """Scores predicted values against targets.

    Args:
        values: Shape (rows, 1), in the units of the target.
        targets: Shape (rows,).

    Returns:
        Mean squared error, and NaN for an accuracy; both NaN where a value is.

    Example:
        >>> score_values(np.array([[1.0], [2.0]]), np.array([1.0, 4.0]))
        Scores(loss=2.0, accuracy=nan)
    """
    if not np.isfinite(values).all():
        return _UNSEEN
    errors = values[:, 0].astype(np.float64) - targets.astype(np.float64)
    return Scores(float(np.square(errors).mean()), float("nan"))


def train_places(
    recipe: Recipe,
    dataset: Dataset,
    splits: Splits,
    *,
    seeds: Sequence[int],
    report: Reporting,
    further: Mapping[str, Any],
) -> RecipeResult:
    """Trains one program's members, each under its own seed and split; `further` goes to the engine."""
    x = dataset.x.reshape(dataset.n, -1)
    standard = recipe.preprocessing.scaling == "standard"
    standardizations = [standardization(x, rows) for rows, _ in splits] if standard else None
    scorer = _Scorer(recipe, dataset)
    trials: dict[int, Trial] = {}

    def done(place: int, member: Member) -> None:
        trials[place] = scorer(member, splits[place][1])
        if report.on_trial is not None:
            report.on_trial(trials[place])
        if report.on_place is not None:
            report.on_place(place, trials[place])

    def progress(place: int, epoch: int) -> None:
        if report.on_progress is not None:
            counts = (recipe.training.epochs, len(trials), len(seeds))
            report.on_progress(Progress(recipe.name, place, epoch, *counts))

    population = train_population(
        functools.partial(_compiled, recipe, dataset, len(splits[0][0])),
        x,
        scorer.target.standardise(dataset.y),
        seeds=seeds,
        splits=splits,
        standardizations=standardizations,
        **run_options(recipe),
        **further,
        on_member=done,
        on_progress=progress,
        **checkpoint_options(report.checkpoints),
    )
    ordered = tuple(trials[place] for place in range(len(seeds)))
    return RecipeResult(recipe, dataset, ordered, population.compile_seconds, population.notes)


def _share(
    recipe: Recipe, dataset: Dataset, splits: Splits, *, source: RecipeResult, report: Reporting
) -> RecipeResult:
    """Predicts with weights that another recipe trained."""
    scorer = _Scorer(recipe, dataset)
    trials = []
    for trial, (_, rows) in zip(source.trials, splits, strict=True):
        trials.append(scorer(scorer.member(trial), rows))
        if report.on_trial is not None:
            report.on_trial(trials[-1])
    return RecipeResult(recipe, dataset, tuple(trials), compile_seconds=0.0)


class _Scorer:
    """Turns members into trials: predicts their validation rows and the test rows."""

    def __init__(self, recipe: Recipe, dataset: Dataset) -> None:
        self._recipe, self._dataset = recipe, dataset
        self._model = _network(recipe, dataset, predicting=True)
        values = dataset.classes is None
        self._predict = Predictor(self._model, draws=recipe.prediction.draws, values=values)
        self.target = TargetScale.of(dataset)

    def __call__(self, member: Member, rows: np.ndarray) -> Trial:
        data, recipe = self._dataset, self._recipe
        validation = self._predicted(member, data.x.reshape(data.n, -1)[rows])
        kept = self._predictions(member)
        trains = recipe.weights_from is None
        return Trial(
            recipe=recipe.name,
            seed=member.seed,
            status=member.status,
            trace=member.trace if trains else {},
            best_epoch=member.best_epoch if recipe.training.restore_best else member.epochs - 1,
            validation=self._score(validation, data.y[rows]),
            test=_UNSEEN if data.test_y is None else self._score(kept.test, data.test_y),
            weights=self._named(member),
            seconds=float(member.trace["seconds"][-1]) if trains else 0.0,
            predictions=kept,
        )

    def _predictions(self, member: Member) -> Predictions:
        """Predicts test rows and calibration slice, as far as there are any."""
        data, tables = self._dataset, []
        for x in (data.test_x, data.calibration_x):
            if x is None:
                tables.append(np.zeros((0, data.classes or 1), np.float32))
            else:
                tables.append(self._predicted(member, x.reshape(len(x), -1)))
        return Predictions(*tables)

    def _predicted(self, member: Member, x: np.ndarray) -> np.ndarray:
        (found,) = self._predict([member], x)
        return self.target.restore(found)

    def _score(self, found: np.ndarray, y: np.ndarray) -> Scores:
        return score(found, y) if self._dataset.classes is not None else score_values(found, y)

    def member(self, trial: Trial) -> Member:
        """Makes a member of a trial's weights."""
        set_named_weights(self._model, trial.weights)
        standard = INPUT_MEAN in trial.weights
        return Member(
            seed=trial.seed,
            status=trial.status,
            trace=trial.trace,
            best_epoch=trial.best_epoch,
            trainable=[np.array(v.value) for v in self._model.trainable_weights],
            non_trainable=[np.array(v.value) for v in self._model.non_trainable_weights],
            standardization=(trial.weights[INPUT_MEAN], trial.weights[INPUT_SCALE])
            if standard
            else None,
        )

    def _named(self, member: Member) -> dict[str, np.ndarray]:
        weights = named_weights(self._model, [*member.trainable, *member.non_trainable])
        if member.standardization is not None:
            weights[INPUT_MEAN], weights[INPUT_SCALE] = member.standardization
        return weights | self.target.named()


def _compiled(recipe: Recipe, dataset: Dataset, train_rows: int) -> keras.Model:
    network = _network(recipe, dataset, train_rows=train_rows)
    return compile_network(network, recipe, train_rows=train_rows, task=dataset.task)


def _network(
    recipe: Recipe, dataset: Dataset, *, predicting: bool = False, train_rows: int = 1
) -> keras.Model:
    """Builds the recipe's network; for several draws with its dropout active at prediction."""
    if predicting and recipe.prediction.draws > 1:
        dropout = recipe.network.dropout.model_copy(update={"monte_carlo": True})
        network = recipe.network.model_copy(update={"dropout": dropout})
        recipe = recipe.model_copy(update={"network": network})
    shape = {"features": dataset.features, "classes": dataset.classes or 1}
    return build_network(recipe, **shape, training=not predicting, train_rows=train_rows)


def splits_for(recipe: Recipe, dataset: Dataset, seeds: Sequence[int]) -> Splits:
    """Splits the rows of a data set under each seed."""
    training = recipe.training
    return [
        split(
            dataset.y,
            seed=seed,
            fraction=training.validation_fraction,
            stratified=training.stratified,
            task=dataset.task,
        )
        for seed in seeds
    ]


def _check_task(recipe: Recipe, dataset: Dataset) -> None:
    if dataset.classes is None and recipe.training.mixup:
        raise UsageError(
            f"recipe {recipe.name} has training.mixup = {recipe.training.mixup:g}, which keeps the label of one of "
            f"two rows, and {dataset.name} is a regression; set it to 0"
        )


def _check(recipe: Recipe, dataset: Dataset, source: RecipeResult | None) -> None:
    _check_task(recipe, dataset)
    if dataset.test_x is None:
        raise UsageError(
            f"{dataset.name} has no test set; call denselab.data.hold_out_test on it first"
        )
    if (recipe.source is None) != (source is None):
        wanted = recipe.source or "no other recipe"
        raise UsageError(
            f"recipe {recipe.name} takes its weights from {wanted}; give its result as source"
        )
