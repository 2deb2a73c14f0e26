"""From a recipe to a compiled Keras model: stock layers where Keras has them, our components elsewhere."""

import functools
from collections.abc import Callable
from typing import Any

import keras

from denselab.components import (
    FadingDropout,
    FanInUniform,
    FrontScale,
    MCAlphaDropout,
    MCDropout,
    MixUp,
    OneCycle,
    OneCycleMomentum,
    ParametricActivation,
    PeriodicEmbedding,
    RReLU,
    ScheduledMomentumSGD,
    SmoothedSparseCategoricalCrossentropy,
    Symmetric,
)
from denselab.data import Task
from denselab.recipes import Network, Recipe, resolved, steps
from denselab.recipes.size import PERIODIC_SIZE, PERIODIC_WAVES, entering
from denselab.sparsity import GradualPruning, ProximalL1, one_shot_pruning, pruned_optimizer

__all__ = ["build_network", "compile_network", "penalty"]

_NORMALIZATIONS = {
    "batch": keras.layers.BatchNormalization,
    "layer": keras.layers.LayerNormalization,
    "rms": keras.layers.RMSNormalization,
}
_DROPOUTS = {
    ("dropout", False): keras.layers.Dropout,
    ("dropout", True): MCDropout,
    ("alpha_dropout", False): keras.layers.AlphaDropout,
    ("alpha_dropout", True): MCAlphaDropout,
    ("gaussian_dropout", False): keras.layers.GaussianDropout,
}
_OPTIMIZERS = {
    "sgd": keras.optimizers.SGD,
    "rmsprop": keras.optimizers.RMSprop,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "nadam": keras.optimizers.Nadam,
    "lion": keras.optimizers.Lion,
    "adagrad": keras.optimizers.Adagrad,
}


def build_network(
    recipe: Recipe, *, features: int, classes: int, training: bool = False, train_rows: int = 1
) -> keras.Model:
    """Builds the network of a recipe, from flat features to logits, or to a value.

    Args:
        recipe: The recipe.
        features: Number of inputs.
        classes: Number of classes; 1 for a regression.
        training: Whether to add what acts in training alone, which is mixup; weights have the same order and
            the same names either way.
        train_rows: Number of training rows, which decides how long fading dropout lasts; it counts in training
            alone.

    Returns:
        An uncompiled functional model, (batch, features) -> (batch, classes).

    Example:
        >>> from denselab.recipes import load_recipe
        >>> build_network(load_recipe("plain"), features=3072, classes=10).count_params()
        500210
    """
    network = recipe.network
    inputs = keras.Input((features,), name="features")
    x = inputs
    if network.normalize_input:
        x = _NORMALIZATIONS[network.normalization](name="input_normalization")(x)
    drop = functools.partial(_drop, recipe, steps(recipe, train_rows).total)
    if network.dropout.where == "input":
        x = drop("input_dropout", x)
    x = _embedded(network.embedding, x)
    fan_in = entering(network, features)
    for number in range(1, network.depth + 1):
        x = _hidden(recipe, number, fan_in, x, drop)
        fan_in = network.width
    if network.dropout.where == "output":
        x = drop("output_dropout", x)
    logits = keras.layers.Dense(classes, name="logits")(x)
    model = keras.Model(inputs, logits, name=recipe.name.replace("/", "_"))
    if not (training and recipe.training.mixup):
        return model
    # Around the finished network, so that its first weights are those it has without mixup.
    rows = keras.Input((features,), name="rows")
    return keras.Model(rows, model(MixUp(recipe.training.mixup, name="mixup")(rows)))


