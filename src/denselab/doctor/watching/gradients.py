"""Values and gradients of a function of arrays, on JAX, torch and TensorFlow."""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import keras

__all__ = ["compiled", "value_and_gradients"]

ops: Any = keras.ops  # Untyped: its annotations allow None for every result.
Objective = Callable[[list[Any]], tuple[Any, Any]]


def value_and_gradients(objective: Objective, leaves: Sequence[Any]) -> tuple[Any, Any, list[Any]]:
    """Evaluates a function and its gradients.

    Args:
        objective: Gives a scalar and whatever else is to be kept, from a list of tensors.
        leaves: The tensors.

    Returns:
        The scalar, what else it gave, and one gradient a leaf; zeros where the scalar does not depend on it.
    """
    backend = keras.backend.backend()
    if backend == "torch":
        return _on_torch(objective, leaves)
    if backend == "tensorflow":
        return _on_tensorflow(objective, leaves)
    import jax

    (value, kept), gradients = jax.value_and_grad(objective, has_aux=True)(list(leaves))
    return value, kept, gradients


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiles a function of arrays on JAX; elsewhere it runs operation by operation.

    Args:
        function: A pure function.

    Returns:
        The same function, compiled when first called.
    """
    if keras.backend.backend() != "jax":
        return function
    import jax

    return jax.jit(function)


def _on_torch(objective: Objective, leaves: Sequence[Any]) -> tuple[Any, Any, list[Any]]:
    torch: Any = import_module("torch")  # Optional, so types are not known.

    own = [leaf.detach().clone().requires_grad_() for leaf in leaves]
    with torch.enable_grad():
        value, kept = objective(own)
        if not value.requires_grad:
            return value, kept, [ops.zeros_like(leaf) for leaf in own]
        found = torch.autograd.grad(value, own, allow_unused=True)
    gradients = [
        ops.zeros_like(leaf) if gradient is None else gradient.detach()
        for leaf, gradient in zip(own, found, strict=True)
    ]
    return value.detach(), kept, gradients


def _on_tensorflow(objective: Objective, leaves: Sequence[Any]) -> tuple[Any, Any, list[Any]]:
    tensorflow: Any = import_module("tensorflow")

    own = [tensorflow.convert_to_tensor(leaf) for leaf in leaves]
    with tensorflow.GradientTape() as tape:
        tape.watch(own)
        value, kept = objective(own)
    zero = tensorflow.UnconnectedGradients.ZERO
    return value, kept, tape.gradient(value, own, unconnected_gradients=zero)
