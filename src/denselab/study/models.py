"""Compares Keras models that the user builds: the same study, without recipes.

`denselab.training`, and JAX with it, is imported when a comparison begins.
"""

import html
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

import numpy as np

from denselab.data import Dataset, from_arrays, hold_out_calibration, hold_out_test
from denselab.errors import InterruptedTrainingError, UsageError
from denselab.randomness import check_seed
from denselab.study.arms import arms_of, missing_seeds
from denselab.study.compare import recorded, remember_data
from denselab.study.judgement import Asked, fix_question, judge
from denselab.study.manifest import manifest_for
from denselab.study.plan import BuiltModel, Plan, default_folder
from denselab.study.reading import Study, read_weights
from denselab.study.records import RecipeRecord, TrialRecord, best_trial, trials_of
from denselab.study.secondary import judged_beside
from denselab.study.statistics import (
    Verdicts,
    amount,
    contrast_sentences,
    reading_sentences,
    span,
)
from denselab.study.store import Store, open_study
from denselab.study.summary import Summary, summarize

if TYPE_CHECKING:
    import polars

    from denselab.training import Trial
    from denselab.training.built import Fit, Inspection

__all__ = ["CompareOptions", "Comparison", "compare"]


class CompareOptions(TypedDict, total=False):
    """Further options of a comparison.

    Attributes:
        contrasts: Pairs (model, against); by default each model against the one before it.
        baseline: Name of the model that every other one is held against instead.
        region: Differences up to this size do not matter: points of accuracy (0.5 by default), nats of
            log loss (0.01), squared units of a regression (no default).
        task: "classification" (the default) or "regression".
        test: Test rows (x, y); by default a fifth of the rows is set apart, the same for every seed.
        calibration: Share of the other rows that nothing is trained or stopped on, 0.1 by default.
        epochs: Passes over the training rows, 30 by default.
        batch_size: Rows of one step, 32 by default.
        patience: Epochs without a better validation loss before a member stops and takes its best
            weights; None, the default, trains to the end.
        validation_fraction: Share of the training rows that validate, 0.2 by default.
        standardize: Whether features are standardised by the training rows first; off by default.
        name: What the data is called.
        out: The study folder; by default `studies/NAME-HASH`, the same for the same comparison, so it is
            resumed.
        progress: Called with a line now and then; prints to stderr by default.
    """

    contrasts: Sequence[tuple[str, str]] | None
    baseline: str | None
    region: float | None
    task: Literal["classification", "regression"]
    test: tuple[Any, Any] | None
    calibration: float
    epochs: int
    batch_size: int
    patience: int | None
    validation_fraction: float
    standardize: bool
    name: str
    out: str | Path | None
    progress: Callable[[str], None]


@dataclass(frozen=True)
class Comparison:
    """What came out of a comparison; it shows itself in a notebook.

    Attributes:
        folder: The study folder, which `denselab report` and the other commands read.
        summary: Every model by itself.
        verdicts: The planned contrasts; None for a single model.
        study: All records.
    """

    folder: Path
    summary: Summary
    verdicts: Verdicts | None
    study: Study

    def trials(self) -> "polars.DataFrame":
        """Gives one row a trial: arm, seed, status, scores, epochs, seconds."""
        import polars

        return polars.DataFrame(
            [
                {
                    "arm": trial.recipe,
                    "seed": trial.seed,
                    "status": trial.status,
                    "test_accuracy": trial.test.accuracy,
                    "test_loss": trial.test.loss,
                    "validation_accuracy": trial.validation.accuracy,
                    "validation_loss": trial.validation.loss,
                    "epochs": trial.epochs_run,
                    "best_epoch": trial.best_epoch,
                    "seconds": trial.seconds,
                    "parameters": trial.parameters,
                }
                for trial in self._ordered()
            ]
        )

    def epochs(self) -> "polars.DataFrame":
        """Gives one row an epoch of each trial, with losses, accuracies and seconds."""
        import polars

        return polars.concat(
            polars.DataFrame(
                {
                    "arm": trial.recipe,
                    "seed": trial.seed,
                    "epoch": range(trial.epochs_run),
                    **trial.trace,
                }
            )
            for trial in self._ordered()
        )

    def contrasts(self) -> "polars.DataFrame":
        """Gives one row a planned contrast: difference, interval, p and verdict."""
        import polars

        found = [] if self.verdicts is None else self.verdicts.contrasts
        return polars.DataFrame(
            [
                {
                    "arm": one.arm,
                    "against": one.against,
                    "n": one.n,
                    "difference": one.difference,
                    "low": one.interval.low,
                    "high": one.interval.high,
                    "p_holm": one.p_holm,
                    "verdict": one.verdict,
                }
                for one in found
            ]
        )

    def secondary(self) -> "polars.DataFrame":
        """Gives one row a contrast and measure beside the primary one, with 95 % intervals."""
        import polars

        return polars.DataFrame([one.to_json() for one in judged_beside(self.study, self.verdicts)])

    def _ordered(self) -> list[TrialRecord]:
        plan = self.study.manifest.plan
        found = [trial for trial in self.study.trials if trial.recipe in plan.names]
        return sorted(found, key=lambda t: (plan.names.index(t.recipe), plan.seeds.index(t.seed)))

    def __str__(self) -> str:
        """Says what came out in sentences."""
        return "\n".join(self._sentences())

    def _sentences(self) -> list[str]:
        if self.verdicts is None:
            return [f"{arm.name}: n = {arm.n}" for arm in self.summary.recipes]
        told = [contrast_sentences(self.verdicts, one) for one in self.verdicts.contrasts]
        return [*(" ".join(one) for one in told), *reading_sentences(self.verdicts)]

    def _repr_html_(self) -> str:
        """Shows tables and sentences in a notebook; every name is escaped."""
        arms = [
            [
                arm.name,
                str(arm.n),
                _mean(100 * arm.test_accuracy.mean, 100 * arm.test_accuracy.sd, 2),
                _mean(arm.test_loss.mean, arm.test_loss.sd, 4),
                str(arm.parameters),
                str(arm.failed),
            ]
            for arm in self.summary.recipes
        ]
        contrasts = [
            [
                f"{one.arm} - {one.against}",
                str(one.n),
                amount(one.difference),
                span(*one.interval),
                one.verdict,
            ]
            for one in (() if self.verdicts is None else self.verdicts.contrasts)
        ]
        head = ["model", "n", "test accuracy, %", "test loss", "parameters", "failed"]
        parts = [_table(head, arms)]
        if contrasts:
            parts.append(_table(["contrast", "n", "difference", "interval", "verdict"], contrasts))
        parts += [f"<p>{html.escape(line)}</p>" for line in self._sentences()]
        return "\n".join([*parts, f"<p>study: {html.escape(str(self.folder))}</p>"])


