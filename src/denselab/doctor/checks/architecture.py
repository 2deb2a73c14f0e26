"""The layers: what they are, in which order, and how wide."""

from collections.abc import Iterator

from denselab.doctor.check import Card, Found
from denselab.doctor.facts.layers import DROPOUTS, NORMALIZATIONS, PRODUCTS, UNKNOWN
from denselab.doctor.facts.network import (
    activation_after,
    followers,
    hidden,
    next_layers,
    products,
)
from denselab.doctor.facts.setup import Setup

__all__ = ["CHECKS"]


@Card(
    id="input-shape",
    title="Data of another shape than the network's inputs",
    group="architecture",
    rows=(15,),
    severity="error",
    threshold="exact",
    source="Keras raises in fit",
    labels=("IWS",),
    why="The first product cannot be computed.",
    remedy="Give keras.Input the shape of one row, or reshape the rows.",
)
def input_shape(setup: Setup) -> Iterator[Found]:
    for entry in setup.entries:
        if entry.table is None:
            continue
        given = entry.table.shape[1:]
        if entry.shape is None:
            first = setup.network.layers[:1] if setup.network.connected else ()
            if not given and any(layer.kind in PRODUCTS for layer in first):
                yield Found(f"{entry.table.name} has shape {entry.table.shape}; rows have no axis")
        elif not _shapes_fit(given, entry.shape):
            wanted = ", ".join(map(str, entry.shape))
            yield Found(
                f"{entry.table.name} has shape {entry.table.shape}, the input (N, {wanted})"
            )


