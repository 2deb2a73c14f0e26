"""Copies of models: another model of the same network, weights and compilation, that shares no state."""

import contextlib
import random
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras.src.backend.common import global_state
from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR

from denselab.errors import UsageError
from denselab.randomness import integer_seed
from denselab.sparsity.optimizers import stock_optimizer

__all__ = ["cloned", "compile_like", "copied", "seeded"]


def copied(model: keras.Model) -> keras.Model:
    """Copies a model with its weights, and its compilation with a new stock optimizer.

    Args:
        model: Any built Keras model that can be made from its config.

    Returns:
        The copy, compiled if the model is.

    Raises:
        UsageError: If the model cannot be made from its config, as a subclassed one without `get_config`.
    """
    try:
        copy = (
            cloned(model) if hasattr(model, "_functional") or _is_graph(model) else _remade(model)
        )
        if not copy.built:
            copy.build(model.input_shape)
        copy.set_weights(model.get_weights())
    except (TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"model {model.name!r} cannot be copied ({error}); give its class get_config and a build that makes all "
            "weights, or prune it in place with apply_masks(model, magnitude_masks(model, sparsity))"
        ) from error
    if model.compiled:
        compile_like(copy, model)
    return copy


def cloned(
    model: Any,
    layer: Callable[[Any], Any] | None = None,
    call: Callable[..., Any] | None = None,
) -> keras.Model:
    """Makes another Sequential or functional model of the same or of changed layers, not compiled.

    Args:
        model: The model.
        layer: Makes the new layer for a given one; by default an equal one.
        call: Calls a new layer with its arguments; of functional models only.

    Returns:
        The new model, with weights of its own.
    """
    make = layer or _equal_layer

    def once(part: Any) -> Any:
        # Operations such as `x + y` are no layers; they hold nothing and can serve both models.
        return make(part) if isinstance(part, keras.Layer) else part

    if not isinstance(model, keras.Sequential):
        return keras.models.clone_model(model, clone_function=once, call_function=call)
    # clone_model would compile a Sequential model from a config, which not every loss has.
    parts = [
        keras.Input(batch_shape=part.batch_shape, dtype=part.dtype, name=part.name)
        if isinstance(part, keras.layers.InputLayer)
        else once(part)
        for part in model._layers
    ]
    return keras.Sequential(parts, name=model.name, trainable=model.trainable)


def compile_like(
    copy: keras.Model, model: Any, optimizer: keras.optimizers.Optimizer | None = None
) -> None:
    """Compiles a copy with the loss and the metrics of a model.

    Args:
        copy: The model to compile.
        model: The compiled model.
        optimizer: The optimizer; by default a new stock one with the settings of the model's.

    Raises:
        UsageError: If the model is not compiled.
    """
    if not model.compiled or model.optimizer is None:
        raise UsageError(
            f"model {model.name!r} is not compiled; call model.compile(optimizer, loss) first"
        )
    config = dict(model._compile_config.config)
    config["optimizer"] = optimizer or stock_optimizer(_inner(model.optimizer))
    for name in ("metrics", "weighted_metrics"):
        config[name] = keras.tree.map_structure(_new_metric, config.get(name))
    copy.compile(**config)
    # An optimizer that is saved before it has variables warns when it is loaded.
    _inner(copy.optimizer).build(copy.trainable_variables)


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Lets Keras draw from the streams of one seed, and puts back Python's, NumPy's and Keras' own state.

    Args:
        seed: The seed.

    Yields:
        Nothing.
    """
    python_state, numpy_state = random.getstate(), np.random.get_state()
    keras_generator = global_state.get_global_attribute(GLOBAL_SEED_GENERATOR)
    global_state.set_global_attribute(GLOBAL_SEED_GENERATOR, None)
    try:
        keras.utils.set_random_seed(integer_seed(seed, "order"))
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        global_state.set_global_attribute(GLOBAL_SEED_GENERATOR, keras_generator)


def _is_graph(model: Any) -> bool:
    return isinstance(model, keras.Sequential) or hasattr(model, "_nodes_by_depth")


def _remade(model: Any) -> keras.Model:
    """Makes a subclassed model from its config, with the layer names that masks and `skip` go by."""
    copy: Any = keras.models.clone_model(model)
    for ours, theirs in zip(copy._flatten_layers(), model._flatten_layers(), strict=True):
        ours.name = theirs.name
    return copy


def _equal_layer(layer: Any) -> Any:
    return type(layer).from_config(layer.get_config())


def _inner(optimizer: Any) -> Any:
    # With float16, `compile` puts a LossScaleOptimizer around the optimizer, and will do so again.
    return getattr(optimizer, "inner_optimizer", optimizer)


def _new_metric(metric: Any) -> Any:
    # A metric object holds sums; names and functions hold nothing.
    if isinstance(metric, keras.metrics.Metric):
        return type(metric).from_config(metric.get_config())
    return metric
