"""What a command would train, without training it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from denselab.cli.estimate import TimeSpan, time_span
from denselab.cli.options import DataOptions
from denselab.cli.progress import duration
from denselab.cli.selection import selected_data
from denselab.cli.table import aligned
from denselab.data import Dataset
from denselab.recipes import (
    Recipe,
    layer_summary,
    parameter_count,
    programs,
    resolved,
    steps,
)

__all__ = ["Shape", "data_shape", "plan", "plan_text"]


class Shape(NamedTuple):
    """What a plan needs to know of a data set.

    Attributes:
        rows: Rows to train and validate on.
        calibration_rows: Rows kept for calibration.
        test_rows: Rows to test on.
        features: Features of a row, flattened.
        classes: Number of classes.
    """

    rows: int
    calibration_rows: int
    test_rows: int
    features: int
    classes: int


_KNOWN = {"cifar10": Shape(50_000, 0, 10_000, 3072, 10)}
"""Data sets that need a download, and whose shape is known without it."""


def data_shape(name: str, where: DataOptions, *, calibration: float = 0.0) -> Shape:
    """Finds the shape of a data set, of one that needs a download without having it.

    Args:
        name: Its name.
        where: Where it comes from.
        calibration: Share of the training rows that is kept for calibration.

    Returns:
        The shape after the test rows and the calibration slice were set apart.

    Raises:
        DataError: If there is no data set of that name.

    Example:
        >>> data_shape("cifar10", DataOptions())
        Shape(rows=50000, calibration_rows=0, test_rows=10000, features=3072, classes=10)
    """
    if name in _KNOWN:
        known = _KNOWN[name]
        kept = round(known.rows * calibration)
        return known._replace(rows=known.rows - kept, calibration_rows=kept)
    return shape_of(selected_data(name, where, calibration=calibration))


def shape_of(data: Dataset) -> Shape:
    """Takes the shape of data whose parts were set apart.

    Args:
        data: The data.

    Returns:
        Its shape.
    """
    return Shape(
        rows=data.n,
        calibration_rows=0 if data.calibration_y is None else len(data.calibration_y),
        test_rows=0 if data.test_y is None else len(data.test_y),
        features=data.features,
        classes=data.classes or 1,
    )


def plan(
    data: str, shape: Shape, recipes: Sequence[Recipe], seeds: Sequence[int], rates: int = 0
) -> dict[str, object]:
    """Works out what training some recipes takes, ready for JSON.

    Args:
        data: Name of the data set.
        shape: Its shape.
        recipes: What is trained.
        seeds: The seeds of each recipe.
        rates: Learning rates tried for each recipe first.

    Returns:
        The data, the seeds, the number of programs to compile, and for each recipe its
        configuration, parameters and steps.
    """
    return {
        "dataset": {"name": data, **shape._asdict()},
        "seeds": list(seeds),
        "tuning_rates": rates,
        "programs": programs(recipes),
        "estimated_seconds": _span(shape, recipes, seeds, rates)._asdict(),
        "recipes": [_recipe_plan(recipe, shape) for recipe in recipes],
    }


def plan_text(
    data: str, shape: Shape, recipes: Sequence[Recipe], seeds: Sequence[int], rates: int = 0
) -> str:
    """Writes the same for people.

    Args:
        data: Name of the data set.
        shape: Its shape.
        recipes: What is trained.
        seeds: The seeds of each recipe.
        rates: Learning rates tried for each recipe first.

    Returns:
        Several lines.
    """
    trained = sum(recipe.weights_from is None for recipe in recipes)
    trainings = len(seeds) * trained
    which = f"seeds {seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"seed {seeds[0]}"
    lines = [
        f"{data}: {shape.rows:,} rows to train and validate on, {_calibrating(shape)}"
        f"{shape.test_rows:,} to test; "
        f"{shape.features:,} features, {shape.classes} classes",
        f"{_counted(trainings, 'training')} ({which}) in {_counted(programs(recipes), 'program')}",
        *(
            [f"before them {trained * rates:,} to choose among {rates} learning rates each"]
            * (rates > 0)
        ),
        _time_words(_span(shape, recipes, seeds, rates)),
    ]
    for recipe in recipes:
        lines += ["", *_recipe_lines(recipe, shape)]
    return "\n".join(lines)


def _span(shape: Shape, recipes: Sequence[Recipe], seeds: Sequence[int], rates: int) -> TimeSpan:
    sizes = shape.features, shape.classes
    return time_span(recipes, rows=shape.rows, sizes=sizes, members=len(seeds), rates=rates)


def _time_words(span: TimeSpan) -> str:
    return (
        f"about {duration(span.low)} to {duration(span.high)} on this machine, less where trainings stop early "
        "(worked out from multiply-adds; denselab compare --budget measures it)"
    )


def _calibrating(shape: Shape) -> str:
    return f"{shape.calibration_rows:,} to calibrate on, " if shape.calibration_rows else ""


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _recipe_plan(recipe: Recipe, shape: Shape) -> dict[str, object]:
    count = parameter_count(recipe, features=shape.features, outputs=shape.classes)
    rows = layer_summary(recipe, features=shape.features, outputs=shape.classes)
    return {
        "name": recipe.name,
        "parameters": count.total,
        "trainable": count.trainable,
        "layers": [row._asdict() for row in rows],
        "train_rows": _train_rows(recipe, shape),
        "steps": steps(recipe, _train_rows(recipe, shape))._asdict(),
        "recipe": resolved(recipe),
    }


def _recipe_lines(recipe: Recipe, shape: Shape) -> Iterator[str]:
    yield f"{recipe.name}: {recipe.title}" if recipe.title else recipe.name
    rows = layer_summary(recipe, features=shape.features, outputs=shape.classes)
    cells = [
        [
            row.part,
            row.layer,
            f"{row.units:,}",
            f"{row.trainable + row.non_trainable:,}",
            f"x {row.times}",
        ]
        for row in rows
    ]
    table = aligned([["part", "layer", "units", "weights", ""], *cells], right="  rrr")
    yield from ("  " + line for line in table.splitlines())
    count = parameter_count(recipe, features=shape.features, outputs=shape.classes)
    kept = f" ({count.non_trainable:,} of them not trained)" if count.non_trainable else ""
    yield f"  {count.total:,} parameters{kept}"
    yield f"  {_training_words(recipe, shape)}"


def _training_words(recipe: Recipe, shape: Shape) -> str:
    if recipe.weights_from is not None:
        return f"nothing is trained: the weights are those of {recipe.weights_from}"
    training, optimizer = recipe.training, recipe.optimizer
    begins = "" if recipe.starts_from is None else f"from the weights of {recipe.starts_from}: "
    full, last, total = steps(recipe, _train_rows(recipe, shape))
    return (
        f"{begins}{optimizer.name} at {optimizer.learning_rate:g}, {recipe.schedule.kind} schedule; "
        f"{_train_rows(recipe, shape):,} rows in batches of {training.batch_size}: "
        f"{full + (last > 0):,} steps an epoch, {'at most ' if training.early_stopping else ''}"
        f"{total:,} in {training.epochs} epochs"
    )


def _train_rows(recipe: Recipe, shape: Shape) -> int:
    return shape.rows - round(shape.rows * recipe.training.validation_fraction)