def compile_network(
    model: keras.Model, recipe: Recipe, *, train_rows: int, task: Task = "classification"
) -> keras.Model:
    """Compiles a recipe's network with its loss, optimizer and schedule.

    Args:
        model: From `build_network`.
        recipe: The recipe.
        train_rows: Number of training rows, which decides the length of schedules.
        task: "regression" has the squared error for a loss; label smoothing is of classes alone.

    Returns:
        The same model.
    """
    optimizer = _optimizer(recipe, train_rows)
    rule = _pruning(recipe, train_rows)
    if rule is not None:
        optimizer = pruned_optimizer(optimizer, rule, model)
    if task == "regression":
        model.compile(optimizer=optimizer, loss=keras.losses.MeanSquaredError())
        return model
    smoothing = recipe.training.label_smoothing
    loss = (
        SmoothedSparseCategoricalCrossentropy(smoothing, from_logits=True)
        if smoothing
        else keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    model.compile(optimizer=optimizer, loss=loss, metrics=[accuracy])
    return model


def _embedded(kind: str, x: Any) -> Any:
    if kind == "periodic":
        x = PeriodicEmbedding(size=PERIODIC_SIZE, waves=PERIODIC_WAVES, name="embedding")(x)
    return x if kind == "none" else FrontScale(name="front_scale")(x)


def _hidden(recipe: Recipe, number: int, fan_in: int, x: Any, drop: Callable[..., Any]) -> Any:
    network = recipe.network
    before = x
    x = keras.layers.Dense(
        network.width,
        use_bias=network.hidden_bias,
        kernel_initializer=_kernel_initializer(recipe),
        bias_initializer=_bias_initializer(recipe, fan_in),
        kernel_regularizer=keras.regularizers.L1(network.l1) if network.l1 else None,
        name=f"hidden_{number}",
    )(x)
    if network.normalization != "none":
        x = _NORMALIZATIONS[network.normalization](name=f"normalization_{number}")(x)
    x = _activation(network, f"activation_{number}")(x)
    if network.dropout.where == "every":
        x = drop(f"dropout_{number}", x)
    if network.residual and number > 1:
        x = keras.layers.Add(name=f"skip_{number}")([before, x])
    return x


def _activation(network: Network, layer_name: str) -> keras.Layer:
    name = network.activation
    if network.parametric:
        return ParametricActivation(name, name=layer_name)
    if name == "prelu":
        return keras.layers.PReLU(name=layer_name)
    if name == "rrelu":
        return RReLU(name=layer_name)
    return keras.layers.Activation(name, name=layer_name)


def _drop(recipe: Recipe, total: int, layer_name: str, x: Any) -> Any:
    dropout = recipe.network.dropout
    if dropout.kind == "none":
        return x
    if dropout.fading:
        return FadingDropout(dropout.rate, steps=max(total, 1), name=layer_name)(x)
    return _DROPOUTS[dropout.kind, dropout.monte_carlo](dropout.rate, name=layer_name)(x)


def _kernel_initializer(recipe: Recipe) -> Any:
    network = recipe.network
    if network.kernel_initializer == "constant":
        return keras.initializers.Constant(network.kernel_value)
    if network.kernel_initializer == "symmetric":
        return Symmetric()
    return keras.initializers.get(network.kernel_initializer)


def _bias_initializer(recipe: Recipe, fan_in: int) -> Any:
    network = recipe.network
    if network.bias_initializer == "constant":
        return keras.initializers.Constant(network.bias_value)
    if network.bias_initializer == "fan_in_uniform":
        return FanInUniform(fan_in)
    return keras.initializers.Zeros()


def _optimizer(recipe: Recipe, train_rows: int) -> keras.Optimizer:
    table = resolved(recipe)["optimizer"]
    assert isinstance(table, dict)
    options = {key: value for key, value in table.items() if value is not None}
    name = options.pop("name")
    schedule = recipe.schedule
    options["learning_rate"] = _learning_rate(recipe, train_rows)
    if recipe.training.ema is not None:
        options |= {"use_ema": True, "ema_momentum": recipe.training.ema}
    if schedule.low_momentum is not None and schedule.high_momentum is not None:
        options["momentum"] = OneCycleMomentum(
            steps(recipe, train_rows).total,
            high=schedule.high_momentum,
            low=schedule.low_momentum,
            annealing=schedule.annealing,
            warmup_fraction=schedule.warmup_fraction or None,
        )
        return ScheduledMomentumSGD(**options)
    return _OPTIMIZERS[name](**options)


def _pruning(recipe: Recipe, train_rows: int) -> GradualPruning | ProximalL1 | None:
    wanted, total = recipe.sparsity, steps(recipe, train_rows).total
    end = max(1, round(wanted.end * total))
    if wanted.method == "magnitude":
        return one_shot_pruning(wanted.share, at=end, scope=wanted.scope)
    if wanted.method == "l1":
        return ProximalL1(penalty(recipe, train_rows), wanted.share, end, wanted.scope)
    if wanted.method != "gradual":
        return None
    begin = min(round(wanted.begin * total), end - 1)
    every = max(1, (end - begin) // wanted.prunings)
    return GradualPruning(wanted.share, begin, end, every, scope=wanted.scope)


def penalty(recipe: Recipe, train_rows: int) -> float:
    """Finds the strength of the l1 penalty that takes off every weight what a recipe wants in all.

    A step takes off learning rate x penalty.

    Args:
        recipe: A recipe of the method l1.
        train_rows: Number of training rows.

    Returns:
        The strength that `ProximalL1` takes.
    """
    wanted = recipe.sparsity
    end = max(1, round(wanted.end * steps(recipe, train_rows).total))
    return wanted.strength / (end * recipe.optimizer.learning_rate)


def _learning_rate(
    recipe: Recipe, train_rows: int
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    schedule, rate = recipe.schedule, recipe.optimizer.learning_rate
    total = steps(recipe, train_rows).total
    if schedule.kind == "one_cycle":
        return OneCycle(
            rate,
            total,
            start_factor=schedule.start_factor,
            end_factor=schedule.final_factor,
            annealing=schedule.annealing,
            warmup_fraction=schedule.warmup_fraction or None,
        )
    if schedule.kind == "exponential":
        return keras.optimizers.schedules.ExponentialDecay(rate, total, schedule.end_factor)
    if schedule.kind == "cosine":
        warmup = round(total * schedule.warmup_fraction)
        if not warmup:
            return keras.optimizers.schedules.CosineDecay(rate, total, alpha=schedule.end_factor)
        return keras.optimizers.schedules.CosineDecay(
            0.0,
            total - warmup,
            alpha=schedule.end_factor,
            warmup_target=rate,
            warmup_steps=warmup,
        )
    return rate
