"""The same network wired in another way: flat, its dropout at rest, and ending in logits; and back again.

A model that denselab saved holds its network as a model inside a model, between preprocessing and a softmax.
What prunes units and what traces outputs has to see all layers in one graph, and training must see logits: the
clipped logarithm of a softmax has no gradient where the network errs most.
"""

from typing import Any, Literal

import keras

from denselab.components import MCAlphaDropout, MCDropout
from denselab.errors import DataError
from denselab.uncertainty import StochasticModel

__all__ = ["Ending", "closed", "flattened", "opened", "without_ending"]

Ending = Literal["softmax", "sigmoid", "none"]
"""What turns the numbers that are trained into what a model gives."""

_PROBABILITIES = "probabilities"
_RESTING: dict[type[Any], type[Any]] = {
    MCDropout: keras.layers.Dropout,
    MCAlphaDropout: keras.layers.AlphaDropout,
}


def opened(model: keras.Model) -> keras.Model:
    """Gives the network inside a model that draws by itself; any other model as it is."""
    return model.stochastic_model if isinstance(model, StochasticModel) else model


def flattened(model: keras.Model) -> keras.Model:
    """Copies a model as one functional model of layers, none of them a model.

    Dropout that also acts in prediction becomes its stock layer, which rests there. A last Dense layer with a softmax
    or sigmoid of its own becomes a linear one and a layer of that activation.

    Args:
        model: A built Sequential or functional model of one input and one output, models inside it allowed.

    Returns:
        A model of equal weights, not compiled, whose prediction is that of `model` without draws.

    Raises:
        DataError: If its wiring is not known, or it has several inputs or outputs.

    Example:
        >>> inside = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="inner")])
        >>> model = keras.Sequential([keras.Input((4,)), inside, keras.layers.Softmax(name="end")])
        >>> [layer.name for layer in flattened(model).layers[1:]]
        ['inner', 'end']
    """
    network = _network(opened(model))
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        raise DataError(
            f"has {len(network.inputs)} inputs and {len(network.outputs)} outputs; give a model of one each"
        )
    given = network.inputs[0]
    inputs = keras.Input(given.shape[1:], dtype=given.dtype, name=str(given.name))
    copy = _Copy(_last_dense(network))
    (outputs,) = copy.run(network, [inputs])
    made: Any = keras.Model(inputs, outputs, name=model.name.replace("/", "_"))
    for original, layer in copy.pairs:
        layer.set_weights(original.get_weights())
    return made


class _Copy:
    """Walks through a network and calls a new layer for each layer in it."""

    def __init__(self, split: Any) -> None:
        self.split = split
        self.made: dict[int, Any] = {}
        self.names: set[str] = set()
        self.pairs: list[tuple[Any, Any]] = []

    def run(self, network: Any, inputs: list[Any]) -> list[Any]:
        """Calls the layers of a network, those of models inside it too, on inputs."""
        known = dict(zip(map(id, network.inputs), inputs, strict=True))
        for depth in sorted(network._nodes_by_depth, reverse=True):
            for node in network._nodes_by_depth[depth]:
                if node.is_input or any(id(one) not in known for one in node.input_tensors):
                    continue
                outputs = keras.tree.flatten(self._call(node, known))
                known.update(zip(map(id, node.outputs), outputs, strict=True))
        return [known[id(tensor)] for tensor in network.outputs]

    def _call(self, node: Any, known: dict[int, Any]) -> Any:
        operation = node.operation
        if isinstance(operation, keras.Model):
            given = [known[id(tensor)] for tensor in node.input_tensors]
            return self.run(_network(operation), given)
        arguments, options = node.arguments.fill_in(known)
        called = self._layer(operation)(*arguments, **options)
        if operation is self.split:
            function = keras.activations.serialize(operation.activation)
            ending: Ending = "softmax" if function == "softmax" else "sigmoid"
            return _ending_layer(ending, self._name(_PROBABILITIES))(called)
        return called

    def _layer(self, layer: Any) -> Any:
        if not isinstance(layer, keras.Layer):
            return layer  # Operations such as x + y hold nothing, and serve both.
        if id(layer) not in self.made:
            kind = _RESTING.get(type(layer), type(layer))
            config = layer.get_config()
            config["name"] = self._name(str(layer.name))
            if layer is self.split:
                config["activation"] = "linear"
            self.made[id(layer)] = kind.from_config(config)
            self.pairs.append((layer, self.made[id(layer)]))
        return self.made[id(layer)]

    def _name(self, wanted: str) -> str:
        name, number = wanted, 1
        while name in self.names:
            number += 1
            name = f"{wanted}_{number}"
        self.names.add(name)
        return name


