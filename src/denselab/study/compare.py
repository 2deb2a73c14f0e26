"""Trains the recipes of a plan one after another, and stores each trial as it is done.

The only file of this room that trains: `denselab.training`, and JAX with it, is imported when there
is something to train.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from denselab.data import Dataset
from denselab.errors import InterruptedTrainingError, UsageError
from denselab.recipes import Recipe, groups, parameter_count, start_source, weights_source
from denselab.study.arms import missing_seeds, recipes_of
from denselab.study.checkpoints import MemberCheckpoints, MemberName, forget_done
from denselab.study.hashing import settings_hash
from denselab.study.judgement import DATA_DOCUMENT, Asked, fix_question, judge
from denselab.study.manifest import manifest_for
from denselab.study.pictures import remember_pictures
from denselab.study.plan import Plan, training_order
from denselab.study.reading import Study, read_file, read_weights
from denselab.study.records import (
    TRACE_COLUMNS,
    RecipeRecord,
    ScoresRecord,
    TrialRecord,
    best_trial,
    trials_of,
)
from denselab.study.store import Store, open_study
from denselab.study.summary import Summary, summarize
from denselab.study.tuning import DOCUMENT as TUNING_DOCUMENT
from denselab.study.tuning import (
    TuningRecord,
    candidate_rates,
    rate_record,
    tuning_name,
    tuning_records,
    with_rate,
)

if TYPE_CHECKING:
    from denselab.training import Progress, RecipeResult, Trial

__all__ = ["compare_recipes", "recorded", "remember_data", "restored"]


def compare_recipes(
    plan: Plan,
    dataset: Dataset,
    *,
    folder: Path,
    command: str,
    asked: Asked | None = None,
    progress: "Callable[[Progress], None] | None" = None,
) -> Summary:
    """Trains what a plan asks for and a study does not have yet.

    Each trial is on the disk as soon as it is done, and a checkpoint of each member every minute, so
    a study that was interrupted, or killed, goes on where it was when the same plan is run again, to
    the bytes it would have reached anyhow; one that is complete trains nothing. A recipe's model is
    saved when all its trials are there.

    Args:
        plan: What to train.
        dataset: The data of the plan, with its test set.
        folder: The study folder.
        command: What the user typed, to be recorded, and shown as the way to go on.
        asked: The question of the study; None asks the one it has, or the default one. It is fixed
            before the first trial.
        progress: Told how far the training of a recipe has come, every second or two.

    Returns:
        What came out, from the records of the whole study.

    Raises:
        InterruptedTrainingError: After Ctrl-C. What was finished is kept: `read_study(folder)`.
        StudyInUseError: If another process works on the study.
        CorruptStudyError: If a file of it is not as it was written; that file was not touched.
        UsageError: If the folder holds another study, or cannot be written to; if the data has no
            test set; if it was begun with another question.
        ExhaustedError: If the disk is full; what was finished is kept.
    """
    if dataset.test_x is None:
        raise UsageError(
            f"{dataset.name} has no test set; call denselab.data.hold_out_test on it first"
        )
    with open_study(folder, manifest_for(plan, dataset, command=command)) as store:
        work = _Work(plan, dataset, store, progress)
        try:
            fix_question(store, asked, seeds=len(plan.seeds))
            remember_data(store, dataset)
            forget_done(store.study)
            for group in groups(training_order(plan)):
                for recipe in group:
                    _tune(recipe, work)
                for together in groups(_as_tuned(group, work)):
                    _complete(together, work)
        except KeyboardInterrupt:
            raise _interrupted(work, command) from None
        forget_done(store.study)
        judge(store)
        remember_pictures(store, dataset)
        return summarize(store.study)


@dataclass(frozen=True)
class _Work:
    plan: Plan
    dataset: Dataset
    store: Store
    progress: "Callable[[Progress], None] | None"


def remember_data(store: Store, data: Dataset) -> None:
    """Puts on record what verdicts and pictures need of the data, so that they need no data."""
    known = {
        "class_names": None if data.class_names is None else list(data.class_names),
        "test_labels": [] if data.test_y is None else data.test_y.tolist(),
        "calibration_labels": [] if data.calibration_y is None else data.calibration_y.tolist(),
    }
    if store.study.documents.get(DATA_DOCUMENT) != known:
        store.put_document(DATA_DOCUMENT, known)


def _tune(recipe: Recipe, work: _Work) -> None:
    """Tries the learning rates of a recipe that have not been tried yet, and keeps each at once."""
    tuning = work.plan.tuning
    if tuning is None or recipe.weights_from is not None:
        return
    record = tuning_records(work.store.study).get(recipe.name, TuningRecord(recipe.name, ()))
    wanted, there = candidate_rates(recipe, tuning), {one.learning_rate for one in record.tried}
    rates = [rate for rate in wanted if rate not in there]
    if not rates:
        return
    from denselab.training import train_rates

    settings = settings_hash(recipe)
    members = [MemberName(recipe.name, settings, tuning.seed, rate) for rate in rates]
    checkpoints = MemberCheckpoints(work.store.study.folder, members)

    def keep(rate: float, trial: "Trial") -> None:
        nonlocal record
        scores = trial.validation
        tried = rate_record(rate, scores.loss, scores.accuracy, trial.status)
        record = with_rate(record, tried, wanted)
        others = work.store.study.documents.get(TUNING_DOCUMENT, {})
        work.store.put_document(TUNING_DOCUMENT, {**others, recipe.name: record.to_json()})
        checkpoints.forget(rates.index(rate))

    train_rates(
        recipe,
        work.dataset,
        rates=rates,
        seed=tuning.seed,
        on_trial=keep,
        on_progress=_renamed(work.progress, tuning_name(recipe.name)),
        checkpoints=checkpoints,
    )


def _renamed(
    progress: "Callable[[Progress], None] | None", name: str
) -> "Callable[[Progress], None] | None":
    return None if progress is None else lambda event: progress(event._replace(recipe=name))


def _as_tuned(recipes: Sequence[Recipe], work: _Work) -> list[Recipe]:
    known = {recipe.name: recipe for recipe in recipes_of(work.store.study)}
    return [known[recipe.name] for recipe in recipes]


def _complete(group: Sequence[Recipe], work: _Work) -> None:
    """Does of the recipes of a group what is not done yet: their trials, then their models."""
    store, missing = work.store, _missing(work)
    asked = [recipe for recipe in group if missing[recipe.name]]
    if asked:
        # Whoever is shown progress knows a group by its first recipe, whatever of it is there already.
        named = replace(work, progress=_renamed(work.progress, group[0].name))
        for result in _train(asked, missing, named):
            one = result.recipe
            done = RecipeRecord(one.name, settings_hash(one), result.compile_seconds, result.notes)
            store.put_recipe(done)
    known = {(one.recipe, one.settings): one for one in store.study.recipes}
    for recipe in group:
        settings = settings_hash(recipe)
        # There is no record where the process was killed between the last trial and this.
        record = known.get((recipe.name, settings), RecipeRecord(recipe.name, settings))
        _keep_best(recipe, record, work)


def _missing(work: _Work) -> dict[str, tuple[int, ...]]:
    """Lists what the command wants and the study, which may want more, does not have yet."""
    missing = missing_seeds(work.store.study)
    return {
        name: tuple(seed for seed in missing[name] if seed in work.plan.seeds)
        for name in work.plan.names
    }


def _train(
    group: Sequence[Recipe], missing: Mapping[str, Sequence[int]], work: _Work
) -> "tuple[RecipeResult, ...]":
    members = [
        MemberName(recipe.name, settings_hash(recipe), seed)
        for recipe in group
        for seed in missing[recipe.name]
    ]
    checkpoints = MemberCheckpoints(work.store.study.folder, members)
    places = {(member.recipe, member.seed): place for place, member in enumerate(members)}
    outputs = work.dataset.classes or 1
    size = parameter_count(group[0], features=work.dataset.features, outputs=outputs).total

    def keep(trial: "Trial") -> None:
        place = places[trial.recipe, trial.seed]
        record = recorded(trial, settings=members[place].settings, parameters=size)
        kept = None if trial.predictions is None else trial.predictions._asdict()
        work.store.add_trial(record, trial.weights, kept)
        checkpoints.forget(place)

    if len(group) > 1:
        from denselab.training import train_together

        return train_together(
            group,
            work.dataset,
            seeds=missing,
            on_trial=keep,
            on_progress=work.progress,
            checkpoints=checkpoints,
        )
    from denselab.training import train_recipe

    (recipe,) = group
    return (
        train_recipe(
            recipe,
            work.dataset,
            seeds=missing[recipe.name],
            source=_source(recipe, missing[recipe.name], work),
            on_trial=keep,
            on_progress=work.progress,
            checkpoints=checkpoints,
        ),
    )


def _source(recipe: Recipe, seeds: Sequence[int], work: _Work) -> "RecipeResult | None":
    """Takes the result whose weights a recipe needs out of the store, where it is for sure."""
    if recipe.source is None:
        return None
    recipes = recipes_of(work.store.study)
    source = start_source(recipe, recipes) or weights_source(recipe, recipes)
    trials = trials_of(source, work.store.study.trials)
    wanted = [trials[seed] for seed in seeds]
    return restored(source, wanted, study=work.store.study, dataset=work.dataset)


def _keep_best(recipe: Recipe, known: RecipeRecord, work: _Work) -> None:
    study = work.store.study
    best = best_trial(trials_of(recipe, study.trials).values())
    if best is None or (known.model_seed == best.seed and _has_model(known, study)):
        return
    result = restored(recipe, [best], study=study, dataset=work.dataset)
    work.store.save_model(known, best.seed, lambda path: result.save_model(0, path))


def _has_model(known: RecipeRecord, study: Study) -> bool:
    """Says whether the model is there and sound; a model that was deleted is made again."""
    if known.model is None or not (study.folder / known.model.name).exists():
        return False
    read_file(study, known.model)
    return True


def restored(
    recipe: Recipe, trials: Sequence[TrialRecord], *, study: Study, dataset: Dataset
) -> "RecipeResult":
    """Takes trials with their weights out of a study.

    Args:
        recipe: The recipe they were trained with.
        trials: The trials.
        study: The study that holds them.
        dataset: The data they were trained on.

    Returns:
        A result that can build models and be the source of other recipes.

    Raises:
        CorruptStudyError: If a file is gone or not as it was written.
    """
    from denselab.training import Scores, Trial, restore_recipe

    found = [
        Trial(
            recipe=trial.recipe,
            seed=trial.seed,
            status=trial.status,
            trace={name: np.array(values) for name, values in trial.trace.items()},
            best_epoch=trial.best_epoch,
            validation=Scores(trial.validation.loss, trial.validation.accuracy),
            test=Scores(trial.test.loss, trial.test.accuracy),
            weights=read_weights(study, trial),
            seconds=trial.seconds,
        )
        for trial in trials
    ]
    return restore_recipe(recipe, dataset, found)


def recorded(trial: "Trial", *, settings: str, parameters: int) -> TrialRecord:
    """Makes the record of a trial that was trained just now.

    Args:
        trial: The trial.
        settings: Hash of the hyper-parameters of its arm.
        parameters: Number of weights of its network.

    Returns:
        The record, without its files.
    """
    epochs = len(trial.trace.get("loss", ()))
    trace = {name: trial.trace.get(name, np.full(epochs, np.nan)) for name in TRACE_COLUMNS}
    return TrialRecord(
        recipe=trial.recipe,
        settings=settings,
        seed=int(trial.seed),
        status=trial.status,
        best_epoch=int(trial.best_epoch),
        parameters=parameters,
        seconds=float(trial.seconds),
        validation=ScoresRecord(float(trial.validation.loss), float(trial.validation.accuracy)),
        test=ScoresRecord(float(trial.test.loss), float(trial.test.accuracy)),
        trace={name: tuple(map(float, values)) for name, values in trace.items()},
    )


def _interrupted(work: _Work, command: str) -> InterruptedTrainingError:
    missing = sum(map(len, _missing(work).values()))
    planned = len(work.plan.names) * len(work.plan.seeds)
    return InterruptedTrainingError(
        f"interrupted; {planned - missing} of {planned} trials are kept in "
        f"{work.store.study.folder}; go on with: {command}"
    )
