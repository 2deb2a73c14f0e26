"""Ending and loss of an output: whether they belong together, before any label is looked at."""

from collections.abc import Iterator

from denselab.doctor.check import Card, Found
from denselab.doctor.facts.heads import Head, target_kind
from denselab.doctor.facts.layers import UNKNOWN
from denselab.doctor.facts.losses import CROSS_ENTROPIES, Loss
from denselab.doctor.facts.setup import Setup

__all__ = ["CHECKS"]

_PROBABILITIES = frozenset({"softmax", "sigmoid", "hard_sigmoid", "exponential", UNKNOWN})


def _with_loss(setup: Setup) -> Iterator[tuple[Head, Loss]]:
    return ((head, head.loss) for head in setup.heads if head.loss is not None)


@Card(
    id="softmax-on-one-unit",
    title="Softmax over a single unit",
    group="head and loss",
    rows=(1,),
    severity="error",
    threshold="exact: more than one unit",
    source="NeuraLint BinWrongLastLayer; keras.ops.softmax warns",
    labels=("ACH(out)",),
    why="The softmax of one number is 1 whatever the weights are, so there is no gradient.",
    remedy="Use a sigmoid for two classes, one unit a class for more, no activation for values.",
)
def softmax_on_one_unit(setup: Setup) -> Iterator[Found]:
    for head in setup.heads:
        if head.activation == "softmax" and head.units == 1:
            yield Found(f"layer {head.layer!r} puts a softmax over 1 unit", head.layer)


@Card(
    id="probabilities-read-as-logits",
    title="Probabilities given to a loss that expects logits",
    group="head and loss",
    rows=(2,),
    severity="error",
    threshold="exact: no activation with from_logits=True",
    source="UMLAUT; silent in Keras 3 on JAX",
    labels=("ACH(out)", "LCH"),
    why="The loss squashes them a second time: gradients shrink and no probability passes 0.73.",
    remedy="Drop the activation of the output layer, or say from_logits=False.",
)
def probabilities_read_as_logits(setup: Setup) -> Iterator[Found]:
    for head, loss in _with_loss(setup):
        squashed = head.activation in ("softmax", "sigmoid", "hard_sigmoid")
        if squashed and loss.from_logits and loss.family in CROSS_ENTROPIES:
            yield Found(
                f"layer {head.layer!r} ends in {head.activation} and {loss.name} has "
                "from_logits=True",
                head.layer,
            )


@Card(
    id="logits-read-as-probabilities",
    title="Values that are no probabilities given to a cross-entropy",
    group="head and loss",
    rows=(3,),
    severity="error",
    threshold="exact: softmax or sigmoid with from_logits=False",
    source="NeuraLint MissingSoftmax, UMLAUT; silent in Keras 3",
    labels=("ACH(out)", "LCH"),
    why="The loss clips them to the range from 0 to 1, where most gradients vanish.",
    remedy="Say from_logits=True, or end in softmax (classes) or sigmoid (yes or no).",
)
def logits_read_as_probabilities(setup: Setup) -> Iterator[Found]:
    for head, loss in _with_loss(setup):
        if loss.family not in CROSS_ENTROPIES or loss.from_logits:
            continue
        if head.activation not in _PROBABILITIES:
            yield Found(
                f"layer {head.layer!r} ends in {head.activation} and {loss.name} expects "
                "probabilities",
                head.layer,
            )


@Card(
    id="sigmoid-with-categorical-loss",
    title="Sigmoid units with a loss for exclusive classes",
    group="head and loss",
    rows=(4,),
    severity="error",
    threshold="exact: softmax with a categorical cross-entropy",
    source="DeepFD's patches; silent in Keras 3",
    labels=("ACH(out)", "LCH"),
    why="Units that do not compete cannot be the shares that a categorical cross-entropy compares.",
    remedy="End in softmax; where a row has several labels, use binary_crossentropy instead.",
)
def sigmoid_with_categorical_loss(setup: Setup) -> Iterator[Found]:
    for head, loss in _with_loss(setup):
        exclusive = loss.family in ("categorical", "sparse") and not loss.from_logits
        if exclusive and head.activation in ("sigmoid", "hard_sigmoid") and head.units != 1:
            yield Found(
                f"layer {head.layer!r} ends in {head.units or 'several'} {head.activation} units "
                f"and the loss is {loss.name}",
                head.layer,
            )


@Card(
    id="categorical-loss-on-one-unit",
    title="A loss for several classes on one unit",
    group="head and loss",
    rows=(9,),
    severity="error",
    threshold="exact: at least 2 units",
    source="keras.losses.categorical_crossentropy warns",
    labels=("LCH", "LCN(out)"),
    why="Among one class there is nothing to choose: the loss is constant.",
    remedy="Use binary_crossentropy with a sigmoid for two classes, one unit a class for more.",
)
def categorical_loss_on_one_unit(setup: Setup) -> Iterator[Found]:
    for head, loss in _with_loss(setup):
        if loss.family in ("categorical", "sparse") and head.units == 1:
            yield Found(f"layer {head.layer!r} has 1 unit and the loss is {loss.name}", head.layer)


