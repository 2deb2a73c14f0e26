"""How large a recipe's network is and how many steps it trains, computed without building it."""

from collections.abc import Iterator
from typing import NamedTuple

from denselab.errors import UsageError
from denselab.recipes.network import Network
from denselab.recipes.recipe import Recipe

__all__ = [
    "PERIODIC_SIZE",
    "PERIODIC_WAVES",
    "LayerRow",
    "OneCycleSteps",
    "ParameterCount",
    "Steps",
    "entering",
    "layer_summary",
    "one_cycle_steps",
    "parameter_count",
    "steps",
]

_LAYER_NAMES = {
    "batch": "BatchNormalization",
    "layer": "LayerNormalization",
    "rms": "RMSNormalization",
    "dropout": "Dropout",
    "alpha_dropout": "AlphaDropout",
    "gaussian_dropout": "GaussianDropout",
}

PERIODIC_SIZE, PERIODIC_WAVES = 4, 16
"""Numbers that a feature becomes in a periodic embedding, and waves that three of them are mixed of."""

_NORM_WEIGHTS = {"batch": (2, 2), "layer": (2, 0), "rms": (1, 0)}
"""Kind -> trainable (scale, shift) and other (moving mean and variance) weights a unit."""


class ParameterCount(NamedTuple):
    """Number of weights of a network, as Keras counts them."""

    trainable: int
    non_trainable: int

    @property
    def total(self) -> int:
        """All weights."""
        return self.trainable + self.non_trainable


class LayerRow(NamedTuple):
    """One layer of a network, or one of several equal ones.

    Attributes:
        part: Where it stands: "input", "hidden 1", "hidden 2 to 20", "output".
        layer: What it is, by the name of the Keras layer or of the activation.
        units: Number of its outputs.
        trainable: Weights that training changes, in one such layer.
        non_trainable: Weights it keeps otherwise (moving averages), in one such layer.
        times: How many equal ones there are.
    """

    part: str
    layer: str
    units: int
    trainable: int
    non_trainable: int
    times: int


class Steps(NamedTuple):
    """What an epoch consists of, and a whole training at most.

    Attributes:
        full: Full batches of an epoch.
        last: Rows of the shorter batch at its end; 0 if there is none.
        total: Steps of all epochs together; 0 if nothing is trained.
    """

    full: int
    last: int
    total: int


class OneCycleSteps(NamedTuple):
    """Steps of a 1cycle schedule: up for `half`, down for `half`, then the rest, about `last`."""

    total: int
    half: int
    last: int


def parameter_count(recipe: Recipe, *, features: int, outputs: int) -> ParameterCount:
    r"""Counts the weights of a recipe's network.

    With $f$ features, $d$ hidden layers of width $w$ and $o$ outputs, the plain network has

    $$(f + 1) w + (d - 1) (w + 1) w + (w + 1) o$$

    Args:
        recipe: The recipe.
        features: Number of input features, flattened.
        outputs: Number of outputs.

    Returns:
        Trainable and non-trainable weights.

    Raises:
        UsageError: If features or outputs are below 1.

    Example:
        >>> from denselab.recipes import load_recipe
        >>> parameter_count(load_recipe("plain"), features=3072, outputs=10)
        ParameterCount(trainable=500210, non_trainable=0)
    """
    rows = layer_summary(recipe, features=features, outputs=outputs)
    return ParameterCount(
        sum(row.trainable * row.times for row in rows),
        sum(row.non_trainable * row.times for row in rows),
    )


def layer_summary(recipe: Recipe, *, features: int, outputs: int) -> tuple[LayerRow, ...]:
    """Lists the layers of a recipe's network, equal hidden layers together.

    Args:
        recipe: The recipe.
        features: Number of input features, flattened.
        outputs: Number of outputs.

    Returns:
        One row a layer, from input to output.

    Raises:
        UsageError: If features or outputs are below 1.

    Example:
        >>> recipe = Recipe(name="small", network=Network(depth=3, width=4))
        >>> for row in layer_summary(recipe, features=2, outputs=1):
        ...     print(row.part, row.layer, row.units, row.trainable, row.times, sep=" | ")
        input | Flatten | 2 | 0 | 1
        hidden 1 | Dense | 4 | 12 | 1
        hidden 1 | elu | 4 | 0 | 1
        hidden 2 to 3 | Dense | 4 | 20 | 2
        hidden 2 to 3 | elu | 4 | 0 | 2
        output | Dense | 1 | 5 | 1
    """
    _check_positive(features=features, outputs=outputs)
    network = recipe.network
    depth, width = network.depth, network.width
    first = entering(network, features)
    rows = [*_input(recipe, features), *_hidden(network, "hidden 1", first, 1)]
    if depth > 1:
        part = "hidden 2" if depth == 2 else f"hidden 2 to {depth}"
        rows += _hidden(network, part, width, depth - 1)
        if network.residual:
            rows.append(LayerRow(part, "Add", width, 0, 0, depth - 1))
    rows += _dropout(network, "output", width, 1)
    rows.append(LayerRow("output", "Dense", outputs, (width + 1) * outputs, 0, 1))
    return tuple(rows)