def compare(
    models: Mapping[str, Callable[[], Any]],
    x: Any,
    y: Any,
    *,
    seeds: int | Sequence[int] = 12,
    primary: Literal["accuracy", "loss"] | None = None,
    **options: Unpack[CompareOptions],
) -> Comparison:
    """Compares Keras models that you build, fairly: paired seeds, untouched test rows, intervals.

    Every model is built and trained once a seed, exactly as under `fit` with its own compiled loss and
    optimizer. All models share each seed's split. Every trial is kept as soon as it is done; the same
    call again goes on where it was, and trains nothing twice.

    Args:
        models: Name -> function that returns a compiled Keras model; in the order of the contrasts.
        x: Inputs, shape (n, ...).
        y: Labels of any kind, one-hot rows, or targets of a regression, shape (n,).
        seeds: How many seeds, or which.
        primary: What the verdicts are about: accuracy, or loss; loss for a regression.
        **options: See `CompareOptions`.

    Returns:
        What came out.

    Raises:
        UsageError: If an argument makes no sense, or a model cannot be trained or scored.
        DataError: If the data cannot be used.
        InterruptedTrainingError: After Ctrl-C; what was done is kept.

    Example:
        >>> import keras, numpy as np, tempfile
        >>> def build(activation):
        ...     layers = [keras.layers.Dense(8, activation=activation), keras.layers.Dense(2)]
        ...     model = keras.Sequential([keras.Input((2,)), *layers])
        ...     loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        ...     model.compile("adam", loss, metrics=["accuracy"])
        ...     return model
        >>> x = np.random.default_rng(0).normal(size=(200, 2)).astype("float32")
        >>> arms = {"relu": lambda: build("relu"), "tanh": lambda: build("tanh")}
        >>> found = compare(
        ...     arms, x, x[:, 0] > 0, seeds=2, epochs=2, out=tempfile.mkdtemp() + "/s", progress=len
        ... )
        >>> found.trials()["seed"].to_list(), found.contrasts()["verdict"].to_list()
        ([0, 1, 0, 1], ['none'])
    """
    unknown = set(options) - set(CompareOptions.__annotations__)
    if unknown:
        known = ", ".join(CompareOptions.__annotations__)
        raise UsageError(f"there is no option {min(unknown)}; there are {known}")
    from denselab.training.built import inspect_model

    dataset, fit = _dataset(x, y, options), _fit(options)
    inspected = {name: inspect_model(build, fit) for name, build in models.items()}
    plan = Plan(
        recipes=(),
        dataset=dataset.name,
        fingerprint=dataset.fingerprint,
        seeds=tuple(map(check_seed, range(seeds) if isinstance(seeds, int) else seeds)),
        preset="your own",
        models=tuple(BuiltModel(n, one.title, one.settings) for n, one in inspected.items()),
    )
    out = options.get("out")
    folder = default_folder(dataset.name, plan) if out is None else Path(out)
    command = f"denselab.compare({{{', '.join(map(repr, models))}}}, seeds={len(plan.seeds)})"
    with open_study(folder, manifest_for(plan, dataset, command=command)) as store:
        work = _Work(dataset, store, fit, options.get("progress", _print_line))
        if len(models) > 1:
            fix_question(store, _asked(dataset, primary, options), seeds=len(plan.seeds))
        remember_data(store, dataset)
        try:
            for name, build in models.items():
                _complete(name, build, inspected[name], work)
        except KeyboardInterrupt:
            raise InterruptedTrainingError(
                f"interrupted; {len(store.study.trials)} trials are kept in {folder}; make the same "
                "call again to go on"
            ) from None
        verdicts = judge(store)
        return Comparison(folder, summarize(store.study), verdicts, store.study)


