"""Labels and targets of an output: whether ending and loss can reach and read them."""

from collections.abc import Iterator
from math import inf

from denselab.doctor.check import Card, Found
from denselab.doctor.facts.heads import target_kind
from denselab.doctor.facts.setup import Setup, held
from denselab.doctor.facts.tables import Table

__all__ = ["CHECKS"]

_RANGES = {
    "sigmoid": (0.0, 1.0),
    "hard_sigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
    "relu": (0.0, inf),
    "relu6": (0.0, 6.0),
    "softplus": (0.0, inf),
    "exponential": (0.0, inf),
    "elu": (-1.0, inf),
    "selu": (-1.7581, inf),
    "log_softmax": (-inf, 0.0),
}


def _single(table: Table) -> bool:
    return table.width == 1


@Card(
    id="integer-labels-with-categorical-loss",
    title="Class numbers given to a loss that expects one-hot rows",
    group="head and loss",
    rows=(5,),
    severity="error",
    threshold="exact: one column a class",
    source="catalogue row 5; Keras raises in fit",
    labels=("TCL", "LCH"),
    why="Categorical cross-entropy compares rows of shares; a number is no such row.",
    remedy="Use sparse_categorical_crossentropy, or keras.utils.to_categorical(y).",
)
def integer_labels_with_categorical_loss(setup: Setup) -> Iterator[Found]:
    for head, loss, target in held(setup):
        several = head.units != 1
        if loss.family == "categorical" and several and _single(target) and target.whole:
            yield Found(
                f"{target.name} has shape {target.shape} with whole numbers {target.span}, and "
                f"the loss is {loss.name}",
                head.layer,
            )


@Card(
    id="one-hot-labels-with-sparse-loss",
    title="One-hot rows given to a loss that expects class numbers",
    group="head and loss",
    rows=(6,),
    severity="error",
    threshold="exact: one number a row",
    source="catalogue row 6; Keras raises in fit",
    labels=("TCL", "LCH"),
    why="The sparse loss takes each entry of a row for a class of its own.",
    remedy="Use categorical_crossentropy, or y.argmax(axis=1).",
)
def one_hot_labels_with_sparse_loss(setup: Setup) -> Iterator[Found]:
    for head, loss, target in held(setup):
        flat = head.shape is None or len(head.shape) == 1
        if loss.family == "sparse" and flat and target_kind(target) in ("one-hot", "shares"):
            yield Found(f"{target.name} has one-hot rows of shape {target.shape}", head.layer)


@Card(
    id="labels-out-of-range",
    title="Labels for which there is no unit",
    group="head and loss",
    rows=(7,),
    severity="error",
    threshold="exact: labels from 0 to units - 1",
    source="catalogue row 7; silent in Keras 3 on JAX",
    labels=("LCN(out)", "TCL"),
    why="Such rows add nothing to the loss, or count for the wrong class: the loss looks low.",
    remedy="Give the last layer one unit a class, and number the classes from 0.",
)
def labels_out_of_range(setup: Setup) -> Iterator[Found]:
    for head, loss, target in held(setup):
        if loss.family != "sparse" or not head.units or head.units == 1 or not target.whole:
            continue
        low, high = target.minimum, target.maximum
        if loss.ignored_class is not None:
            kept = target.distinct[target.distinct != loss.ignored_class]
            low, high = (kept.min(), kept.max()) if len(kept) else (0.0, 0.0)
        if low < 0 or high >= head.units:
            yield Found(
                f"labels run from {low:.0f} to {high:.0f} and layer {head.layer!r} has "
                f"{head.units} units",
                head.layer,
            )


@Card(
    id="many-classes-in-one-unit",
    title="More than two classes for one yes-or-no unit",
    group="head and loss",
    rows=(8,),
    severity="error",
    threshold="exact: at most 2 classes a unit",
    source="catalogue row 8; silent in Keras 3",
    labels=("LCN(out)", "ACH(out)", "LCH"),
    why="One unit can only say yes or no; labels above 1 drive the loss below 0.",
    remedy="Give the last layer one unit a class, softmax, and sparse_categorical_crossentropy.",
)
def many_classes_in_one_unit(setup: Setup) -> Iterator[Found]:
    for head, loss, target in held(setup):
        yes_or_no = loss.family == "binary" or loss.name in ("hinge", "squared_hinge")
        if not yes_or_no or head.units != 1 or target_kind(target) != "classes":
            continue
        if len(target.distinct) > 2:
            yield Found(
                f"{target.name} has {len(target.distinct)} classes and layer {head.layer!r} has 1 "
                "unit",
                head.layer,
            )


@Card(
    id="binary-targets-outside-zero-one",
    title="Targets of a binary cross-entropy that are not from 0 to 1",
    group="head and loss",
    rows=(12, 67),
    severity="error",
    threshold="exact: from 0 to 1",
    source="catalogue row 12; silent in Keras 3",
    labels=("LCH", "TCL"),
    why="The loss has no lower bound then: it falls below 0 and the outputs saturate.",
    remedy="Number the two classes 0 and 1.",
)
def binary_targets_outside_zero_one(setup: Setup) -> Iterator[Found]:
    for head, loss, target in held(setup):
        if loss.family != "binary" or not (target.minimum < 0 or target.maximum > 1):
            continue
        two = _single(target) and target.whole and len(target.distinct) <= 2
        if two or (target.width > 1 and target.whole):
            yield Found(f"{target.name} runs {target.span}", head.layer)