@Card(
    id="binary-loss-on-softmax",
    title="A yes-or-no loss on a softmax",
    group="head and loss",
    rows=(10,),
    severity="error",
    threshold="exact: sigmoid with a binary cross-entropy",
    source="DeepFD's patches; catalogue row 10",
    labels=("LCH", "ACH(out)"),
    why="It counts every class as a question of its own, and accuracy counts zeros as right.",
    remedy="Use a categorical cross-entropy; where a row has several labels, end in sigmoid.",
)
def binary_loss_on_softmax(setup: Setup) -> Iterator[Found]:
    for head, loss in _with_loss(setup):
        if loss.family == "binary" and head.activation == "softmax" and head.units != 1:
            yield Found(
                f"layer {head.layer!r} ends in softmax over {head.units or 'several'} units and "
                f"the loss is {loss.name}",
                head.layer,
            )


@Card(
    id="hinge-on-probabilities",
    title="A hinge loss on probabilities",
    group="head and loss",
    rows=(10,),
    severity="warning",
    threshold="exact: outputs that reach -1 and 1",
    source="keras.losses.hinge",
    labels=("ACH(out)", "LCH"),
    why="It asks for outputs below -1 and above 1, which a sigmoid or softmax never gives.",
    remedy="End without activation or in tanh, or use a cross-entropy.",
)
def hinge_on_probabilities(setup: Setup) -> Iterator[Found]:
    for head, loss in _with_loss(setup):
        if loss.name in ("hinge", "squared_hinge") and head.activation in ("softmax", "sigmoid"):
            yield Found(
                f"layer {head.layer!r} ends in {head.activation} and the loss is {loss.name}",
                head.layer,
            )


@Card(
    id="loss-broadcasts",
    title="A loss that compares every target with every output",
    group="head and loss",
    rows=(15,),
    severity="error",
    threshold="exact: one value for targets (N,) and (N, 1)",
    source="TheDeepChecker wrong_loss2, tried on three rows",
    labels=("TWS", "LCH", "LWC"),
    why="Targets (N,) against outputs (N, 1) make a table of N x N differences.",
    remedy="Give the targets as y[:, None], or squeeze the outputs inside the loss.",
)
def loss_broadcasts(setup: Setup) -> Iterator[Found]:
    for head, loss in _with_loss(setup):
        flat = head.target is not None and len(head.target.shape) == 1
        if loss.broadcasts and flat and head.units == 1:
            yield Found(
                f"loss {loss.name!r} gives another value for targets (3,) than for (3, 1) against "
                "outputs (3, 1)",
                head.layer,
            )


@Card(
    id="exact-accuracy",
    title="A metric that asks for equality of outputs and labels",
    group="head and loss",
    rows=(16,),
    severity="error",
    threshold="exact: an accuracy that rounds or takes the greatest",
    source="keras.metrics.Accuracy; silent in Keras 3",
    labels=("PMC",),
    why="A probability hardly ever equals a label, so it stays near 0 while training goes well.",
    remedy='Say metrics=["accuracy"] in lower case, or name the accuracy that suits the labels.',
)
def exact_accuracy(setup: Setup) -> Iterator[Found]:
    for head in setup.heads:
        if any(metric.kind == "Accuracy" for metric in head.metrics):
            yield Found(f"output {head.name!r} is measured by keras.metrics.Accuracy", head.layer)


@Card(
    id="accuracy-of-values",
    title="Accuracy of values that are no classes",
    group="head and loss",
    rows=(16,),
    severity="error",
    threshold="exact: classes",
    source="catalogue row 16; silent in Keras 3",
    labels=("PMC",),
    why="It counts outputs that hit a real number exactly, or lie on one side of 0.5.",
    remedy="Measure mae or r2_score; accuracy is for classes.",
)
def accuracy_of_values(setup: Setup) -> Iterator[Found]:
    for head, loss in _with_loss(setup):
        asked = [m for m in head.metrics if m.kind.lower().endswith("accuracy") or m.kind == "acc"]
        if not asked or head.target is None or loss.family in (*CROSS_ENTROPIES, "hinge"):
            continue
        if target_kind(head.target) == "values" and not head.target.whole:
            yield Found(
                f"output {head.name!r} is measured by {asked[0].name} and its targets run from "
                f"{head.target.minimum:.3g} to {head.target.maximum:.3g} in fractions",
                head.layer,
            )


@Card(
    id="metric-reads-logits",
    title="A metric that reads logits as probabilities",
    group="head and loss",
    rows=(16,),
    severity="note",
    threshold="exact: a threshold of 0 for logits",
    source="keras.metrics.BinaryAccuracy",
    labels=("PMC",),
    why="A logit above 0.5 is a probability above 0.62, so the metric is off; training is not.",
    remedy="Give the metric threshold=0, or end in sigmoid and say from_logits=False.",
)
def metric_reads_logits(setup: Setup) -> Iterator[Found]:
    for head, loss in _with_loss(setup):
        if loss.family != "binary" or not loss.from_logits or head.activation != "linear":
            continue
        for metric in head.metrics:
            halved = metric.threshold == 0.5 or metric.kind in ("accuracy", "acc")
            if halved and not metric.from_logits:
                yield Found(f"metric {metric.name!r} cuts logits at 0.5", head.layer)


CHECKS = (
    softmax_on_one_unit,
    probabilities_read_as_logits,
    logits_read_as_probabilities,
    sigmoid_with_categorical_loss,
    categorical_loss_on_one_unit,
    binary_loss_on_softmax,
    hinge_on_probabilities,
    loss_broadcasts,
    exact_accuracy,
    accuracy_of_values,
    metric_reads_logits,
)