def without_ending(flat: keras.Model) -> tuple[keras.Model, Ending]:
    """Takes the softmax or sigmoid off a model; the layers are shared, not copied.

    Args:
        flat: From `flattened`.

    Returns:
        The model that ends in logits, and what was taken off; the model itself and "none" where it ends otherwise.
    """
    output = flat.outputs[0]
    layer, place, _ = output._keras_history
    ending = _ending(layer)
    if ending == "none":
        return flat, ending
    logits = layer._inbound_nodes[place].input_tensors[0]
    return keras.Model(flat.inputs[0], logits, name=flat.name), ending


def closed(logits: keras.Model, ending: Ending, like: keras.Model) -> keras.Model:
    """Puts the softmax or sigmoid back, and wakes dropout where the first model drew in prediction.

    Args:
        logits: A flat model, changed or not, that stands for the one inside `like`.
        ending: What `without_ending` took off.
        like: The model that it all began with.

    Returns:
        A model that predicts as `like` does: by itself, or with draws.
    """
    awake = _drawing(opened(like))
    made: Any = logits
    if awake:
        made = keras.models.clone_model(logits, clone_function=lambda layer: _woken(layer, awake))
        made.set_weights(logits.get_weights())
    if ending != "none":
        taken = {layer.name for layer in made.layers}
        name = _PROBABILITIES if _PROBABILITIES not in taken else f"{_PROBABILITIES}_of_{ending}"
        outputs = _ending_layer(ending, name)(made.outputs[0])
        made = keras.Model(made.inputs[0], outputs, name=logits.name)
    return StochasticModel(made, name=like.name) if isinstance(like, StochasticModel) else made


def _network(model: Any) -> Any:
    """Gives the graph of operations inside a model."""
    network = getattr(model, "_functional", None) or model
    if not hasattr(network, "_nodes_by_depth"):
        raise DataError(
            f"holds {model.name!r} ({type(model).__name__}), whose wiring is not known; build it as a "
            "Sequential or functional model"
        )
    return network


def _last_dense(network: Any) -> Any:
    """Finds the Dense layer that ends a network with a softmax or sigmoid of its own."""
    layer = network.outputs[0]._keras_history.operation
    while isinstance(layer, keras.Model):
        layer = _network(layer).outputs[0]._keras_history.operation
    if isinstance(layer, keras.layers.Dense) and _is_ending(layer.activation):
        # Called once; where it serves twice, the inner call needs its activation.
        return layer if len(layer._inbound_nodes) == 1 else None
    return None


def _ending(layer: Any) -> Ending:
    if isinstance(layer, keras.layers.Softmax) and layer.axis in (-1, 1):
        return "softmax"
    if isinstance(layer, keras.layers.Activation) and _is_ending(layer.activation):
        return "softmax" if layer.activation is keras.activations.softmax else "sigmoid"
    return "none"


def _is_ending(function: Any) -> bool:
    return function in (keras.activations.softmax, keras.activations.sigmoid)


def _ending_layer(ending: Ending, name: str) -> Any:
    if ending == "softmax":
        return keras.layers.Softmax(name=name)
    return keras.layers.Activation("sigmoid", name=name)


def _drawing(model: Any) -> dict[str, Any]:
    """Name -> layer of those that draw in prediction."""
    return {
        layer.name: layer
        for layer in model._flatten_layers(include_self=False)
        if type(layer) in _RESTING
    }


def _woken(layer: Any, awake: dict[str, Any]) -> Any:
    kind = type(awake[layer.name]) if layer.name in awake else type(layer)
    return kind.from_config(layer.get_config())
