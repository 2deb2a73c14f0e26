"""A model as a list of calls, and what every call does to units: mix them, or treat each by itself."""

import collections
import dataclasses
from typing import Any, Literal

import keras
import numpy as np

from denselab.errors import UsageError

__all__ = [
    "RANDOM_LAYERS",
    "Call",
    "Graph",
    "apply_to_constants",
    "graph_of",
    "has_graph",
    "is_unitwise",
]

ops: Any = keras.ops  # Untyped: its annotations allow None for every result.

Kind = Literal["dense", "unitwise", "merge", "mixing"]

RANDOM_LAYERS = (
    keras.layers.Dropout,
    keras.layers.AlphaDropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.SpatialDropout1D,
)
"""Layers that are noise while training; they treat every unit alike."""

_MERGES = (
    keras.layers.Add,
    keras.layers.Subtract,
    keras.layers.Multiply,
    keras.layers.Average,
    keras.layers.Maximum,
    keras.layers.Minimum,
)
_MERGE_OPERATIONS = ("Add", "Subtract", "Multiply", "Maximum", "Minimum")


@dataclasses.dataclass(frozen=True)
class Call:
    """One use of a layer or operation in a model.

    Attributes:
        layer: The layer or operation.
        kind: "dense"; "unitwise", where every unit's output depends on that unit alone; "merge", the same for several
            inputs; or "mixing", anything else.
        inputs: Tensors that go in.
        outputs: Tensors that come out.
        reason: Of "mixing", and of "dense" with a softmax: why units cannot be told apart behind it.
    """

    layer: Any
    kind: Kind
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Graph:
    """The calls of a model in order, and its ends.

    Attributes:
        calls: The calls; each comes after those that make its inputs.
        inputs: The model's inputs.
        outputs: The model's outputs.
    """

    calls: tuple[Call, ...]
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]


def has_graph(model: Any) -> bool:
    """Says whether a model is functional, or Sequential and built, so that its calls are known.

    Args:
        model: A Keras model.

    Returns:
        False for subclassed models.
    """
    return hasattr(getattr(model, "_functional", None) or model, "_nodes_by_depth")


def graph_of(model: Any) -> Graph:
    """Lists the calls of a model.

    Args:
        model: A built Sequential or functional model.

    Returns:
        Its graph; a nested model is one call that mixes.

    Raises:
        UsageError: If the model has no graph.
    """
    if not has_graph(model):
        raise UsageError(
            f"model {model.name!r} is subclassed, so its wiring is not known; build it with the functional API"
        )
    function = getattr(model, "_functional", None) or model
    nodes = [
        node
        for depth in sorted(function._nodes_by_depth, reverse=True)
        for node in function._nodes_by_depth[depth]
        if not node.is_input
    ]
    uses = collections.Counter(id(node.operation) for node in nodes)
    calls = tuple(_call(node, uses[id(node.operation)]) for node in nodes)
    return Graph(calls, tuple(function._inputs), tuple(function._outputs))


def is_unitwise(function: Any, rank: int = 2) -> bool:
    """Finds out whether a function treats the last axis' entries one by one, by trying it.

    Args:
        function: An activation function, or a layer without weights.
        rank: Rank of its inputs.

    Returns:
        True if half of the columns give the same as half of the outputs.
    """
    stream = np.random.default_rng(0)
    x = (3 * stream.normal(size=(4, *[2] * (rank - 2), 6))).astype("float32")
    try:
        whole, half = (_outputs(function, part) for part in (x, x[..., ::2]))
    except Exception:  # Whatever a foreign layer cannot take with another number of units.
        return False
    return whole.shape == x.shape and np.allclose(whole[..., ::2], half, atol=1e-6, rtol=1e-6)


