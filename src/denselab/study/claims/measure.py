"""Measures what the parts of claims need of trained networks, each thing once: it is kept in the study.

`denselab.training` and `denselab.uncertainty`, and JAX with them, are imported when there is something to
measure.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from denselab.data import Dataset
from denselab.recipes import Recipe
from denselab.study.arms import recipes_of
from denselab.study.claims.activations import measured_layers
from denselab.study.claims.parts import MC_DRAWS
from denselab.study.claims.planning import ClaimsPlan, Place
from denselab.study.hashing import hashed, settings_hash
from denselab.study.reading import Study
from denselab.study.records import TrialRecord, trials_of
from denselab.study.solo_times import epoch_rounds
from denselab.study.store import Store

__all__ = ["MEASURED", "Workplace", "measure_needs"]

MEASURED = "claims_measured"
"""Name of the document that holds what was measured."""

_PREDICTION_ROUNDS = 40
_DRAW_ROUNDS = 9


@dataclass(frozen=True)
class Workplace:
    """Where claims are measured.

    Attributes:
        plan: What was trained.
        studies: Name of a group -> its study.
        dataset: The data.
        store: Where measurements are kept.
        say: Told what is being measured.
    """

    plan: ClaimsPlan
    studies: Mapping[str, Study]
    dataset: Dataset
    store: Store
    say: Callable[[str], None]

    def recipe(self, place: Place) -> Recipe:
        """Finds the recipe at a place, with the rate that tuning chose."""
        return next(
            one for one in recipes_of(self.studies[place.group]) if one.name == place.recipe
        )

    def trials(self, place: Place) -> dict[int, TrialRecord]:
        """Finds the trials at a place, in the order of the seeds."""
        study = self.studies[place.group]
        found = trials_of(self.recipe(place), study.trials)
        return {seed: found[seed] for seed in study.manifest.plan.seeds if seed in found}

    def kept(self, what: str) -> dict[str, Any]:
        """Gives what is on record of one kind of measurement."""
        return dict(self.store.study.documents.get(MEASURED, {}).get(what, {}))

    def keep(self, what: str, values: Mapping[str, Any]) -> None:
        """Puts measurements of one kind on record beside those that are there."""
        known = self.store.study.documents.get(MEASURED, {})
        merged = {**known, what: {**known.get(what, {}), **values}}
        self.store.put_document(MEASURED, merged)


def measure_needs(work: Workplace) -> dict[str, dict[Place, Any]]:
    """Measures all that the claims of a plan need, as far as it is not on record.

    Args:
        work: Where.

    Returns:
        What is measured -> place of an arm -> values.
    """
    needs: dict[str, dict[Place, None]] = {}
    for claim in work.plan.claims:
        for part in claim.parts:
            for need in sorted(part.needs()):
                if need.what != "rows":
                    place = work.plan.places[claim.name, need.arm]
                    needs.setdefault(need.what, {})[place] = None
    measures: dict[str, Callable[[Workplace, list[Place]], dict[Place, Any]]] = {
        "target": _targets,
        "layers": _layers,
        "epoch": _epochs,
        "predict": _predictions,
        "draws": _draws,
        "trust": _trusts,
        "program": _programs,
    }
    return {what: measures[what](work, list(places)) for what, places in needs.items()}


def _targets(work: Workplace, places: list[Place]) -> dict[Place, Any]:
    """Averages the best validation accuracy that the pilot seeds of each arm reach."""
    found = {}
    for place in places:
        trials = work.trials(work.plan.pilots[place]).values()
        best = [max(trial.trace["val_accuracy"]) for trial in trials if not trial.failed]
        found[place] = sum(best) / len(best) if best else float("nan")
    return found


def _layers(work: Workplace, places: list[Place]) -> dict[Place, Any]:
    found = {}
    for place in places:
        recipe, trials = work.recipe(place), work.trials(place)
        key = f"{place.recipe} {settings_hash(recipe)}"
        known = work.kept("layers").get(key, {})
        missing = [one for seed, one in trials.items() if str(seed) not in known and not one.failed]
        if missing:
            work.say(f"layers of {place.recipe}, {len(missing)} seeds")
            found_now = measured_layers(work.studies[place.group], work.dataset, recipe, missing)
            known = {**known, **{str(seed): table for seed, table in found_now.items()}}
            work.keep("layers", {key: known})
        found[place] = {int(seed): table for seed, table in known.items() if int(seed) in trials}
    return found


def _epochs(work: Workplace, places: list[Place]) -> dict[Place, Any]:
    from denselab.training.timing import epoch_seconds

    study = work.studies[places[0].group]
    rounds, calls = epoch_rounds(study, [work.recipe(place) for place in places])
    return _session(work, "epoch", places, partial(epoch_seconds, calls=calls), rounds)


def _predictions(work: Workplace, places: list[Place]) -> dict[Place, Any]:
    from denselab.training.timing import prediction_seconds

    return _session(work, "predict", places, prediction_seconds, _PREDICTION_ROUNDS)


def _session(
    work: Workplace,
    what: str,
    places: list[Place],
    measure: Callable[..., dict[str, list[float]]],
    rounds: int,
) -> dict[Place, Any]:
    """Times some arms in one session; times of different sessions are never compared."""
    recipes = {place: work.recipe(place) for place in places}
    key = hashed(sorted([one.name, settings_hash(one)] for one in recipes.values()))[:16]
    if key not in work.kept(what):
        work.say(f"solo times ({what}) of {', '.join(one.name for one in recipes.values())}")
        several = {recipe.name: recipe for recipe in recipes.values()}
        seconds = measure(list(several.values()), work.dataset, rounds=rounds)
        work.keep(what, {key: seconds})
    seconds = work.kept(what)[key]
    return {place: seconds[recipe.name] for place, recipe in recipes.items()}


def _draws(work: Workplace, places: list[Place]) -> dict[Place, Any]:
    def measured(recipe: Recipe, place: Place) -> dict[str, list[float]]:
        from denselab.training.timing import draw_seconds

        return draw_seconds(recipe, work.dataset, draws=MC_DRAWS, rounds=_DRAW_ROUNDS)

    return _once_an_arm(work, "draws", places, measured)


def _trusts(work: Workplace, places: list[Place]) -> dict[Place, Any]:
    def measured(recipe: Recipe, place: Place) -> dict[str, object]:
        from denselab.study.uncertainty import measure_uncertainty

        study = work.studies[place.group]
        return measure_uncertainty(study, work.dataset, recipes=[place.recipe])[0].to_json()

    return _once_an_arm(work, "trust", places, measured)


def _programs(work: Workplace, places: list[Place]) -> dict[Place, Any]:
    def measured(recipe: Recipe, place: Place) -> str:
        from denselab.training.timing import prediction_program

        return prediction_program(recipe, work.dataset)

    return _once_an_arm(work, "program", places, measured)


def _once_an_arm(
    work: Workplace,
    what: str,
    places: list[Place],
    measure: Callable[[Recipe, Place], Any],
) -> dict[Place, Any]:
    found = {}
    for place in places:
        recipe = work.recipe(place)
        # What is measured of trained networks is measured anew where there are more of them.
        key = f"{recipe.name} {settings_hash(recipe)} {len(work.trials(place))}"
        if key not in work.kept(what):
            work.say(f"{what} of {recipe.name}")
            work.keep(what, {key: measure(recipe, place)})
        found[place] = work.kept(what)[key]
    return found
