"""Times the arms of a study one at a time, since members that trained side by side tell no honest seconds.

`denselab.training`, and JAX with it, is imported when there is something to time.
"""

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import NamedTuple

from denselab.data import Dataset
from denselab.errors import InterruptedTrainingError
from denselab.recipes import Recipe
from denselab.study.arms import recipes_of
from denselab.study.hashing import hashed, settings_hash
from denselab.study.reading import Study, read_study
from denselab.study.store import open_study
from denselab.study.summary import summarize

__all__ = ["SoloTimes", "epoch_rounds", "measure_solo_times", "solo_times"]

_DOCUMENT = "solo_times"

_ROUNDS, _EPOCHS_EACH, _FEWEST_ROUNDS = 12, 3, 6
_PREDICTION_ROUNDS = 20
_SHORT = 60.0
"""Seconds that all rounds of epochs may take before there are fewer of them."""


class SoloTimes(NamedTuple):
    """What one network takes alone on one core.

    Attributes:
        epoch: Arm that is trained -> seconds of one epoch, validation included, one value a round.
        predict: Arm -> seconds of one prediction of all test rows, with as many draws as its recipe
            asks for, one value a round.
    """

    epoch: Mapping[str, Sequence[float]]
    predict: Mapping[str, Sequence[float]]


def measure_solo_times(
    folder: Path, dataset: Dataset, *, command: str, say: Callable[[str], None]
) -> None:
    """Times the recipes of a study, unless that was done: rounds interleaved, compiling apart.

    Args:
        folder: The study; arms that are no recipes are left out.
        dataset: The data of the study.
        command: What the user typed, shown as the way to go on.
        say: Told what is being timed.

    Raises:
        InterruptedTrainingError: After Ctrl-C.
        StudyInUseError: If another process works on the study.
        CorruptStudyError: If a file of it is not as it was written.
    """
    with open_study(folder, read_study(folder).manifest) as store:
        study = store.study
        recipes = recipes_of(study)
        if not recipes or solo_times(study) is not None:
            return
        from denselab.training.timing import epoch_seconds, prediction_seconds

        trained = [recipe for recipe in recipes if recipe.weights_from is None]
        say(f"solo times of {', '.join(recipe.name for recipe in recipes)}, one at a time")
        rounds, calls = epoch_rounds(study, trained)
        try:
            epoch = epoch_seconds(trained, dataset, rounds=rounds, calls=calls)
            predict = prediction_seconds(recipes, dataset, rounds=_PREDICTION_ROUNDS)
        except KeyboardInterrupt:
            raise InterruptedTrainingError(
                f"interrupted while timing; all trials are kept in {folder}; go on with: {command}"
            ) from None
        store.put_document(_DOCUMENT, {"of": _key(recipes), "epoch": epoch, "predict": predict})


def solo_times(study: Study) -> SoloTimes | None:
    """Reads the solo times of a study.

    Args:
        study: From `read_study`.

    Returns:
        The times; None where its recipes, as they are now, were not timed.
    """
    known = study.documents.get(_DOCUMENT)
    if known is None or known["of"] != _key(recipes_of(study)):
        return None
    return SoloTimes(known["epoch"], known["predict"])


def _key(recipes: Sequence[Recipe]) -> str:
    return hashed([[one.name, settings_hash(one)] for one in recipes])[:16]


def epoch_rounds(study: Study, recipes: Sequence[Recipe]) -> tuple[int, int]:
    """Decides how often an epoch is timed: less often where it is long, and so hardly disturbed.

    Args:
        study: Where the recipes were trained, for how long an epoch took beside others.
        recipes: What is to be timed.

    Returns:
        Rounds, and of how many epochs each round takes the quickest.
    """
    names = {recipe.name for recipe in recipes}
    each = [one.seconds_per_epoch for one in summarize(study).recipes if one.name in names]
    one_round = sum(seconds for seconds in each if isfinite(seconds))
    if one_round * _ROUNDS * _EPOCHS_EACH <= _SHORT:
        return _ROUNDS, _EPOCHS_EACH
    return max(_FEWEST_ROUNDS, min(_ROUNDS, int(_SHORT / one_round))), 1