def apply_to_constants(call: Call, constants: list[np.ndarray]) -> np.ndarray:
    """Gives what a unit-wise call makes of units that are constant in prediction.

    Args:
        call: A call of kind "unitwise" or "merge".
        constants: For each input, each unit's constant, NaN where it is none.

    Returns:
        The same for the output.
    """
    unknown = np.isnan(constants).any(axis=0)
    rank = len(call.inputs[0].shape)
    vectors = [
        np.where(unknown, 0, c).reshape((1,) * (rank - 1) + (-1,)).astype("float32")
        for c in constants
    ]
    tensors: list[Any] = [ops.convert_to_tensor(vector) for vector in vectors]
    if isinstance(call.layer, RANDOM_LAYERS):
        made = vectors[0]
        unknown = unknown | _is_random_in_prediction(call.layer)
    elif isinstance(call.layer, keras.Layer):
        made = ops.convert_to_numpy(call.layer(tensors if call.kind == "merge" else tensors[0]))
    else:
        made = ops.convert_to_numpy(call.layer(*tensors))
    return np.where(unknown, np.nan, np.asarray(made, "float64").ravel())


def _is_random_in_prediction(layer: Any) -> bool:
    x = ops.ones((1, *[1] * (len(getattr(layer, "noise_shape", None) or (1, 1)) - 2), 64))
    if isinstance(layer, keras.layers.SpatialDropout1D):
        return False
    return not np.array_equal(ops.convert_to_numpy(layer(x)), ops.convert_to_numpy(x))


def _outputs(function: Any, x: np.ndarray) -> np.ndarray:
    if isinstance(function, keras.Layer):
        function = type(function).from_config(function.get_config())
    return np.asarray(ops.convert_to_numpy(function(ops.convert_to_tensor(x))))


def _call(node: Any, uses: int) -> Call:
    layer = node.operation
    inputs, outputs = tuple(node.input_tensors), tuple(node.outputs)
    kind, reason = _kind(layer, inputs, outputs)
    if kind != "mixing" and uses > 1 and getattr(layer, "weights", ()):
        kind, reason = "mixing", "is called more than once with the same weights"
    return Call(layer, kind, inputs, outputs, reason)


def _kind(layer: Any, inputs: tuple[Any, ...], outputs: tuple[Any, ...]) -> tuple[Kind, str]:
    if isinstance(layer, keras.layers.Dense):
        return "dense", "" if is_unitwise(
            layer.activation
        ) else "has an activation that mixes units"
    if isinstance(layer, _MERGES) or type(layer).__name__ in _MERGE_OPERATIONS:
        if len(inputs) > 1 and all(t.shape == outputs[0].shape for t in inputs):
            return "merge", ""
        return "mixing", "merges tensors of different shapes"
    if len(inputs) != 1 or len(outputs) != 1 or not isinstance(layer, keras.Layer):
        return "mixing", "takes or gives several tensors" if len(inputs) != 1 else "is no layer"
    return _kind_of_layer(layer, inputs[0])


def _kind_of_layer(layer: Any, tensor: Any) -> tuple[Kind, str]:
    rank = len(tensor.shape)
    if isinstance(layer, keras.layers.BatchNormalization):
        if layer.axis in (-1, rank - 1) and not layer.renorm:
            return "unitwise", ""
        return "mixing", "normalises another axis than the last, or renormalises"
    if isinstance(layer, keras.layers.PReLU):
        if all(size == 1 for size in layer.alpha.shape[:-1]):
            return "unitwise", ""
        return "mixing", "has slopes for more axes than the last"
    if isinstance(layer, RANDOM_LAYERS):
        noise = getattr(layer, "noise_shape", None)
        if not noise or noise[-1] in (None, 1):
            return "unitwise", ""
        return "mixing", "has a noise_shape that counts units"
    if isinstance(layer, keras.layers.LayerNormalization | keras.layers.RMSNormalization):
        return (
            "mixing",
            "normalises over the units, so that none can go without changing the others",
        )
    if layer.weights:
        return "mixing", "has weights whose units are not known"
    if is_unitwise(layer, rank):
        return "unitwise", ""
    return "mixing", "mixes units"
