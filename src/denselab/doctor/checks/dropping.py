"""Dropout and BatchNormalization: where they stand, and how strong they are."""

from collections.abc import Iterator

from denselab.doctor.check import Card, Found
from denselab.doctor.facts.layers import DROPOUTS
from denselab.doctor.facts.network import followers, products
from denselab.doctor.facts.setup import Setup

__all__ = ["CHECKS"]


@Card(
    id="batch-norm-fixed-in-training",
    title="BatchNormalization that always uses the statistics of its batch",
    group="architecture",
    rows=(63,),
    severity="error",
    threshold="exact: no training=True at BatchNormalization",
    source="own; keras.layers.BatchNormalization",
    labels=("RCD",),
    why="A prediction then depends on the other rows of its batch; MC dropout needs only dropout active.",
    remedy="Call only the dropout layers with training=True, or use denselab.uncertainty.predict_draws.",
)
def batch_norm_fixed_in_training(setup: Setup) -> Iterator[Found]:
    for layer in setup.network.layers:
        if layer.kind == "BatchNormalization" and layer.training is True:
            yield Found(f"layer {layer.name!r} is called with training=True", layer.name)


@Card(
    id="dropout-before-batch-norm",
    title="Dropout directly before BatchNormalization",
    group="architecture",
    rows=(42,),
    severity="warning",
    threshold="exact: BatchNormalization first",
    source="NeuraLint; Li et al., 2019, Dropout and batch normalization",
    labels=("RCD",),
    why="The variance that it learns in training is not that of prediction, where nothing is dropped.",
    remedy="Put Dropout after BatchNormalization, or leave it out.",
)
def dropout_before_batch_norm(setup: Setup) -> Iterator[Found]:
    for layer in setup.network.layers:
        if layer.kind not in DROPOUTS or not layer.rate:
            continue
        for follower in followers(setup.network, layer):
            if follower.kind == "BatchNormalization":
                yield Found(f"layer {layer.name!r} is followed by {follower.name!r}", layer.name)


@Card(
    id="dropout-too-strong",
    title="Dropout that leaves too little",
    group="architecture",
    rows=(42,),
    severity="warning",
    threshold="a rate of at most 0.5 at the input, 0.8 elsewhere; not more than 1 % of the rows without "
    "any unit left",
    source="NeuraLint, UMLAUT; Srivastava et al., 2014; last bound own",
    labels=("RCD", "LCN"),
    why="Rows or gradients pass with almost nothing in them.",
    remedy="Drop 0.1 to 0.5 of the units, and of narrow layers none.",
    fix={"network.dropout.rate": 0.2},
)
def dropout_too_strong(setup: Setup) -> Iterator[Found]:
    network = setup.network
    for layer in network.layers:
        if layer.kind not in DROPOUTS or not layer.rate:
            continue
        before = network.layers[layer.sources[0]] if layer.sources else None
        first = before is None or before.kind == "InputLayer"
        if layer.rate > (0.5 if first else 0.8):
            yield Found(f"layer {layer.name!r} has rate {layer.rate:.3g}", layer.name)
            continue
        units = before.units if before is not None else None
        while before is not None and units is None and len(before.sources) == 1:
            before = network.layers[before.sources[0]]
            units = before.units
        if units and layer.rate**units > 0.01:
            yield Found(
                f"layer {layer.name!r} drops all {units} units of a row with probability "
                f"{layer.rate**units:.2g}",
                layer.name,
            )


@Card(
    id="dropout-at-output",
    title="Dropout after the last layer",
    group="architecture",
    rows=(42,),
    severity="error",
    threshold="exact: no dropout behind the last product",
    source="own",
    labels=("RCD",),
    why="It sets outputs to 0 at random: in training the loss compares labels with nothing.",
    remedy="Put it before the last layer.",
)
def dropout_at_output(setup: Setup) -> Iterator[Found]:
    network = setup.network
    for output in network.outputs:
        layer = network.layers[output]
        while layer.kind == "Activation" and len(layer.sources) == 1:
            layer = network.layers[layer.sources[0]]
        if layer.kind in DROPOUTS and layer.rate and products(network):
            yield Found(f"layer {layer.name!r} drops {layer.rate:.3g} of the outputs", layer.name)


CHECKS = (
    batch_norm_fixed_in_training,
    dropout_before_batch_norm,
    dropout_too_strong,
    dropout_at_output,
)
