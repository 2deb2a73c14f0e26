"""How large a study may be to fit a time: seeds, epochs and learning rates, from measured costs.

Nothing here measures. The same costs and the same time always give the same study.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from math import ceil

from denselab.errors import UsageError

__all__ = [
    "DOCUMENT",
    "Cost",
    "Fit",
    "Size",
    "fit",
    "fit_document",
    "least_seconds",
    "study_seconds",
]

DOCUMENT = "budget"
"""Name of the document that says how a study was made to fit a time."""

_LEAST_RATES = 3
_LEAST_EPOCHS, _LEAST_SHARE = 5, 0.2
_LEAST_SEEDS = 3


@dataclass(frozen=True)
class Cost:
    """What it takes to train a recipe on one machine.

    Attributes:
        start_seconds: Compiling its program and what else is done once, for its tuning and again for its
            seeds.
        epoch_seconds: Of one epoch of one member, with as many members beside it as will be.
        member_seconds: Of all that is done once a member: predicting, storing.
    """

    start_seconds: float
    epoch_seconds: float
    member_seconds: float


@dataclass(frozen=True)
class Size:
    """How large a study is.

    Attributes:
        seeds: Seeds of each recipe.
        rates: Learning rates tried for each recipe first; 0 for none.
        epochs: Name of each recipe that is trained -> its most epochs.
    """

    seeds: int
    rates: int
    epochs: Mapping[str, int]


@dataclass(frozen=True)
class Fit:
    """A study that fits.

    Attributes:
        size: How large it is.
        seconds: What it takes at most; early stopping saves some of it.
        gave_up: What is less than was wanted, one line each.
    """

    size: Size
    seconds: float
    gave_up: tuple[str, ...]


def study_seconds(size: Size, costs: Mapping[str, Cost], *, lanes: int) -> float:
    r"""Says how long a study takes if nothing stops early.

    For every recipe, with $w(m) = \lceil m / \mathrm{lanes} \rceil$ waves of $m$ members,

    $$c\,(1 + [r > 0]) + (w(n) + w(r))\,E\,e + (n + r)\,b$$

    for $n$ seeds, $r$ rates, $E$ epochs, and the costs of a start $c$, an epoch $e$ and a member $b$.

    Args:
        size: How large it is.
        costs: Name of each recipe that is trained -> its cost.
        lanes: Members that train at the same time: cores; 1 where members share a device and their
            epochs are counted as shares of it.

    Returns:
        Seconds.

    Example:
        >>> study_seconds(Size(12, 0, {"plain": 10}), {"plain": Cost(2.0, 1.0, 0.5)}, lanes=4)
        38.0
    """

    def waves(members: int) -> int:
        return ceil(members / lanes)

    total = 0.0
    for name, epochs in size.epochs.items():
        cost = costs[name]
        total += cost.start_seconds * (2 if size.rates else 1)
        total += (waves(size.seeds) + waves(size.rates)) * epochs * cost.epoch_seconds
        total += (size.seeds + size.rates) * cost.member_seconds
    return total


def fit(
    wanted: Size,
    costs: Mapping[str, Cost],
    *,
    lanes: int,
    seconds: float,
    verdict_seeds: int,
) -> Fit | None:
    """Makes a study fit a time, giving up first what costs the verdicts least.

    In this order, each no further than needed: learning rates tried, down to 3; epochs, the same share
    of every recipe's, down to a fifth and to 5; seeds, down to those that verdicts need; all tuning;
    and last the verdicts, down to 3 seeds.

    Args:
        wanted: The study that was asked for.
        costs: Name of each recipe that is trained -> its cost.
        lanes: As in `study_seconds`.
        seconds: The time there is.
        verdict_seeds: Seeds that verdicts need.

    Returns:
        The study, and what it gave up; None if not even the least of all fits.

    Raises:
        UsageError: If a recipe has no cost.

    Example:
        >>> costs = {"plain": Cost(2.0, 1.0, 0.5)}
        >>> found = fit(Size(12, 8, {"plain": 50}), costs, lanes=2, seconds=400.0, verdict_seeds=6)
        >>> found.size.seeds, found.size.rates, found.gave_up[1]
        (12, 3, 'epochs: 48 instead of 50')
    """
    missing = [name for name in wanted.epochs if name not in costs]
    if missing:
        raise UsageError(f"no cost of {missing[0]}; measure every recipe that is trained")
    for sized, low, high in _stages(wanted, min(verdict_seeds, wanted.seeds)):
        size = _largest(sized, low, high, lambda s: study_seconds(s, costs, lanes=lanes) <= seconds)
        if size is not None:
            given = tuple(_given_up(wanted, size, verdict_seeds))
            return Fit(size, study_seconds(size, costs, lanes=lanes), given)
    return None


def least_seconds(wanted: Size, costs: Mapping[str, Cost], *, lanes: int) -> float:
    """Says how long the least study takes that `fit` would plan.

    Args:
        wanted: The study that was asked for.
        costs: Name of each recipe that is trained -> its cost.
        lanes: As in `study_seconds`.

    Returns:
        Seconds.
    """
    *_, (sized, low, _) = _stages(wanted, wanted.seeds)
    return study_seconds(sized(low), costs, lanes=lanes)


def _stages(wanted: Size, needed: int) -> Iterator[tuple[Callable[[int], Size], int, int]]:
    """Lists what is given up, one thing after another: a size for a number, and the number's bounds."""
    longest = max(wanted.epochs.values(), default=1)
    few = min(wanted.rates, _LEAST_RATES)
    shortest = replace(wanted, rates=few, epochs=_epochs(wanted, 1))
    verdicts = replace(shortest, seeds=needed, rates=0)
    yield lambda rates: replace(wanted, rates=rates), few, wanted.rates
    yield lambda epochs: replace(shortest, epochs=_epochs(wanted, epochs)), 1, longest
    yield lambda seeds: replace(shortest, seeds=seeds), needed, wanted.seeds
    yield lambda epochs: replace(verdicts, epochs=_epochs(wanted, epochs)), 1, longest
    yield lambda seeds: replace(verdicts, seeds=seeds), min(needed, _LEAST_SEEDS), needed


