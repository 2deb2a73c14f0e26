"""Walks through a Keras model and writes what it computes as one ONNX graph."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras

from denselab.errors import UsageError
from denselab.onnx_export.graph import Graph, Value
from denselab.onnx_export.layers import AT_REST, add_layer

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["to_onnx"]


def to_onnx(
    model: keras.Model,
    *,
    features: Callable[[Graph], Value] | None = None,
    facts: Mapping[str, str] | None = None,
) -> "ModelProto":
    """Writes a model as an ONNX graph of float32 operations, with an open batch axis.

    The graph computes what the model predicts, without what acts in training alone. Dropout is at
    rest even where the model draws in prediction (MC dropout): the graph gives the one deterministic
    pass, and the layers that rest so are listed under `dropout_at_rest` in the file's metadata.
    Models saved by denselab carry their preprocessing as layers, so it is in the graph.

    Args:
        model: A Sequential or functional model of dense layers, built; models inside it are fine.
        features: Adds inputs to the graph, and what makes of them the one input of the model, such as columns of
            a table and their preprocessing.
        facts: More to keep in the metadata of the file.

    Returns:
        The ONNX model. One input is called `inputs` and one output `outputs`; several are called
        after their layers. Its inputs have the types of the model's.

    Raises:
        UsageError: If the package `onnx` is missing, the model is subclassed or not built, or has a
            layer or an activation that cannot be exported.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="relu")])
        >>> [node.op_type for node in to_onnx(model).graph.node]
        ['MatMul', 'Add', 'Relu', 'Identity']

    References:
        Open Neural Network Exchange, operators of opset 18.
    """
    network = _functional(model)
    graph = Graph()
    inputs = _inputs(graph, network) if features is None else [features(graph)]
    outputs = _add_model(graph, model, inputs)
    graph.scope("")
    for tensor, value in zip(network.outputs, outputs, strict=True):
        name = "outputs" if len(outputs) == 1 else f"{_maker(tensor)}/outputs"
        graph.output(name, value, tuple(tensor.shape))
    resting = sorted(layer.name for layer in _layers(model) if type(layer).__name__ in AT_REST)
    about = {"keras": keras.__version__, **(facts or {})}
    if resting:
        about["dropout_at_rest"] = ", ".join(resting)
    return graph.model(model.name, about)


def _inputs(graph: Graph, network: Any) -> list[Value]:
    alone = len(network.inputs) == 1
    return [
        graph.input("inputs" if alone else _maker(tensor), str(tensor.dtype), tuple(tensor.shape))
        for tensor in network.inputs
    ]


def _functional(model: Any) -> Any:
    """Gives the network of operations inside a model."""
    inside = getattr(model, "stochastic_model", None)
    if inside is not None and type(model).__module__.startswith("denselab."):
        return _functional(inside)
    network = getattr(model, "_functional", None) or model  # A Sequential has one inside.
    plain = type(model).__module__.startswith("keras.") and hasattr(network, "_nodes_by_depth")
    if not plain:
        name = getattr(model, "name", type(model).__name__)
        raise UsageError(
            f"{name!r} ({type(model).__name__}) is no Sequential or functional model that was built; "
            "call a Sequential on rows first, and rebuild a subclassed model from layers"
        )
    return network


def _add_model(graph: Graph, model: Any, inputs: Sequence[Value]) -> list[Value]:
    network = _functional(model)
    known = dict(zip(map(id, network.inputs), inputs, strict=True))
    for depth in sorted(network._nodes_by_depth, reverse=True):
        for node in network._nodes_by_depth[depth]:
            if node.is_input or any(id(one) not in known for one in node.input_tensors):
                continue
            given = [known[id(tensor)] for tensor in node.input_tensors]
            values = _add_call(graph, node, given)
            known.update(zip(map(id, node.outputs), values, strict=True))
    return [known[id(tensor)] for tensor in network.outputs]


def _add_call(graph: Graph, node: Any, given: Sequence[Value]) -> list[Value]:
    operation, arguments = node.operation, node.arguments
    settings = {k: v for k, v in arguments.kwargs.items() if k != "training" and v is not None}
    leaves = keras.tree.flatten(arguments.args)
    if settings or len(leaves) != len(given):
        raise UsageError(
            f"layer {operation.name!r} ({type(operation).__name__}) is called with more than the "
            "outputs of layers, which cannot be exported to ONNX; use layers such as Add or Rescaling"
        )
    if isinstance(operation, keras.Model):
        return _add_model(graph, operation, given)
    shapes = [tuple(tensor.shape) for tensor in node.input_tensors]
    return [add_layer(graph, operation, given, shapes)]


def _layers(model: Any) -> Iterator[Any]:
    for layer in model._flatten_layers(include_self=False):
        if not isinstance(layer, keras.Model):
            yield layer


def _maker(tensor: Any) -> str:
    return str(tensor._keras_history.operation.name)
