"""The numbers that go in: finite, of one scale, and no labels among them."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from denselab.doctor.check import Card, Found
from denselab.doctor.facts.entries import Entry
from denselab.doctor.facts.heads import target_kind
from denselab.doctor.facts.network import hidden
from denselab.doctor.facts.setup import Setup
from denselab.doctor.facts.tables import Table

__all__ = ["CHECKS", "far_off_scale"]

_FAR = 30.0
_STANDARD = {"preprocessing.scaling": "standard"}


def magnitudes(entry: Entry) -> Float[np.ndarray, " column"]:
    """Gives the root mean square of every column as the first product sees it."""
    if entry.means is None or entry.deviations is None:
        return np.zeros(0)
    return np.sqrt(entry.means**2 + entry.deviations**2)


def _scalable(setup: Setup) -> Iterator[tuple[Entry, Table]]:
    for entry in setup.entries:
        judged = not entry.encoded and not entry.normalized and setup.network.connected
        if entry.table is not None and entry.table.finite and judged:
            yield entry, entry.table


def far_off_scale(setup: Setup) -> list[tuple[Entry, float]]:
    """Finds inputs with a column whose root mean square is above 30.

    Args:
        setup: The facts.

    Returns:
        Inputs that nothing in the network scales, and the size of their largest column.
    """
    found = ((entry, float(magnitudes(entry).max())) for entry, _ in _scalable(setup))
    return [(entry, size) for entry, size in found if size > _FAR]


@Card(
    id="data-not-finite",
    title="NaN or infinity in the data",
    group="data",
    rows=(19,),
    severity="error",
    threshold="exact: none",
    source="UMLAUT NaNInInput; silent in Keras 3",
    labels=("CPP",),
    why="One of them makes the loss NaN, and after one step every weight.",
    remedy="Drop such rows, or fill them in.",
)
def data_not_finite(setup: Setup) -> Iterator[Found]:
    tables = [entry.table for entry in setup.entries if entry.table is not None]
    for table in (*tables, *setup.targets, *setup.validation[0], *setup.validation[1]):
        if not table.finite:
            what = (
                "NaN" if np.isnan(table.minimum) or np.isnan(table.maximum) else "infinite values"
            )
            yield Found(f"{table.name} has {what}")


@Card(
    id="inputs-unscaled",
    title="Inputs far from the scale that networks start for",
    group="data",
    rows=(20,),
    severity="warning",
    threshold="root mean square of a column above 30 (own); a note above 3, or where deviations of columns "
    "differ by more than 10 times",
    source="UMLAUT, TheDeepChecker, SageMaker Debugger; bounds own, since theirs fire on z-scores",
    labels=("CPP",),
    why="Initial weights expect inputs of size 1: larger ones saturate units and dwarf the others.",
    remedy="Standardise every column by the training rows, or adapt a Normalization layer to them.",
    fix=_STANDARD,
)
def inputs_unscaled(setup: Setup) -> Iterator[Found]:
    far = {id(entry) for entry, _ in far_off_scale(setup)}
    for entry, table in _scalable(setup):
        assert entry.means is not None
        assert entry.deviations is not None
        # A constant column has what rounding leaves of its deviation.
        varies = entry.deviations > 1e-6 * np.maximum(entry.deviations.max(initial=0.0), 1e-30)
        sizes, spread = magnitudes(entry), entry.deviations[varies]
        size = (
            f"{table.name} runs from {entry.low:.4g} to {entry.high:.4g} before the first product"
        )
        if id(entry) in far and not entry.renormalized:
            yield Found(f"{size}; its largest column has a root mean square of {sizes.max():.4g}")
            continue
        uneven = len(spread) > 1 and spread.max() > 10 * spread.min() and not _sparse(table)
        if uneven or sizes.max() > 3:
            ratio = spread.max() / spread.min() if len(spread) else 1.0
            yield Found(
                f"{size}; means up to {np.abs(entry.means).max():.3g} in size, deviations differ "
                f"{ratio:.3g} times",
                severity="note",
            )


def _sparse(table: Table) -> bool:
    """Says whether most values are 0, as in counts and one-hot columns, which have uneven spread."""
    return bool((table.clean == 0).mean() > 0.5)


@Card(
    id="inputs-scaled-twice",
    title="Inputs that have hardly any size left",
    group="data",
    rows=(21,),
    severity="warning",
    threshold="no value above 0.02 in size (own)",
    source="TheDeepChecker dbl_norm",
    labels=("CPP",),
    why="The network cannot tell the rows apart: outputs start equal and gradients small.",
    remedy="Scale once; look for a division by 255 in the data and again in the model.",
    fix=_STANDARD,
)
def inputs_scaled_twice(setup: Setup) -> Iterator[Found]:
    for entry, table in _scalable(setup):
        largest = max(abs(entry.low), abs(entry.high))
        if 0 < largest < 0.02 and table.minimum < table.maximum:
            by = f" after layer {entry.fixed[-1]!r}" if entry.fixed else ""
            yield Found(f"no value of {table.name} is larger than {largest:.3g}{by}")


@Card(
    id="normalization-not-adapted",
    title="A Normalization layer that does nothing",
    group="data",
    rows=(20, 27),
    severity="warning",
    threshold="exact: adapted to the training data",
    source="keras.layers.Normalization; own",
    labels=("CPP",),
    why="Before adapt it takes 0 from its inputs and divides them by 1.",
    remedy="Call layer.adapt(x_train) before building the model.",
)
def normalization_not_adapted(setup: Setup) -> Iterator[Found]:
    for layer in setup.network.layers:
        mean, variance = (getattr(layer.object, name, None) for name in ("mean", "variance"))
        if layer.kind != "Normalization" or mean is None or variance is None:
            continue
        idle = not np.any(np.asarray(mean)) and bool(np.all(np.asarray(variance) == 1))
        if idle and any(abs(table.means).max() > 0.01 for table in _tables(setup)):
            yield Found(f"layer {layer.name!r} has mean 0 and variance 1", layer.name)


def _tables(setup: Setup) -> list[Table]:
    return [entry.table for entry in setup.entries if entry.table is not None]


@Card(
    id="text-inputs",
    title="Text given to a network that reads numbers",
    group="data",
    rows=(23,),
    severity="error",
    threshold="exact: numbers",
    source="UMLAUT InputNotFloating",
    labels=("CPP", "IWS"),
    why="A product of weights and text does not exist; Keras fails in fit.",
    remedy="Encode it first: keras.layers.StringLookup, CategoryEncoding or TextVectorization.",
)
def text_inputs(setup: Setup) -> Iterator[Found]:
    for entry in setup.entries:
        if entry.text and not entry.encoded:
            yield Found(f"input {entry.name!r} holds text")


@Card(
    id="whole-number-inputs",
    title="Whole numbers as inputs",
    group="data",
    rows=(23,),
    severity="note",
    threshold="floats",
    source="UMLAUT InputNotFloating",
    labels=("CPP",),
    why="Keras turns them into floats in every step; if they number classes, their order is made up.",
    remedy="Convert once, and one-hot encode numbers that stand for classes.",
)
def whole_number_inputs(setup: Setup) -> Iterator[Found]:
    for entry in setup.entries:
        if entry.table is None or entry.encoded:
            continue
        if entry.table.dtype.startswith(("int", "uint", "bool")):
            yield Found(f"{entry.table.name} has dtype {entry.table.dtype}")


@Card(
    id="columns-without-information",
    title="Constant or repeated columns",
    group="data",
    rows=(22,),
    severity="note",
    threshold="exact: no column constant, no two columns equal, in the rows that were read",
    source="deepchecks is_single_value",
    labels=("CPP",),
    why="They add weights but nothing to learn from.",
    remedy="Drop them; pixels that are always dark may stay.",
)
def columns_without_information(setup: Setup) -> Iterator[Found]:
    for entry in setup.entries:
        table = entry.table
        if table is None or entry.encoded or len(table.clean) < 2:
            continue
        constant = int((table.deviations == 0).sum())
        columns = {column.tobytes() for column in np.ascontiguousarray(table.clean.T)}
        repeated = max(0, table.width - len(columns) - max(0, constant - 1))
        if constant or repeated:
            yield Found(
                f"{table.name} has {constant} constant and {repeated} repeated columns of "
                f"{table.width}"
            )


@Card(
    id="labels-among-inputs",
    title="Targets that are also inputs",
    group="data",
    rows=(28,),
    severity="error",
    threshold="exact: no input column equal to the targets; for an autoencoder a hidden layer narrower "
    "than the inputs, noise or a penalty",
    source="deepchecks; catalogue row 28",
    labels=("TCL", "IDS"),
    why="The network only has to copy, and knows nothing when the column is missing.",
    remedy="Take the targets out of the inputs; give fit(x, y), not fit(y, y).",
)
def labels_among_inputs(setup: Setup) -> Iterator[Found]:
    for target in setup.targets:
        for table in _tables(setup):
            if table.rows != target.rows or target.rows < 10 or not target.finite:
                continue
            if table.shape == target.shape and target.width > 1:
                if np.array_equal(table.sample, target.sample) and not _compresses(setup, table):
                    yield Found(
                        f"{table.name} and {target.name} are equal, and no layer compresses",
                        severity=None if _classifies(setup, target) else "warning",
                    )
            elif target.width == 1 and len(target.sample) == len(table.sample):
                equal = (table.sample == target.sample).all(axis=0) & (table.deviations > 0)
                if equal.any():
                    yield Found(f"column {int(equal.argmax())} of {table.name} is {target.name}")


def _compresses(setup: Setup, table: Table) -> bool:
    narrow = any(layer.units and layer.units < table.width for layer in hidden(setup.network))
    disturbed = {"Dropout", "GaussianNoise", "GaussianDropout", "ActivityRegularization"}
    return narrow or any(
        layer.kind in disturbed or layer.regularized for layer in setup.network.layers
    )


def _classifies(setup: Setup, target: Table) -> bool:
    accurate = any(
        metric.kind.lower().endswith("accuracy") for head in setup.heads for metric in head.metrics
    )
    return accurate or target_kind(target) == "one-hot"


CHECKS = (
    data_not_finite,
    inputs_unscaled,
    inputs_scaled_twice,
    normalization_not_adapted,
    text_inputs,
    whole_number_inputs,
    columns_without_information,
    labels_among_inputs,
)
