"""One member: a Keras model built under its own seed, and its state as plain arrays."""

import contextlib
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import keras
import numpy as np
from keras.src.backend.common import global_state
from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR

from denselab.errors import UsageError
from denselab.randomness import integer_seed

__all__ = [
    "ModelState",
    "build_member",
    "is_seed",
    "model_state",
    "own_randomness",
    "set_weights",
    "start_from",
]

_ONE_AT_A_TIME = threading.RLock()
"""Keras draws first seeds from Python's generator, which threads share."""


class ModelState(NamedTuple):
    """The variables of a compiled model, in Keras' order, as arrays."""

    trainable: list[Any]
    non_trainable: list[Any]
    optimizer: list[Any]
    metrics: list[Any]


@contextlib.contextmanager
def own_randomness(seed: int) -> Iterator[None]:
    """Lets Keras draw from the stream of one seed, and puts its state back afterwards.

    Args:
        seed: The member's seed.

    Yields:
        Nothing; inside, initializers and seed generators without a seed of their own draw from the member's stream.
    """
    with _ONE_AT_A_TIME:
        python_state, numpy_state = random.getstate(), np.random.get_state()
        keras_generator = global_state.get_global_attribute(GLOBAL_SEED_GENERATOR)
        start = integer_seed(seed, "weights")
        random.seed(start)
        np.random.seed(start)
        global_state.set_global_attribute(GLOBAL_SEED_GENERATOR, None)
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)
            global_state.set_global_attribute(GLOBAL_SEED_GENERATOR, keras_generator)


def build_member(
    build_model: Callable[[], keras.Model], seed: int, example: tuple[Any, Any]
) -> keras.Model:
    """Builds one compiled model with all its variables under a seed.

    Args:
        build_model: Returns a compiled Keras model; called once.
        seed: The member's seed.
        example: A batch (x, y) of one row, for models that are built by their first batch.

    Returns:
        The model, with the variables of its layers, metrics and optimizer created.

    Raises:
        UsageError: If what came back is no compiled Keras model, or trains by a `train_step` of its own.
    """
    with own_randomness(seed):
        model = build_model()
        _check(model)
        # Keras' own way of creating a model's and its metrics' variables without running a step.
        model._symbolic_build(data_batch=example)
        model.optimizer.build(model.trainable_variables)
    return model


def model_state(model: keras.Model) -> ModelState:
    """Copies the variables of a built model to host arrays.

    Args:
        model: A model from `build_member`.

    Returns:
        Its variables as NumPy arrays that nothing else holds.
    """
    groups = (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )
    return ModelState(*([np.array(variable.value) for variable in group] for group in groups))


def is_seed(variable: keras.Variable) -> bool:
    """Says whether a variable is the state of a seed generator, which Keras does not save either.

    Args:
        variable: A variable of a model.

    Returns:
        True for the two words of a `keras.random.SeedGenerator`.
    """
    return "seed_generator_state" in variable.path


def set_weights(model: keras.Model, trainable: list[Any], non_trainable: list[Any]) -> None:
    """Puts trained arrays into a model's weights.

    Args:
        model: A model of the same program.
        trainable: Arrays in the order of `model.trainable_variables`.
        non_trainable: Arrays in the order of `model.non_trainable_variables` without seed generators.
    """
    others = [variable for variable in model.non_trainable_variables if not is_seed(variable)]
    for variables, values in ((model.trainable_variables, trainable), (others, non_trainable)):
        for variable, value in zip(variables, values, strict=True):
            variable.assign(jax.numpy.asarray(value))


def start_from(model: keras.Model, trainable: Sequence[Any], non_trainable: Sequence[Any]) -> None:
    """Puts weights of another training into a model that is about to train.

    Args:
        model: A model from `build_member`.
        trainable: Arrays in the order of `model.trainable_variables`.
        non_trainable: Arrays in the order of `model.non_trainable_variables` without seed generators.

    Raises:
        UsageError: If number or shapes do not fit.
    """
    others = [variable for variable in model.non_trainable_variables if not is_seed(variable)]
    wanted = [tuple(v.shape) for v in (*model.trainable_variables, *others)]
    came = [np.shape(value) for value in (*trainable, *non_trainable)]
    if came != wanted:
        odd = next((pair for pair in zip(came, wanted, strict=False) if pair[0] != pair[1]), None)
        what = f"a shape {odd[0]} where {odd[1]} belongs" if odd else f"{len(came)} arrays"
        raise UsageError(
            f"initial_weights hold {what}; this model has {len(wanted)} weights, "
            "give those of a member of the same network"
        )
    set_weights(model, list(trainable), list(non_trainable))


def _check(model: Any) -> None:
    if keras.backend.backend() != "jax":
        raise UsageError(
            f"Keras runs on {keras.backend.backend()}; the engine trains on JAX: set KERAS_BACKEND=jax before keras is "
            "imported"
        )
    if not isinstance(model, keras.Model):
        raise UsageError(
            f"build_model() returned {type(model).__name__}; return a compiled keras.Model"
        )
    if not model.compiled or model.optimizer is None:
        raise UsageError(
            "build_model() returned a model without optimizer or loss; call model.compile(...) on it"
        )
    if type(model).train_step is not keras.Model.train_step:
        raise UsageError(
            f"{type(model).__name__} has a train_step of its own, which the engine would have to run unseen; "
            "move what it does into layers, loss or optimizer, or train it with fit"
        )
