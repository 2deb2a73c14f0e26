"""Splits a traced model into what is computed once and what every draw computes again."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import core
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var

__all__ = ["Split", "multiplications", "scaled_and_shifted", "split_at_noise"]

_AFFINE = "denselab_scale_and_shift"
"""Name of the traced step `inputs * scale + shift`, by which the split finds it again."""

_REPEATING = ("broadcast_in_dim", "iota")
"""Steps whose result only repeats its input: cheaper to redo in each draw than to keep and read."""


@dataclass(frozen=True)
class Split:
    """A traced model in two parts.

    Attributes:
        program: The whole trace; its inputs are weights and data, then the noise of one draw.
        once: Steps that no noise reaches.
        each: Steps that it does, and what is cheaper to redo than to keep.
        kept: Variables that `each` takes from `once`.
    """

    program: ClosedJaxpr
    once: tuple[JaxprEqn, ...]
    each: tuple[JaxprEqn, ...]
    kept: tuple[Var, ...]

    def run_once(self, weights_and_data: Sequence[Any]) -> tuple[Any, ...]:
        """Computes what all draws share.

        Args:
            weights_and_data: The trace's inputs before the noise.

        Returns:
            The values that `run_draw` needs.
        """
        jaxpr = self.program.jaxpr
        known = dict(zip(jaxpr.constvars, self.program.consts, strict=True))
        known |= zip(jaxpr.invars, weights_and_data, strict=False)
        _evaluate(self.once, known)
        return tuple(known[variable] for variable in self.kept)

    def run_draw(self, kept: Sequence[Any], noise: Sequence[Any]) -> Any:
        """Computes the output of one draw.

        Args:
            kept: What `run_once` gave.
            noise: The random fields of the draw, one a site.

        Returns:
            The model's outputs, one row a row of data.
        """
        jaxpr = self.program.jaxpr
        values = dict(zip(self.kept, kept, strict=True))
        values |= zip(jaxpr.invars[len(jaxpr.invars) - len(noise) :], noise, strict=True)
        _evaluate(self.each, values, delayable=frozenset(self.kept))
        return _read(values, jaxpr.outvars[0])


def scaled_and_shifted(inputs: Any, scale: Any, shift: Any) -> Any:
    """Computes `inputs * scale + shift` as one named step.

    Args:
        inputs: A float array.
        scale: What to multiply it with, or None.
        shift: What to add, or None.

    Returns:
        An array of the inputs' shape and dtype.
    """
    scale = jnp.ones((1,) * inputs.ndim) if scale is None else scale
    parts = (scale,) if shift is None else (scale, shift)
    return _affine(inputs, *(part.astype(inputs.dtype) for part in parts))


def split_at_noise(program: ClosedJaxpr, noises: int) -> Split:
    """Divides a trace by what depends on its last inputs.

    Args:
        program: A trace whose last `noises` inputs are the noise of one draw.
        noises: How many.

    Returns:
        The two parts. If no noise reaches the output, the second is empty.
    """
    jaxpr = program.jaxpr
    noisy: set[Any] = set(jaxpr.invars[len(jaxpr.invars) - noises :])
    for step in jaxpr.eqns:
        if any(value in noisy for value in _variables(step.invars)):
            noisy |= set(step.outvars)
    wanted = noisy.intersection(_variables(jaxpr.outvars))
    each: list[JaxprEqn] = []
    for step in reversed(jaxpr.eqns):
        redo = noisy.intersection(step.outvars) or step.primitive.name in _REPEATING
        if redo and wanted.intersection(step.outvars):
            each.insert(0, step)
            wanted |= set(_variables(step.invars))
    made = {variable for step in each for variable in step.outvars}
    kept = tuple(variable for variable in wanted if variable not in made and variable not in noisy)
    once = tuple(step for step in jaxpr.eqns if not noisy.intersection(step.outvars))
    return Split(program, once, tuple(each), tuple(sorted(kept, key=_order(program))))


def multiplications(steps: Iterable[JaxprEqn]) -> int:
    """Counts the multiply-adds of matrix products and convolutions.

    Args:
        steps: Steps of a trace.

    Returns:
        The number, loops counted as often as they run where that is known.
    """
    return sum(_multiplications(step) for step in steps)


def _affine_steps(inputs: Any, scale: Any, shift: Any = None) -> Any:
    return inputs * scale if shift is None else inputs * scale + shift


_affine_steps.__name__ = _AFFINE
_affine = jax.jit(_affine_steps)

_EMPTY = jax.make_jaxpr(lambda: ())().jaxpr


def _order(program: ClosedJaxpr) -> Any:
    places: dict[Any, int] = {}
    for variable in (*program.jaxpr.constvars, *program.jaxpr.invars):
        places[variable] = len(places)
    for step in program.jaxpr.eqns:
        for variable in step.outvars:
            places[variable] = len(places)
    return places.__getitem__


def _variables(values: Iterable[Any]) -> list[Var]:
    return [value for value in values if not isinstance(value, Literal)]


def _shape(value: Any) -> tuple[int, ...]:
    return value.aval.shape


def _read(values: Mapping[Any, Any], name: Any) -> Any:
    return name.val if isinstance(name, Literal) else values[name]


def _evaluate(
    steps: Iterable[JaxprEqn], values: dict[Any, Any], delayable: frozenset[Any] = frozenset()
) -> None:
    """Runs steps on `values` in place.

    Noise that all rows share, on an input that all draws share, waits for the product that takes
    it: (x s + t) W = x (s W) + t W, and the products of several draws become one wide product.
    """
    delayed: dict[Any, JaxprEqn] = {}
    for step in steps:
        if _is_shared_noise(step, delayable):
            delayed[step.outvars[0]] = step
            continue
        inputs = _variables(step.invars)
        if _is_product(step) and inputs[0] in delayed:
            values[step.outvars[0]] = _product(step, delayed[inputs[0]], values)
            continue
        for name in inputs:
            if name in delayed and name not in values:
                values |= _results(delayed[name], values)
        values |= _results(step, values)
    for step in delayed.values():
        values |= _results(step, values)


def _results(step: JaxprEqn, values: Mapping[Any, Any]) -> dict[Any, Any]:
    """Runs one step as a program of its own, so that JAX sees to the primitive's special cases."""
    inputs = list(dict.fromkeys(_variables(step.invars)))
    alone = _EMPTY.replace(invars=inputs, outvars=step.outvars, eqns=[step], effects=step.effects)
    results = core.eval_jaxpr(alone, (), *(values[name] for name in inputs))
    return dict(zip(step.outvars, results, strict=True))