def _epochs(wanted: Size, longest: int) -> dict[str, int]:
    """Gives every recipe the share of its epochs that the one with the most has, but for its least."""
    most = max(wanted.epochs.values(), default=1)
    return {
        name: max(min(epochs, _LEAST_EPOCHS), ceil(epochs * _LEAST_SHARE), epochs * longest // most)
        for name, epochs in wanted.epochs.items()
    }


def _largest(
    sized: Callable[[int], Size], low: int, high: int, fits: Callable[[Size], bool]
) -> Size | None:
    """Finds the largest size that fits; a larger number never takes less time."""
    if not fits(sized(low)):
        return None
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(sized(middle)) else (low, middle - 1)
    return sized(low)


def _given_up(wanted: Size, size: Size, verdict_seeds: int) -> Iterator[str]:
    if size.rates < wanted.rates:
        rates = f"{size.rates} learning rates" if size.rates else "no learning rates"
        yield f"tuning: {rates} tried for each recipe instead of {wanted.rates}"
    pairs = {(size.epochs[name], epochs) for name, epochs in wanted.epochs.items()}
    if len(pairs) == 1:
        now, before = pairs.pop()
        if now < before:
            yield f"epochs: {now} instead of {before}"
    elif any(now < before for now, before in pairs):
        changes = (f"{n} {size.epochs[n]} of {epochs}" for n, epochs in wanted.epochs.items())
        yield f"epochs: {', '.join(changes)}"
    if size.seeds < wanted.seeds:
        yield f"seeds: {size.seeds} instead of {wanted.seeds}"
    if size.seeds < verdict_seeds <= wanted.seeds:
        yield f"verdicts: these contrasts need {verdict_seeds} seeds"


def fit_document(found: Fit, wanted: Size, costs: Mapping[str, Cost]) -> dict[str, object]:
    """Lists a fit in plain values, for the study's records.

    Args:
        found: The fit.
        wanted: What was asked for.
        costs: What it was worked out from.

    Returns:
        Values that `json.dumps` takes.
    """
    return {
        "estimated_seconds": found.seconds,
        "gave_up": list(found.gave_up),
        "wanted": asdict(wanted),
        "planned": asdict(found.size),
        "costs": {name: asdict(cost) for name, cost in costs.items()},
    }