@dataclass(frozen=True)
class _Work:
    dataset: Dataset
    store: Store
    fit: "Fit"
    progress: Callable[[str], None]


def _complete(name: str, build: Callable[[], Any], inspected: "Inspection", work: _Work) -> None:
    """Trains the seeds of a model that are missing, and keeps the best of them as a file."""
    from denselab.training.built import save_built, train_built

    store, missing = work.store, missing_seeds(work.store.study)[name]
    done = 0

    def keep(trial: "Trial") -> None:
        nonlocal done
        done += 1
        record = recorded(trial, settings=inspected.settings, parameters=inspected.parameters)
        predictions = None if trial.predictions is None else trial.predictions._asdict()
        store.add_trial(record, trial.weights, predictions)
        work.progress(f"{name}: seed {trial.seed} done ({done} of {len(missing)})")

    if missing:
        work.progress(f"{name}: {len(missing)} seeds, {inspected.title}")
        result = train_built(name, build, work.dataset, seeds=missing, fit=work.fit, on_trial=keep)
        seconds = result.compile_seconds
        store.put_recipe(RecipeRecord(name, inspected.settings, seconds, result.notes))
    known = {(one.recipe, one.settings): one for one in store.study.recipes}
    record = known.get((name, inspected.settings), RecipeRecord(name, inspected.settings))
    arm = next(one for one in arms_of(store.study) if one.name == name)
    best = best_trial(trials_of(arm, store.study.trials).values())
    if best is not None and best.seed != record.model_seed:
        weights = read_weights(store.study, best)
        store.save_model(record, best.seed, lambda path: save_built(build, weights, path))


def _dataset(x: Any, y: Any, options: CompareOptions) -> Dataset:
    task, name = options.get("task", "classification"), options.get("name", "data")
    y = _labels(y, task)
    test = options.get("test")
    if test is None:
        dataset = hold_out_test(from_arrays(x, y, name=name, task=task))
    else:
        rows = len(np.asarray(x))
        both_x = np.concatenate([np.asarray(x), np.asarray(test[0])])
        both = from_arrays(
            both_x, np.concatenate([y, _labels(test[1], task)]), name=name, task=task
        )
        dataset = Dataset(
            name=both.name,
            x=both.x[:rows],
            y=both.y[:rows],
            test_x=both.x[rows:],
            test_y=both.y[rows:],
            task=task,
            class_names=both.class_names,
            image_shape=both.image_shape,
            source="arrays",
        )
    return hold_out_calibration(dataset, fraction=options.get("calibration", 0.1))


def _labels(y: Any, task: str) -> np.ndarray:
    """Takes labels out of one-hot rows."""
    labels = np.asarray(y)
    one_hot = task == "classification" and labels.ndim == 2 and labels.shape[1] > 1
    return labels.argmax(axis=1) if one_hot else labels


def _fit(options: CompareOptions) -> "Fit":
    from denselab.training.built import Fit

    given: Mapping[str, Any] = options
    return Fit(**{name: given[name] for name in Fit._fields if name in given})


def _asked(dataset: Dataset, primary: Any, options: CompareOptions) -> Asked:
    metric = primary or ("accuracy" if dataset.classes is not None else "loss")
    contrasts = options.get("contrasts")
    return Asked(
        metric,
        options.get("baseline"),
        None if contrasts is None else tuple((a, b) for a, b in contrasts),
        options.get("region"),
    )


def _mean(mean: float, deviation: float, digits: int) -> str:
    if mean != mean:
        return "-"
    spread = "" if deviation != deviation else f" ± {deviation:.{digits}f}"
    return f"{mean:.{digits}f}{spread}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        inside = "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells)
        return f"<tr>{inside}</tr>"

    return "\n".join(["<table>", line(head, "th"), *(line(row, "td") for row in rows), "</table>"])


def _print_line(text: str) -> None:
    sys.stderr.write(f"{text}\n")