def _is_shared_noise(step: JaxprEqn, delayable: frozenset[Any]) -> bool:
    """Tells noise on two axes whose inputs are known and whose scale is the same in all rows."""
    if step.params.get("name") != _AFFINE or step.invars[0] not in delayable:
        return False
    inputs, *parts = (_shape(value) for value in step.invars)
    return len(inputs) == 2 and all(shape == (1, inputs[1]) for shape in parts)


def _is_product(step: JaxprEqn) -> bool:
    """Tells a plain matrix product of two matrices whose left one is computed."""
    plain = step.params.get("dimension_numbers") == (((1,), (0,)), ((), ()))
    ranks = [len(_shape(value)) for value in step.invars]
    computed = not any(isinstance(value, Literal) for value in step.invars)
    return step.primitive.name == "dot_general" and plain and computed and ranks == [2, 2]


def _product(step: JaxprEqn, noise: JaxprEqn, values: Mapping[Any, Any]) -> Any:
    inputs, scale, *shift = (_read(values, name) for name in noise.invars)
    left, right = step.invars
    weights = _read(values, right)
    [scaled] = _results(step, {left: inputs, right: weights * scale.T}).values()
    for part in shift:
        [moved] = _results(step, {left: part, right: weights}).values()
        scaled = scaled + moved
    return scaled


def _multiplications(step: JaxprEqn) -> int:
    if step.primitive.name == "dot_general":
        (contracted, _), _ = step.params["dimension_numbers"]
        left = _shape(step.invars[0])
        return math.prod(_shape(step.outvars[0])) * math.prod(left[axis] for axis in contracted)
    if step.primitive.name == "conv_general_dilated":
        layout = step.params["dimension_numbers"].rhs_spec
        window = [size for axis, size in enumerate(_shape(step.invars[1])) if axis != layout[0]]
        return math.prod(_shape(step.outvars[0])) * math.prod(window)
    inner = [part for part in step.params.values() if isinstance(part, ClosedJaxpr | Jaxpr)]
    return step.params.get("length", 1) * sum(multiplications(part.eqns) for part in inner)
