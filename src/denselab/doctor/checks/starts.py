"""How the weights start: not all alike, of the size that the activation asks for."""

from collections.abc import Callable, Iterator, Mapping
from math import sqrt

import numpy as np
from scipy.special import expit
from scipy.stats import norm

from denselab.doctor.check import Card, Found
from denselab.doctor.facts.heads import Head, target_kind
from denselab.doctor.facts.layers import NORMALIZATIONS, Layer
from denselab.doctor.facts.network import Network, activation_after, followers, hidden
from denselab.doctor.facts.setup import Setup

__all__ = ["CHECKS"]

_CONSTANT = frozenset({"Zeros", "Ones", "Constant"})
_HE = frozenset({"HeNormal", "HeUniform"})
_BENT: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "linear": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.2 * z),
    "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
    "selu": lambda z: 1.0507 * np.where(z > 0, z, 1.6733 * np.expm1(np.minimum(z, 0))),
    "gelu": lambda z: z * norm.cdf(z),
    "silu": lambda z: z * expit(z),
    "mish": lambda z: z * np.tanh(np.logaddexp(0, z)),
    "tanh": np.tanh,
    "softsign": lambda z: z / (1 + np.abs(z)),
}
_CUT = frozenset({"relu", "leaky_relu", "elu", "gelu", "silu", "mish"})
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(101)
"""Points and weights of Gauss and Hermite, for means over a normal distribution."""


def _new(setup: Setup) -> bool:
    """Says whether the weights are those of the initializers, as far as the optimizer tells."""
    return setup.optimizer is None or setup.optimizer.steps == 0


@Card(
    id="units-start-alike",
    title="Units of a layer that start with the same weights",
    group="start of the weights",
    rows=(36,),
    severity="error",
    threshold="exact: different weights",
    source="NeuraLint ConstantInit, SageMaker PoorWeightInit; silent in Keras 3",
    labels=("WCI",),
    why="They get the same gradients and stay copies of one another: the layer is one unit wide.",
    remedy="Use he_normal for relu, lecun_normal for selu, glorot_uniform for tanh.",
    fix={"network.kernel_initializer": "he_normal"},
)
def units_start_alike(setup: Setup) -> Iterator[Found]:
    for layer in hidden(setup.network):
        added = any(other.kind == "Add" for other in followers(setup.network, layer))
        if layer.kernel is not None:
            alike = layer.kernel.alike and not (added and layer.kernel.zero)
            constant = alike or (layer.kernel.units == 1 and layer.kernel.zero)
        else:
            constant = layer.initializer in _CONSTANT
        if constant:
            what = "zero" if layer.kernel and layer.kernel.zero else "the same"
            yield Found(
                f"all weights of a unit of layer {layer.name!r} are {what} as in the other units "
                f"({layer.initializer})",
                layer.name,
            )


@Card(
    id="start-does-not-suit-activation",
    title="He initialization with a saturating activation",
    group="start of the weights",
    rows=(37,),
    severity="warning",
    threshold="exact: Glorot or LeCun for tanh and sigmoid",
    source="Glorot and Bengio, 2010; He et al., 2015",
    labels=("WCI",),
    why="He doubles the variance for the half that relu cuts off; tanh cuts nothing, and saturates.",
    remedy="Use glorot_uniform with tanh and sigmoid, he_normal with relu.",
    fix={"network.kernel_initializer": "glorot_uniform"},
)
def start_does_not_suit_activation(setup: Setup) -> Iterator[Found]:
    for layer in hidden(setup.network):
        bent = activation_after(setup.network, layer)
        saturates = bent in ("tanh", "sigmoid", "softsign", "hard_sigmoid")
        if layer.initializer in _HE and saturates and not _normalized(setup.network, layer):
            yield Found(
                f"layer {layer.name!r} starts by {layer.initializer} and ends in {bent}",
                layer.name,
            )


def _normalized(network: Network, layer: Layer) -> bool:
    return any(other.kind in NORMALIZATIONS for other in followers(network, layer))


@Card(
    id="weights-start-off-size",
    title="Weights that start far too large or small for their layer",
    group="start of the weights",
    rows=(37,),
    severity="warning",
    threshold="deviation of a kernel between 1/100 and 10 times what the activation asks for, sqrt(2 / fan_in) for "
    "relu and sqrt(1 / fan_in) for others (own); a note beyond 1/3 and 3",
    source="TheDeepChecker's F-test; bounds own, since its 0.1 fires on Keras' default",
    labels=("WCI",),
    why="Units start saturated, or outputs so large that epochs only shrink them; too small, and rows look alike.",
    remedy="Use he_normal for relu, lecun_normal for selu, glorot_uniform for tanh; one stddev suits one width only.",
    fix={"network.kernel_initializer": "he_normal"},
)
def weights_start_off_size(setup: Setup) -> Iterator[Found]:
    if not _new(setup) or not setup.network.connected:
        return
    worst = max(_ratios(setup.network), key=lambda one: abs(np.log(one[0])), default=None)
    if worst is not None and not 1 / 3 <= worst[0] <= 3:
        ratio, layer = worst
        yield Found(
            f"the kernel of layer {layer.name!r} has {ratio:.3g} times the deviation that its "
            f"{activation_after(setup.network, layer)} asks for",
            layer.name,
            severity=None if not 0.01 <= ratio <= 10 else "note",
            value=ratio,
        )


