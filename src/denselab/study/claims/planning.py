"""What claims have to train together: arms of equal settings once, in as few studies as can be."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from denselab.data import Dataset
from denselab.errors import UsageError
from denselab.randomness import integer_seed
from denselab.recipes import Recipe
from denselab.study.claims.claim import Claim
from denselab.study.hashing import settings_hash
from denselab.study.plan import Plan, plan_study
from denselab.study.tuning import Tuning

__all__ = ["ClaimsPlan", "Group", "Place", "plan_claims"]

_PILOTS = 3


class Place(NamedTuple):
    """Where an arm of a claim is trained.

    Attributes:
        group: Name of the study: "main", "pilot" or "tuned-4".
        recipe: Name of the recipe there.
    """

    group: str
    recipe: str


class Group(NamedTuple):
    """One study.

    Attributes:
        name: Its name.
        plan: What it trains.
    """

    name: str
    plan: Plan


@dataclass(frozen=True)
class ClaimsPlan:
    """What claims have to train.

    Attributes:
        claims: The claims.
        groups: The studies; the first one is the folder, others are folders in it.
        places: (claim, arm) -> where it is trained.
        pilots: Place of an arm -> where the pilot seeds are that fix a target by it.
    """

    claims: tuple[Claim, ...]
    groups: tuple[Group, ...]
    places: Mapping[tuple[str, str], Place]
    pilots: Mapping[Place, Place]

    @property
    def trainings(self) -> int:
        """Number of trainings, of rates that are tried first included."""
        total = 0
        for _, plan in self.groups:
            rates = 0 if plan.tuning is None else plan.tuning.rates
            trained = sum(recipe.weights_from is None for recipe in plan.recipes)
            total += trained * (len(plan.seeds) + rates)
        return total

    def users(self, place: Place) -> tuple[str, ...]:
        """Names the claims that use an arm."""
        return tuple(dict.fromkeys(claim for (claim, _), at in self.places.items() if at == place))

    def shared(self, claim: Claim) -> tuple[str, ...]:
        """Names the arms of a claim that other claims use, too."""
        return tuple(arm for arm in claim.arms if len(self.users(self.places[claim.name, arm])) > 1)


def plan_claims(
    claims: Sequence[Claim],
    dataset: Dataset,
    *,
    seeds: Sequence[int],
    preset: str,
    known: Iterable[Recipe] = (),
) -> ClaimsPlan:
    """Plans what claims have to train, each setting once.

    Arms without tuning form one study. Arms of claims that tune form another one each number of rates. Arms
    that fix a target are trained once more, briefly: under pilot seeds that no decision looks at.

    Args:
        claims: The claims.
        dataset: The data.
        seeds: Seeds of the trainings.
        preset: Whose values the arms have.
        known: Recipes of the study that is gone on with, whose names are kept.

    Returns:
        The plan.

    Raises:
        UsageError: If there is no claim, or an arm takes weights from one that its claim does not have.
    """
    if not claims:
        raise UsageError("no claims; name at least one")
    groups: dict[str, dict[str, Recipe]] = {}
    names = {settings_hash(recipe): recipe.name for recipe in known}
    places: dict[tuple[str, str], Place] = {}
    for claim in sorted(claims, key=lambda one: one.tune > 0):
        group = f"tuned-{claim.tune}" if claim.tune else "main"
        for arm in _sources_first(claim):
            recipe = _renamed(claim, arm, names, places)
            groups.setdefault(group, {}).setdefault(recipe.name, recipe)
            places[claim.name, arm] = Place(group, recipe.name)
    targets = [
        places[claim.name, need.arm]
        for claim in claims
        for part in claim.parts
        for need in part.needs()
        if need.what == "target"
    ]
    pilots = {place: Place("pilot", place.recipe) for place in targets}
    if pilots:
        groups["pilot"] = {at.recipe: groups[at.group][at.recipe] for at in pilots}
    tunings = {f"tuned-{claim.tune}": Tuning(claim.tune) for claim in claims if claim.tune}
    planned = tuple(
        Group(
            name,
            plan_study(
                list(recipes.values()),
                dataset,
                seeds=_pilot_seeds(seeds) if name == "pilot" else seeds,
                preset=preset,
                tuning=tunings.get(name),
            ),
        )
        for name, recipes in groups.items()
    )
    return ClaimsPlan(tuple(claims), planned, places, pilots)


def _sources_first(claim: Claim) -> list[str]:
    """Orders the arms of a claim so that each comes after the one whose weights it takes."""
    for name, recipe in claim.arms.items():
        source = recipe.source
        if source is not None and source not in claim.arms:
            field = "weights_from" if recipe.weights_from else "starts_from"
            raise UsageError(
                f"{claim.file}: arms.{name}: {field} = {source}: no arm of the claim; there "
                f"are {', '.join(claim.arms)}"
            )
    return sorted(claim.arms, key=lambda name: claim.arms[name].source is not None)


def _renamed(
    claim: Claim,
    arm: str,
    names: dict[str, str],
    places: Mapping[tuple[str, str], Place],
) -> Recipe:
    """Gives an arm the name that its settings have in the study, whatever the claim calls it."""
    recipe = claim.arms[arm]
    for field in ("weights_from", "starts_from"):
        named = getattr(recipe, field)
        if named is not None:
            recipe = recipe.model_copy(update={field: places[claim.name, named].recipe})
    settings = settings_hash(recipe)
    name = names.setdefault(settings, f"{arm[:50]}-{settings[:6]}")
    return recipe.model_copy(update={"name": name, "title": recipe.title or arm})


def _pilot_seeds(seeds: Sequence[int]) -> tuple[int, ...]:
    """Takes seeds that are none of the study's own."""
    found, offset = [], 0
    while len(found) < _PILOTS:
        seed = integer_seed(offset, "tuning")
        offset += 1
        if seed not in seeds:
            found.append(seed)
    return tuple(found)