@Card(
    id="cross-entropy-on-values",
    title="A cross-entropy on targets that are no classes",
    group="head and loss",
    rows=(14,),
    severity="error",
    threshold="exact: classes, or shares that sum to 1",
    source="TheDeepChecker inap_loss",
    labels=("LCH", "ACH(out)"),
    why="A cross-entropy compares probabilities; of other values its minimum means nothing.",
    remedy="Use mse, mae or huber on an output without activation.",
)
def cross_entropy_on_values(setup: Setup) -> Iterator[Found]:
    for head, loss, target in held(setup):
        kind = target_kind(target)
        outside = target.minimum < 0 or target.maximum > 1
        wrong = {
            "sparse": not target.whole and kind != "shares",
            "categorical": kind == "values" and not (_single(target) and target.whole),
            "binary": kind == "values" and outside and (not target.whole or _single(target)),
        }
        if wrong.get(loss.family, False):
            yield Found(
                f"{target.name} has values {target.span}, and the loss is {loss.name}", head.layer
            )


@Card(
    id="target-shape",
    title="Targets of another shape than the outputs",
    group="head and loss",
    rows=(15,),
    severity="error",
    threshold="exact: equal shapes, but for a last axis of 1",
    source="TheDeepChecker wrong_loss2; Keras raises for some, broadcasts the rest",
    labels=("TWS", "LCN(out)", "TCL"),
    why="The loss fails, or compares each target with several outputs.",
    remedy="Give the last layer as many units as the targets have columns.",
)
def target_shape(setup: Setup) -> Iterator[Found]:
    for head, loss, target in held(setup):
        if head.shape is None or loss.family == "custom":
            continue
        categorical = loss.family == "categorical" and _single(target) and target.whole
        one_hot = loss.family == "sparse" and target_kind(target) in ("one-hot", "shares")
        if categorical or one_hot:
            continue
        wanted = head.shape[:-1] if loss.family == "sparse" else head.shape
        if not _fits(target.shape[1:], wanted):
            yield Found(
                f"{target.name} has shape {target.shape} and layer {head.layer!r} gives (N, "
                f"{', '.join(map(str, head.shape))})",
                head.layer,
            )


def _fits(given: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    """Compares shapes as keras.losses.squeeze_or_expand_to_same_rank makes them alike."""
    if len(given) == len(wanted) + 1 and given[-1] == 1:
        given = given[:-1]
    elif len(wanted) == len(given) + 1 and wanted[-1] == 1:
        wanted = wanted[:-1]
    return len(given) == len(wanted) and all(
        want is None or size == want for size, want in zip(given, wanted, strict=True)
    )


@Card(
    id="targets-outside-output-range",
    title="Targets that the output cannot reach",
    group="head and loss",
    rows=(11,),
    severity="error",
    threshold="exact: within the range of the activation, to 1e-6 of it",
    source="DeepDiagnosis identifyRange; silent in Keras 3",
    labels=("ACH(out)", "CPP(y)"),
    why="The output presses against its bound for ever and its gradient vanishes there.",
    remedy="End without activation, or scale the targets into the range of the activation.",
)
def targets_outside_output_range(setup: Setup) -> Iterator[Found]:
    for head, loss, target in held(setup):
        if loss.family not in ("regression", "divergence") or head.activation not in _RANGES:
            continue
        if head.activation == "softmax" and (head.units == 1 or target_kind(target) == "values"):
            continue
        low, high = _RANGES[head.activation]
        slack = 1e-6 * max(1.0, abs(target.minimum), abs(target.maximum))
        if target.minimum < low - slack or target.maximum > high + slack:
            yield Found(
                f"{target.name} runs {target.span} and layer {head.layer!r} ends in "
                f"{head.activation}, which gives {low:.4g} to {high:.4g}",
                head.layer,
            )


@Card(
    id="softmax-for-regression",
    title="A softmax for values",
    group="head and loss",
    rows=(13,),
    severity="error",
    threshold="exact: targets that sum to 1",
    source="catalogue row 13",
    labels=("ACH(out)", "LCH"),
    why="Its outputs are shares of 1, so they cannot follow targets that are not.",
    remedy="End in a Dense layer without activation.",
)
def softmax_for_regression(setup: Setup) -> Iterator[Found]:
    for head, loss, target in held(setup):
        value = loss.family == "regression" and target_kind(target) == "values"
        if value and head.activation == "softmax" and head.units != 1:
            yield Found(
                f"layer {head.layer!r} ends in softmax, the loss is {loss.name} and {target.name} "
                f"runs {target.span}",
                head.layer,
            )


CHECKS = (
    integer_labels_with_categorical_loss,
    one_hot_labels_with_sparse_loss,
    labels_out_of_range,
    many_classes_in_one_unit,
    binary_targets_outside_zero_one,
    cross_entropy_on_values,
    target_shape,
    targets_outside_output_range,
    softmax_for_regression,
)
