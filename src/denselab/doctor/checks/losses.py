"""Losses that can be computed but do not suit what the targets are."""

from collections.abc import Iterator

from denselab.doctor.check import Card, Found
from denselab.doctor.facts.heads import target_kind
from denselab.doctor.facts.setup import Setup, held
from denselab.doctor.facts.tables import Table

__all__ = ["CHECKS"]


@Card(
    id="regression-loss-on-classes",
    title="A regression loss on classes",
    group="head and loss",
    rows=(13,),
    severity="warning",
    threshold="exact: a cross-entropy for classes",
    source="TheDeepChecker inap_loss, DeepFD's patches",
    labels=("LCH", "ACH(out)"),
    why="Its gradient vanishes where the output is surely wrong, so errors are mended late.",
    remedy="Use a cross-entropy: binary with sigmoid, categorical or sparse with softmax.",
)
def regression_loss_on_classes(setup: Setup) -> Iterator[Found]:
    for head, loss, target in held(setup):
        if loss.family != "regression" or _copies_its_inputs(setup, target):
            continue
        kind, values = target_kind(target), target.distinct
        two = kind == "classes" and len(values) == 2 and values[0] in (-1, 0) and values[1] == 1
        counted = any(m.kind.lower().endswith("accuracy") or m.kind == "acc" for m in head.metrics)
        hot = kind == "one-hot" and target.width > 1 and target.rows > target.width
        if two or hot or (kind == "classes" and counted):
            what = "one-hot rows" if kind == "one-hot" else f"{len(values)} classes"
            yield Found(f"{target.name} has {what} and the loss is {loss.name}", head.layer)


def _copies_its_inputs(setup: Setup, target: Table) -> bool:
    return (
        any(
            entry.table is not None and entry.table.shape == target.shape for entry in setup.entries
        )
        and target.width > 1
    )


@Card(
    id="exclusive-classes-apart",
    title="Exclusive classes trained as separate questions",
    group="head and loss",
    rows=(10,),
    severity="warning",
    threshold="exact: rows with several labels, or none",
    source="DeepFD's patches",
    labels=("LCH", "ACH(out)"),
    why="Every row has exactly one label, but the units do not compete, and accuracy counts zeros.",
    remedy="End in softmax with categorical_crossentropy.",
)
def exclusive_classes_apart(setup: Setup) -> Iterator[Found]:
    for head, loss, target in held(setup):
        apart = loss.family == "binary" and head.activation in ("sigmoid", "linear")
        if apart and target_kind(target) == "one-hot" and target.rows > target.width:
            yield Found(
                f"all {len(target.sample)} rows of {target.name} that were read have exactly one "
                f"label, and the loss is {loss.name}",
                head.layer,
            )


@Card(
    id="several-labels-in-one-softmax",
    title="Several labels a row for exclusive classes",
    group="head and loss",
    rows=(4,),
    severity="error",
    threshold="exact: rows that sum to 1",
    source="own",
    labels=("LCH", "ACH(out)"),
    why="A softmax shares out 1, and cannot give two classes of a row more than a half each.",
    remedy="End in sigmoid with binary_crossentropy.",
)
def several_labels_in_one_softmax(setup: Setup) -> Iterator[Found]:
    for head, loss, target in held(setup):
        shared = head.activation == "softmax" or loss.from_logits
        if loss.family == "categorical" and shared and target_kind(target) == "multi-hot":
            sums = target.clean.sum(axis=1)
            yield Found(
                f"rows of {target.name} sum to {sums.min():.0f} to {sums.max():.0f}", head.layer
            )


@Card(
    id="relative-loss-at-zero",
    title="A loss relative to targets that are 0, or a logarithm of negative ones",
    group="head and loss",
    rows=(14,),
    severity="warning",
    threshold="exact: targets off 0 for a relative loss, above -1 for a logarithmic one",
    source="keras.losses; own",
    labels=("LCH",),
    why="It divides by almost nothing, or cuts the targets off at 0 in silence.",
    remedy="Use mae or huber.",
)
def relative_loss_at_zero(setup: Setup) -> Iterator[Found]:
    for head, loss, target in held(setup):
        relative = loss.name == "mean_absolute_percentage_error"
        if relative and bool((abs(target.clean) < 1e-7).any()):
            yield Found(f"{target.name} has zeros and the loss is {loss.name}", head.layer)
        if loss.name == "mean_squared_logarithmic_error" and target.minimum < 0:
            yield Found(f"{target.name} runs {target.span}, the loss is {loss.name}", head.layer)


@Card(
    id="relu-at-output",
    title="A relu behind the last layer of a regression",
    group="head and loss",
    rows=(70, 78),
    severity="warning",
    threshold="exact: an output whose gradient cannot vanish for all rows",
    source="DeepFD's patches; own",
    labels=("ACH(out)",),
    why="Where the output is below 0 for all rows, at the start or later, it stays 0 for ever.",
    remedy="End without activation, or in softplus where only positive values make sense.",
)
def relu_at_output(setup: Setup) -> Iterator[Found]:
    for head, loss, target in held(setup):
        if loss.family == "regression" and head.activation == "relu" and target.minimum >= 0:
            yield Found(
                f"layer {head.layer!r} ends in relu and the loss is {loss.name}", head.layer
            )


@Card(
    id="units-without-a-class",
    title="Units for which there is no label",
    group="head and loss",
    rows=(7,),
    severity="note",
    threshold="as many units as classes",
    source="own",
    labels=("LCN(out)",),
    why="They only have to learn never to speak; harmless unless a class is missing from the data.",
    remedy="Give the last layer one unit a class, or look for the missing classes.",
)
def units_without_a_class(setup: Setup) -> Iterator[Found]:
    for head, loss, target in held(setup):
        if loss.family == "sparse" and head.units and 0 <= target.maximum < head.units - 1:
            yield Found(
                f"labels end at {target.maximum:.0f} and there are {head.units} units", head.layer
            )


CHECKS = (
    regression_loss_on_classes,
    exclusive_classes_apart,
    several_labels_in_one_softmax,
    relative_loss_at_zero,
    relu_at_output,
    units_without_a_class,
)
