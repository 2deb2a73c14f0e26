"""What came out of a study, recipe by recipe, computed from its records alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path
from statistics import fmean, median, stdev

from denselab.study.arms import arms_of
from denselab.study.reading import Study
from denselab.study.records import RecipeRecord, TrialRecord, trials_of

__all__ = ["RecipeSummary", "Spread", "Summary", "TimeToTarget", "summarize"]

_BASELINE = "plain"
_FLOAT32_STEP = 2.0**-23


@dataclass(frozen=True)
class Spread:
    """A quantity over seeds.

    Attributes:
        values: One value a trial that did not fail, in the order of the seeds.
    """

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Arithmetic mean; NaN without values, or if one of them is not finite."""
        return fmean(self.values) if self._sound(1) else nan

    @property
    def sd(self) -> float:
        """Sample deviation, with n - 1 in the denominator; NaN below two values."""
        return stdev(self.values) if self._sound(2) else nan

    def to_json(self) -> dict[str, object]:
        """Lists mean, sd and values; what is not finite is None."""
        return {
            "mean": _plain(self.mean),
            "sd": _plain(self.sd),
            "values": [_plain(value) for value in self.values],
        }

    def _sound(self, least: int) -> bool:
        return len(self.values) >= least and all(map(isfinite, self.values))


@dataclass(frozen=True)
class TimeToTarget:
    """How long training takes to a validation accuracy.

    Attributes:
        target: The accuracy: the mean one that the plain rung ends with.
        seconds: Mean training seconds of the trials that reached it; NaN if none did. Trials that
            did not are not in it, so compare it only where `reached` is `n`.
        reached: Number of trials that reached it.
        n: Number of trials that did not fail.
    """

    target: float
    seconds: float
    reached: int
    n: int

    def to_json(self) -> dict[str, object]:
        """Lists its attributes; what is not finite is None."""
        return {
            "target": _plain(self.target),
            "seconds": _plain(self.seconds),
            "reached": self.reached,
            "n": self.n,
        }