def _shapes_fit(given: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    """Compares shapes as Keras' models do, which add or drop a last axis of 1."""
    if len(given) + 1 == len(wanted) and wanted[-1] == 1:
        given = (*given, 1)
    elif len(given) == len(wanted) + 1 and given[-1] == 1:
        given = given[:-1]
    return len(given) == len(wanted) and all(
        want is None or size == want for size, want in zip(given, wanted, strict=True)
    )


@Card(
    id="linear-hidden-layer",
    title="Hidden layers without activation",
    group="architecture",
    rows=(34,),
    severity="warning",
    threshold="exact: an activation between two products, unless the layer is a bottleneck",
    source="NeuraLint, UMLAUT, FL4Deep",
    labels=("ACH(hid)",),
    why="Two products in a row are one product: the layer adds weights but no power.",
    remedy="Give the layer an activation, such as relu.",
    fix={"network.activation": "relu"},
)
def linear_hidden_layer(setup: Setup) -> Iterator[Found]:
    network = setup.network
    if not network.connected:
        return
    for layer in hidden(network):
        after = list(next_layers(network, layer))
        linear = layer.activation == "linear" and after and all(n.kind in PRODUCTS for n in after)
        if not linear or not layer.kind.startswith("Dense"):
            continue
        width, fan_in = layer.units or 0, layer.kernel.fan_in if layer.kernel else 0
        bottleneck = width < fan_in and all(width < (other.units or 0) for other in after)
        yield Found(
            f"layer {layer.name!r} is linear and the next product is {after[0].name!r}",
            layer.name,
            severity="note" if bottleneck else None,
        )


@Card(
    id="activation-twice",
    title="Two activations in a row",
    group="architecture",
    rows=(35,),
    severity="warning",
    threshold="exact: one activation a layer",
    source="NeuraLint DoubleActivation",
    labels=("LAD", "ACH"),
    why="The second squashes what the first has squashed: gradients shrink twice.",
    remedy="Drop one of them.",
)
def activation_twice(setup: Setup) -> Iterator[Found]:
    for layer in setup.network.layers:
        if layer.activation in (None, "linear", UNKNOWN):
            continue
        for follower in followers(setup.network, layer):
            again = follower.activation not in (None, "linear", UNKNOWN)
            if again and follower.kind not in PRODUCTS:
                yield Found(
                    f"layer {layer.name!r} ends in {layer.activation} and {follower.name!r} "
                    f"applies {follower.activation}",
                    follower.name,
                )


@Card(
    id="softmax-in-hidden-layer",
    title="Softmax in a hidden layer",
    group="architecture",
    rows=(44,),
    severity="warning",
    threshold="exact: softmax at the output, or as weights of an attention",
    source="DeepFD's patches; own",
    labels=("ACH(hid)",),
    why="Its outputs share out 1, so wide layers pass hardly any signal on.",
    remedy="Use relu in hidden layers.",
    fix={"network.activation": "relu"},
)
def softmax_in_hidden_layer(setup: Setup) -> Iterator[Found]:
    for layer in setup.network.layers:
        if layer.activation != "softmax":
            continue
        for follower in next_layers(setup.network, layer):
            if follower.kind.startswith("Dense"):
                yield Found(
                    f"layer {layer.name!r} passes a softmax to {follower.name!r}", layer.name
                )


@Card(
    id="deep-saturating-stack",
    title="Many sigmoid or tanh layers on top of each other",
    group="architecture",
    rows=(44,),
    severity="warning",
    threshold="fewer than 3 sigmoid layers (own), fewer than 7 tanh layers (own), without normalization; "
    "a note from 2 sigmoid layers or 4 tanh layers",
    source="AUTOTRAINER's repair of vanishing gradients",
    labels=("ACH(hid)",),
    why="A sigmoid passes at most a quarter of a gradient on, and tanh less than all of it.",
    remedy="Use relu with He initialization, or SELU, or normalize between the layers.",
    fix={"network.activation": "relu", "network.kernel_initializer": "he_normal"},
)
def deep_saturating_stack(setup: Setup) -> Iterator[Found]:
    network = setup.network
    if any(layer.kind in NORMALIZATIONS | {"Add"} for layer in network.layers):
        return
    bent = [activation_after(network, layer) for layer in hidden(network)]
    for name, few, many in (("sigmoid", 2, 3), ("tanh", 4, 7)):
        count = bent.count(name)
        if count >= few:
            yield Found(
                f"{count} hidden layers have {name}", severity=None if count >= many else "note"
            )


@Card(
    id="bias-before-batch-norm",
    title="Biases that BatchNormalization takes away",
    group="architecture",
    rows=(40,),
    severity="note",
    threshold="exact: use_bias=False before BatchNormalization",
    source="NeuraLint UselessBias",
    labels=("WAB",),
    why="The mean of a batch is subtracted, and the bias with it: weights without effect.",
    remedy="Say use_bias=False; BatchNormalization has a shift of its own.",
    fix={"network.hidden_bias": False},
)
def bias_before_batch_norm(setup: Setup) -> Iterator[Found]:
    found = [
        layer.name
        for layer in products(setup.network)
        if layer.use_bias
        and layer.activation == "linear"
        and any(n.kind == "BatchNormalization" for n in followers(setup.network, layer))
    ]
    if found:
        yield Found(f"{len(found)} layers with a bias, the first {found[0]!r}", found[0])


@Card(
    id="one-unit-hidden-layer",
    title="A hidden layer of one unit",
    group="architecture",
    rows=(43,),
    severity="warning",
    threshold="exact: 2 units",
    source="catalogue row 43",
    labels=("LCN",),
    why="All that the network knows of a row passes through one number; if a relu dies, nothing does.",
    remedy="Widen it; 16 or more units are usual.",
    fix={"network.width": 100},
)
def one_unit_hidden_layer(setup: Setup) -> Iterator[Found]:
    for layer in hidden(setup.network):
        gate = any(n.kind in ("Multiply", "Dot") for n in followers(setup.network, layer))
        if layer.kind == "Dense" and layer.units == 1 and not gate:
            yield Found(f"layer {layer.name!r} has 1 unit", layer.name)


@Card(
    id="narrow-relu-layer",
    title="A relu layer of two or three units",
    group="architecture",
    rows=(43, 70),
    severity="warning",
    threshold="at most a tenth of the rows without any unit on: 4 units",
    source="own: at the start a relu is off for half of the rows, so 2 or 3 are off together for 1/4 or 1/8",
    labels=("LCN",),
    why="Rows for which all units are off cannot be told apart, and units that die are not made up for.",
    remedy="Widen it, or use an activation that is never off, such as elu or tanh.",
    fix={"network.width": 100},
)
def narrow_relu_layer(setup: Setup) -> Iterator[Found]:
    for layer in hidden(setup.network):
        off = activation_after(setup.network, layer) == "relu"
        if layer.kind == "Dense" and off and layer.units in (2, 3):
            yield Found(f"layer {layer.name!r} has {layer.units} units with relu", layer.name)


@Card(
    id="narrow-hidden-layer",
    title="A hidden layer narrower than the output",
    group="architecture",
    rows=(43,),
    severity="note",
    threshold="as many units as outputs",
    source="catalogue row 43",
    labels=("LCN",),
    why="The outputs cannot vary freely: their rank is at most the width of the layer.",
    remedy="Widen it, unless it is meant as a bottleneck.",
)
def narrow_hidden_layer(setup: Setup) -> Iterator[Found]:
    outputs = [head.units for head in setup.heads if head.units]
    for layer in hidden(setup.network):
        if layer.kind == "Dense" and len(outputs) == 1 and 1 < (layer.units or 0) < outputs[0]:
            yield Found(
                f"layer {layer.name!r} has {layer.units} units for {outputs[0]} outputs", layer.name
            )


@Card(
    id="nothing-trainable",
    title="A model without trained weights",
    group="architecture",
    rows=(47,),
    severity="error",
    threshold="exact: one trained variable",
    source="catalogue row 47; silent in Keras 3",
    labels=("LRM",),
    why="fit runs and changes nothing.",
    remedy="Say layer.trainable = True for what is to be trained, and compile again.",
)
def nothing_trainable(setup: Setup) -> Iterator[Found]:
    network = setup.network
    frozen = network.trainable is None and not any(
        layer.trainable for layer in network.layers if layer.weighty
    )
    if network.layers and (network.trainable == 0 or frozen):
        yield Found(f"none of {network.parameters} weights is trained")


@Card(
    id="more-weights-than-rows",
    title="Far more weights than rows, and nothing that holds them back",
    group="architecture",
    rows=(48,),
    severity="note",
    threshold="at most 100 weights a row without regularizer, dropout or normalization (own)",
    source="own",
    labels=("RAW", "LCN"),
    why="The network can learn the rows by heart.",
    remedy="Stop early, drop units, penalize weights, or make it smaller.",
)
def more_weights_than_rows(setup: Setup) -> Iterator[Found]:
    network = setup.network
    held_back = DROPOUTS | NORMALIZATIONS
    if any(layer.kind in held_back or layer.regularized for layer in network.layers):
        return
    for entry in setup.entries[:1]:
        if entry.table is not None and network.parameters > 100 * entry.table.rows:
            yield Found(f"{network.parameters} weights for {entry.table.rows} rows")


CHECKS = (
    input_shape,
    linear_hidden_layer,
    activation_twice,
    softmax_in_hidden_layer,
    deep_saturating_stack,
    bias_before_batch_norm,
    one_unit_hidden_layer,
    narrow_relu_layer,
    narrow_hidden_layer,
    nothing_trainable,
    more_weights_than_rows,
)