def _ratios(network: Network) -> Iterator[tuple[float, Layer]]:
    """Gives the deviations of kernels against those that keep the size of a signal."""
    for layer in hidden(network):
        kernel, bent = layer.kernel, activation_after(network, layer)
        if kernel is None or bent not in _BENT or kernel.alike or _normalized(network, layer):
            continue
        added = any(other.kind == "Add" for other in followers(network, layer))
        ratio = kernel.deviation * sqrt(kernel.fan_in / (2 if bent in _CUT else 1))
        if ratio > (1 if added else 0):  # branches of residual nets may start at nearly 0
            yield ratio, layer


@Card(
    id="signal-lost-at-start",
    title="A signal that vanishes or explodes on its way through new weights",
    group="start of the weights",
    rows=(38,),
    severity="warning",
    threshold="between 1/1000 and 1000 of its size behind the hidden layers (own); a note beyond 1/10 and "
    "10",
    source="SageMaker PoorWeightInit; Poole et al., 2016, eq. 3, from the deviations of the kernels",
    labels=("WCI",),
    why="The last layers hardly see the inputs, or see nothing else, and gradients go the same way.",
    remedy="Start by he_normal with relu, lecun_normal with selu, or normalize between the layers.",
    fix={"network.kernel_initializer": "he_normal"},
)
def signal_lost_at_start(setup: Setup) -> Iterator[Found]:
    network = setup.network
    layers = hidden(network)
    mixed = any(layer.kind in NORMALIZATIONS | {"Add"} for layer in network.layers)
    if mixed or not network.connected or not _new(setup) or len(layers) < 2:
        return
    size = 1.0
    for layer in layers:
        bent = _BENT.get(activation_after(network, layer))
        if bent is None or layer.kernel is None or layer.kernel.deviation == 0:
            return
        size = _size_after(bent, size * layer.kernel.deviation * sqrt(layer.kernel.fan_in))
    if not 0.1 <= size <= 10:
        yield Found(
            f"{len(layers)} hidden layers turn a signal of size 1 into one of size {size:.2g}",
            severity=None if not 0.001 <= size <= 1000 else "note",
        )


def _size_after(bent: Callable[[np.ndarray], np.ndarray], size: float) -> float:
    """Gives the root mean square of an activation of normal values of a size, by quadrature."""
    values = bent(size * _NODES) ** 2
    return sqrt(float((_WEIGHTS * values).sum() / _WEIGHTS.sum()))


@Card(
    id="biases-start-large",
    title="Hidden biases that start far from 0",
    group="start of the weights",
    rows=(39,),
    severity="warning",
    threshold="less than 0.5 in size (own); a note above 0.1",
    source="NeuraLint NonZeroBiases",
    labels=("BCI",),
    why="They push units into saturation, or relus into always on or always off, before any row is seen.",
    remedy='Say bias_initializer="zeros".',
    fix={"network.bias_initializer": "zeros"},
)
def biases_start_large(setup: Setup) -> Iterator[Found]:
    for layer in hidden(setup.network):
        if layer.use_bias and layer.bias_start > 0.1:
            yield Found(
                f"biases of layer {layer.name!r} start at up to {layer.bias_start:.3g}",
                layer.name,
                severity=None if layer.bias_start >= 0.5 else "note",
            )


@Card(
    id="penalty-outweighs-loss",
    title="A penalty that outweighs the loss",
    group="start of the weights",
    rows=(60,),
    severity="warning",
    threshold="ten times the loss of a guess at the start (own); a note above once",
    source="TheDeepChecker Overwhelming_Reg",
    labels=("RAW", "LRM"),
    why="The shortest way down is to shrink all weights to 0, whatever the data say.",
    remedy="Use a factor from 1e-5 to 1e-3.",
    fix={"network.l1": 0.0},
)
def penalty_outweighs_loss(setup: Setup) -> Iterator[Found]:
    penalty = sum(layer.kernel.penalty for layer in setup.network.layers if layer.kernel)
    guesses = [_guess(head) for head in setup.heads]
    known = [guess for guess in guesses if guess]
    if not penalty or not known or len(known) != len(guesses):
        return
    ratio = penalty / sum(known)
    if ratio > 1:
        yield Found(
            f"regularizers add {penalty:.3g} to a loss of about {sum(known):.3g}",
            severity=None if ratio > 10 else "note",
        )


def _guess(head: Head) -> float | None:
    """Gives the loss of an answer that does not look at the inputs, if it is known."""
    if head.loss is None or head.target is None or not head.target.finite:
        return None
    if head.loss.family in ("categorical", "sparse") and head.units:
        return float(np.log(max(2, head.units)))
    if head.loss.family == "binary":
        return float(np.log(2))
    if head.loss.name == "mean_squared_error" and target_kind(head.target) == "values":
        return float(head.target.clean.var()) or None
    return None


CHECKS = (
    units_start_alike,
    start_does_not_suit_activation,
    weights_start_off_size,
    signal_lost_at_start,
    biases_start_large,
    penalty_outweighs_loss,
)