@dataclass(frozen=True)
class RecipeSummary:
    """What came out of one recipe. Means are over the trials that did not fail; NaN without any.

    Attributes:
        name: Name of the recipe.
        seeds: Seeds of the trials that did not fail, in the order of all values.
        failed: Number of trials whose loss was not finite.
        test_accuracy: From 0 to 1, on the test rows.
        validation_accuracy: From 0 to 1, each trial on its own validation rows.
        test_loss: Mean cross-entropy in nats, on the test rows.
        epochs_run: Mean number of epochs.
        epochs_to_best: Mean number of epochs to the weights a trial ends with, that one included.
        seconds_per_epoch: Median over trials, measured with members side by side; not a solo time.
        compile_seconds: Time to compile its program, not part of any other time.
        parameters: Number of weights of the network.
        time_to_plain: Time to the plain rung's final validation accuracy; None without that rung,
            and where nothing is trained.
        notes: What the engine could not set, one line each.
    """

    name: str
    seeds: tuple[int, ...]
    failed: int
    test_accuracy: Spread
    validation_accuracy: Spread
    test_loss: Spread
    epochs_run: float
    epochs_to_best: float
    seconds_per_epoch: float
    compile_seconds: float
    parameters: int | None
    time_to_plain: TimeToTarget | None
    notes: tuple[str, ...]

    @property
    def n(self) -> int:
        """Number of trials that did not fail."""
        return len(self.seeds)

    def to_json(self) -> dict[str, object]:
        """Lists everything in plain values; what is not finite is None."""
        return {
            "name": self.name,
            "n": self.n,
            "seeds": list(self.seeds),
            "failed": self.failed,
            "test_accuracy": self.test_accuracy.to_json(),
            "validation_accuracy": self.validation_accuracy.to_json(),
            "test_loss": self.test_loss.to_json(),
            "epochs_run": _plain(self.epochs_run),
            "epochs_to_best": _plain(self.epochs_to_best),
            "seconds_per_epoch": _plain(self.seconds_per_epoch),
            "compile_seconds": _plain(self.compile_seconds),
            "parameters": self.parameters,
            "time_to_plain": None if self.time_to_plain is None else self.time_to_plain.to_json(),
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Summary:
    """What came out of a study.

    Attributes:
        study: The study folder.
        dataset: Facts of the data, see `Manifest`.
        preset: Whose values the recipes have.
        seeds: All seeds that were asked for.
        recipes: One entry a recipe, in the order of the plan; n is 0 where nothing is done yet.
        versions: Versions that the latest command ran with.
        hardware: The machine that it ran on.
    """

    study: Path
    dataset: Mapping[str, str | int]
    preset: str
    seeds: tuple[int, ...]
    recipes: tuple[RecipeSummary, ...]
    versions: Mapping[str, str]
    hardware: Mapping[str, str | int | float]

    @property
    def failed(self) -> int:
        """Number of trials that failed, over all recipes."""
        return sum(recipe.failed for recipe in self.recipes)

    def to_json(self) -> dict[str, object]:
        """Lists everything in plain values, ready for `json.dumps`; None for what is not known."""
        return {
            "study": str(self.study),
            "dataset": dict(self.dataset),
            "preset": self.preset,
            "seeds": list(self.seeds),
            "recipes": [recipe.to_json() for recipe in self.recipes],
            "versions": dict(self.versions),
            "hardware": dict(self.hardware),
        }


def summarize(study: Study) -> Summary:
    """Summarizes the records of a study, finished or not.

    Args:
        study: From `read_study`.

    Returns:
        The summary.
    """
    plan, run = study.manifest.plan, study.manifest.runs[-1]
    arms = arms_of(study)
    by_recipe = {arm.name: _ordered(trials_of(arm, study.trials), plan.seeds) for arm in arms}
    baseline = [t.validation.accuracy for t in by_recipe.get(_BASELINE, ()) if not t.failed]
    target = Spread(tuple(baseline)).mean
    known = {(one.recipe, one.settings): one for one in study.recipes}
    return Summary(
        study=study.folder,
        dataset=study.manifest.dataset,
        preset=plan.preset,
        seeds=plan.seeds,
        recipes=tuple(
            _summarize(
                arm.name,
                by_recipe[arm.name],
                known=known.get((arm.name, arm.settings)),
                target=target,
            )
            for arm in arms
        ),
        versions=run.versions,
        hardware=run.hardware,
    )


def _summarize(
    name: str, trials: Sequence[TrialRecord], *, known: RecipeRecord | None, target: float
) -> RecipeSummary:
    sound = [trial for trial in trials if not trial.failed]
    trained = [trial for trial in sound if trial.epochs_run]
    chosen = [trial.best_epoch + 1.0 for trial in trained if trial.best_epoch >= 0]
    return RecipeSummary(
        name=name,
        seeds=tuple(trial.seed for trial in sound),
        failed=len(trials) - len(sound),
        test_accuracy=Spread(tuple(trial.test.accuracy for trial in sound)),
        validation_accuracy=Spread(tuple(trial.validation.accuracy for trial in sound)),
        test_loss=Spread(tuple(trial.test.loss for trial in sound)),
        epochs_run=_over(fmean, [float(trial.epochs_run) for trial in sound]),
        epochs_to_best=_over(fmean, chosen),
        seconds_per_epoch=_over(median, [t.seconds / t.epochs_run for t in trained]),
        compile_seconds=nan if known is None else known.compile_seconds,
        parameters=trials[0].parameters if trials else None,
        time_to_plain=_time_to(target, trained),
        notes=() if known is None else known.notes,
    )


def _time_to(target: float, trials: Sequence[TrialRecord]) -> TimeToTarget | None:
    if not (trials and isfinite(target)):
        return None
    times = [_first_time(target, trial) for trial in trials]
    reached = [seconds for seconds in times if isfinite(seconds)]
    return TimeToTarget(target, _over(fmean, reached), len(reached), len(trials))


def _first_time(target: float, trial: TrialRecord) -> float:
    """Finds the seconds after which a trial's validation accuracy first is at the target."""
    epochs = zip(trial.trace["val_accuracy"], trial.trace["seconds"], strict=True)
    # Traces are float32, so a trial's own final accuracy may stand in its trace a little lower.
    return next((t for accuracy, t in epochs if accuracy >= target - _FLOAT32_STEP), nan)


def _ordered(trials: Mapping[int, TrialRecord], seeds: Sequence[int]) -> list[TrialRecord]:
    return [trials[seed] for seed in seeds if seed in trials]


def _over(statistic: Callable[[Sequence[float]], float], values: Sequence[float]) -> float:
    return statistic(values) if values else nan


def _plain(value: float) -> float | None:
    return value if isfinite(value) else None
