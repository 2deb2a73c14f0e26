"""The test rows that one wants to look at, and what the draws of the best network say of them."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from denselab.data import Dataset
from denselab.errors import UsageError
from denselab.study.reading import Study
from denselab.study.records import best_trial, trials_of
from denselab.study.uncertainty import (
    Settings,
    check_data,
    chosen_recipes,
    has_dropout,
    resting_model,
)

__all__ = ["Choose", "DrawnRows", "drawn_rows"]

Choose = Callable[[np.ndarray, np.ndarray, np.ndarray], Sequence[tuple[int, Any]]]
"""Mean probabilities (row, class), predictive entropy (row,) and labels (row,) -> rows, and why."""


class DrawnRows(NamedTuple):
    """Some test rows, and what the draws say of them.

    Attributes:
        recipe: Name of the recipe whose network draws.
        seed: Seed of that network, the one of best validation accuracy.
        chosen: Numbers of the rows in the test set, and why each was chosen.
        draws: Class probabilities, shape (draw, row, class).
    """

    recipe: str
    seed: int
    chosen: tuple[tuple[int, Any], ...]
    draws: np.ndarray


def drawn_rows(
    study: Study,
    dataset: Dataset,
    *,
    choose: Choose,
    recipe: str | None = None,
    settings: Settings | None = None,
) -> DrawnRows:
    """Draws the test rows that a choice picks.

    Args:
        study: The study.
        dataset: Its data.
        choose: Picks rows by what the draws say of all of them.
        recipe: Name of a recipe with dropout; the first by default.
        settings: Number and seed of the draws.

    Returns:
        The rows with their draws, by the member of best validation accuracy.

    Raises:
        UsageError: If the data is not that of the study, or no recipe can be drawn from.
    """
    from denselab.uncertainty import each_draw, predict_draws

    check_data(study, dataset)
    settings = settings or Settings()
    for one in chosen_recipes(study, [] if recipe is None else [recipe]):
        best = best_trial(trials_of(one, study.trials).values())
        if has_dropout(one) and best is not None:
            break
    else:
        raise UsageError(
            f"{study.folder}: no recipe with dropout has a trial; compare one, such as alpha_dropout"
        )
    assert dataset.test_x is not None
    assert dataset.test_y is not None
    model = resting_model(one, best, study, dataset)
    found: Any = predict_draws(model, dataset.test_x, draws=settings.draws, seed=settings.seed)
    chosen = tuple(choose(found.probabilities, found.predictive_entropy, dataset.test_y))
    rows = dataset.test_x[[row for row, _ in chosen]]
    draws = each_draw(model, rows, draws=settings.draws, seed=settings.seed)
    return DrawnRows(one.name, best.seed, chosen, draws)