def steps(recipe: Recipe, n_train: int) -> Steps:
    """Counts the steps a recipe trains on some number of rows.

    Args:
        recipe: The recipe.
        n_train: Number of training rows, without those held out for validation.

    Returns:
        Full batches and rows of the last batch of an epoch; steps of all epochs.

    Raises:
        UsageError: If there is no row.

    Example:
        >>> steps(Recipe(name="mine"), 1000)
        Steps(full=31, last=8, total=1600)
    """
    _check_positive(n_train=n_train)
    if recipe.weights_from is not None:
        return Steps(0, 0, 0)
    full, last = divmod(n_train, recipe.training.batch_size)
    return Steps(full, last, (full + (last > 0)) * recipe.training.epochs)


def one_cycle_steps(n: int, batch: int, epochs: int) -> OneCycleSteps:
    """Divides a training into the phases of the 1cycle schedule, in steps.

    `total = ceil(n / batch) * epochs`, `last = total // 10 + 1`, `half = (total - last) // 2`.
    Where `total - last` is odd, the third phase has one step more than `last`.

    Args:
        n: Number of training rows.
        batch: Rows of one step.
        epochs: Passes over the rows.

    Returns:
        All steps, those of each of the first two phases, and those of the third.

    Raises:
        UsageError: If one of the arguments is below 1.

    Example:
        >>> one_cycle_steps(33_500, 128, 45)
        OneCycleSteps(total=11790, half=5305, last=1180)

    References:
        Smith, A disciplined approach to neural network hyper-parameters, 2018, section 4.3.
    """
    _check_positive(n=n, batch=batch, epochs=epochs)
    total = -(-n // batch) * epochs
    last = total // 10 + 1
    return OneCycleSteps(total, (total - last) // 2, last)


def _input(recipe: Recipe, features: int) -> Iterator[LayerRow]:
    network = recipe.network
    yield LayerRow("input", "Flatten", features, 0, 0, 1)
    if recipe.training.mixup:
        yield LayerRow("input", "MixUp", features, 0, 0, 1)
    if network.normalize_input:
        yield _normalization(network, "input", features, 1)
    yield from _dropout(network, "input", features, 1)
    if network.embedding == "periodic":
        size, waves = PERIODIC_SIZE, PERIODIC_WAVES
        weights = 2 * waves + (waves + 1) * (size - 1)
        yield LayerRow("input", "PeriodicEmbedding", features * size, features * weights, 0, 1)
    if network.embedding != "none":
        width = entering(network, features)
        yield LayerRow("input", "FrontScale", width, width, 0, 1)


def entering(network: Network, features: int) -> int:
    """Counts the numbers that enter the first hidden layer.

    Args:
        network: The network.
        features: Number of input features, flattened.

    Returns:
        As many, or several for each where they are embedded.

    Example:
        >>> entering(Network(embedding="periodic"), 5)
        20
    """
    return features * PERIODIC_SIZE if network.embedding == "periodic" else features


def _hidden(network: Network, part: str, fan_in: int, times: int) -> Iterator[LayerRow]:
    width = network.width
    yield LayerRow(part, "Dense", width, (fan_in + network.hidden_bias) * width, 0, times)
    if network.normalization != "none":
        yield _normalization(network, part, width, times)
    slopes = width if network.activation == "prelu" else 0
    strengths = width if network.parametric else 0
    yield LayerRow(part, network.activation, width, slopes + strengths, 0, times)
    yield from _dropout(network, "every", width, times, part)


def _normalization(network: Network, part: str, units: int, times: int) -> LayerRow:
    learned, kept = _NORM_WEIGHTS[network.normalization]
    name = _LAYER_NAMES[network.normalization]
    return LayerRow(part, name, units, learned * units, kept * units, times)


def _dropout(
    network: Network, where: str, units: int, times: int, part: str | None = None
) -> Iterator[LayerRow]:
    dropout = network.dropout
    if dropout.kind != "none" and dropout.where == where:
        name = "FadingDropout" if dropout.fading else _LAYER_NAMES[dropout.kind]
        yield LayerRow(part or where, name, units, 0, int(dropout.fading), times)


def _check_positive(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise UsageError(f"{name} = {count}: must be at least 1")
