"""SELU and AlphaDropout: the rules under which a network normalizes itself."""

from collections.abc import Iterator

import numpy as np

from denselab.doctor.check import Card, Found
from denselab.doctor.facts.layers import NORMALIZATIONS
from denselab.doctor.facts.network import Network, activation_after, hidden
from denselab.doctor.facts.setup import Setup

__all__ = ["CHECKS"]

_SOURCE = "Klambauer et al., Self-Normalizing Neural Networks, 2017; keras.activations.selu"
_LECUN = frozenset({"LecunNormal", "LecunUniform", "Orthogonal"})


def _selu(network: Network) -> list[str]:
    return [layer.name for layer in network.layers if layer.activation == "selu"]


@Card(
    id="selu-without-lecun-start",
    title="SELU without LeCun's initialization",
    group="self-normalization",
    rows=(45,),
    severity="warning",
    threshold="exact: weights of mean 0 and variance 1 / fan-in",
    source=_SOURCE,
    labels=("WCI",),
    why="Mean 0 and variance 1 are a fixed point for that variance only; with another they drift.",
    remedy='Say kernel_initializer="lecun_normal".',
    fix={"network.kernel_initializer": "lecun_normal"},
)
def selu_without_lecun_start(setup: Setup) -> Iterator[Found]:
    network = setup.network
    wrong = [
        layer
        for layer in hidden(network)
        if activation_after(network, layer) == "selu" and layer.initializer not in _LECUN
    ]
    if wrong:
        yield Found(
            f"{len(wrong)} layers with SELU start by {wrong[0].initializer}, the first "
            f"{wrong[0].name!r}",
            wrong[0].name,
        )


@Card(
    id="selu-with-plain-dropout",
    title="SELU with plain Dropout",
    group="self-normalization",
    rows=(45,),
    severity="warning",
    threshold="exact: AlphaDropout",
    source=_SOURCE,
    labels=("RCD", "WCI"),
    why="Setting units to 0 shifts mean and variance; AlphaDropout keeps both.",
    remedy="Use keras.layers.AlphaDropout.",
    fix={"network.dropout.kind": "alpha_dropout"},
)
def selu_with_plain_dropout(setup: Setup) -> Iterator[Found]:
    if not _selu(setup.network):
        return
    for layer in setup.network.layers:
        if layer.kind in ("Dropout", "GaussianDropout", "SpatialDropout1D") and layer.rate:
            yield Found(f"layer {layer.name!r} is {layer.kind} in a network with SELU", layer.name)
            return


@Card(
    id="selu-with-normalization",
    title="SELU with BatchNormalization",
    group="self-normalization",
    rows=(45,),
    severity="warning",
    threshold="exact: one of the two",
    source=_SOURCE,
    labels=("LAD", "WCI"),
    why="The layer normalizes what SELU would normalize by itself, and adds the noise of batches.",
    remedy="Drop the normalization layers, or use relu.",
    fix={"network.normalization": "none"},
)
def selu_with_normalization(setup: Setup) -> Iterator[Found]:
    if not _selu(setup.network):
        return
    for layer in setup.network.layers:
        if layer.kind in NORMALIZATIONS and _behind_weights(setup.network, layer.index):
            yield Found(f"layer {layer.name!r} is {layer.kind} in a network with SELU", layer.name)
            return


def _behind_weights(network: Network, index: int) -> bool:
    """Says whether there is a product before a layer; a normalization of the inputs does no harm."""
    ahead = {index}
    for layer in reversed(network.layers[: index + 1]):
        if layer.index in ahead:
            ahead.update(layer.sources)
    weighed = {layer.index for layer in network.layers if layer.kernel or layer.units}
    return bool((ahead - {index}) & weighed)


@Card(
    id="selu-with-skips",
    title="SELU with skip connections",
    group="self-normalization",
    rows=(45,),
    severity="warning",
    threshold="exact: a plain chain of layers",
    source=_SOURCE,
    labels=("WCI",),
    why="A sum of two signals of variance 1 has variance 2, layer after layer.",
    remedy="Drop the skips, or use relu with a normalization.",
    fix={"network.residual": False},
)
def selu_with_skips(setup: Setup) -> Iterator[Found]:
    if not _selu(setup.network):
        return
    for layer in setup.network.layers:
        if layer.kind == "Add" and len(set(layer.sources)) > 1:
            yield Found(f"layer {layer.name!r} adds outputs of different layers", layer.name)
            return


@Card(
    id="selu-on-unscaled-inputs",
    title="SELU on inputs that are not standardised",
    group="self-normalization",
    rows=(45,),
    severity="warning",
    threshold="mean over all columns within 0.3 of 0, root mean square between 0.5 and 1.5 (own)",
    source=_SOURCE,
    labels=("CPP", "WCI"),
    why="The fixed point draws in only what starts near it: mean 0 and variance 1.",
    remedy="Standardise every column by the training rows; a range from 0 to 1 is not enough.",
    fix={"preprocessing.scaling": "standard"},
)
def selu_on_unscaled_inputs(setup: Setup) -> Iterator[Found]:
    if not _selu(setup.network):
        return
    for entry in setup.entries:
        if entry.means is None or entry.deviations is None or entry.normalized or entry.encoded:
            continue
        mean = float(entry.means.mean())
        size = float(np.sqrt((entry.means**2 + entry.deviations**2).mean()))
        if abs(mean) > 0.3 or not 0.5 <= size <= 1.5:
            yield Found(f"input {entry.name!r} has mean {mean:.3g} and root mean square {size:.3g}")


@Card(
    id="alpha-dropout-without-selu",
    title="AlphaDropout without SELU",
    group="self-normalization",
    rows=(45,),
    severity="warning",
    threshold="exact: SELU before AlphaDropout",
    source=_SOURCE,
    labels=("RCD",),
    why="It sets units to SELU's lower bound, -1.76, a value that other activations never give.",
    remedy="Use keras.layers.Dropout.",
    fix={"network.dropout.kind": "dropout"},
)
def alpha_dropout_without_selu(setup: Setup) -> Iterator[Found]:
    if _selu(setup.network) or not setup.network.connected:
        return
    for layer in setup.network.layers:
        if layer.kind == "AlphaDropout" and layer.rate:
            yield Found(f"layer {layer.name!r} stands in a network without SELU", layer.name)
            return


CHECKS = (
    selu_without_lecun_start,
    selu_with_plain_dropout,
    selu_with_normalization,
    selu_with_skips,
    selu_on_unscaled_inputs,
    alpha_dropout_without_selu,
)
