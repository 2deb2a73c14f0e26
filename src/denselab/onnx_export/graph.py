"""An ONNX graph that grows node by node; the only file that opens the `onnx` package."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from denselab.errors import UsageError

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["ML", "Graph", "Value"]

_OPSET, _ML_OPSET, _IR_VERSION = 18, 2, 9
"""Opset 18 is the first with Mish; ONNX Runtime reads both since 1.15, and later versions go on reading them."""

_MOST_BYTES = 2**31 - 2**20
"""A protocol buffer holds less than 2 GiB."""

ML = "ai.onnx.ml"
"""Domain of the operators of ONNX that read text."""

Value = str
"""Name of a tensor in the graph."""


class Graph:
    """Nodes and constants, under names that are unique.

    Example:
        >>> graph = Graph()
        >>> x = graph.input("inputs", "float32", (None, 2))
        >>> graph.output("outputs", graph.node("Relu", x), (None, 2))
        >>> [node.op_type for node in graph.model("tiny", {}).graph.node]
        ['Relu', 'Identity']
    """

    def __init__(self) -> None:
        self._onnx = _opened()
        self._nodes: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._constants: dict[str, np.ndarray] = {}
        self._taken: set[str] = set()
        self._scope = ""

    def scope(self, name: str) -> None:
        """Says which layer the nodes to come belong to; their names begin with it."""
        self._scope = name

    def input(self, name: str, dtype: str, shape: Sequence[int | None]) -> Value:
        """Adds an input of the graph.

        Args:
            name: Its name.
            dtype: Type of its numbers, such as "uint8".
            shape: Its shape with the batch axis first; None where an axis is open.

        Returns:
            The input, cast to float32.

        Raises:
            UsageError: If it holds no numbers.
        """
        try:
            kind = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        except (TypeError, ValueError, KeyError) as error:
            raise UsageError(
                f"input {name!r} is of type {dtype}; only numbers can be exported, such as float32"
            ) from error
        name = self._unique(name)
        info = self._onnx.helper.make_tensor_value_info(name, kind, _axes(name, shape))
        self._inputs.append(info)
        if dtype == "float32":
            return name
        return self.node("Cast", name, to=self._onnx.TensorProto.FLOAT)

    def column(self, name: str, *, text: bool) -> Value:
        """Adds an input of one number or text a row, shape (batch, 1).

        Args:
            name: Its name.
            text: Whether it holds text; else numbers, as float64.

        Returns:
            The input as it comes.
        """
        kinds = self._onnx.TensorProto
        name = self._unique(name)
        info = self._onnx.helper.make_tensor_value_info(
            name, kinds.STRING if text else kinds.DOUBLE, ["batch", 1]
        )
        self._inputs.append(info)
        return name

    def cast(self, value: Value) -> Value:
        """Brings numbers or truth values to float32."""
        return self.node("Cast", value, to=self._onnx.TensorProto.FLOAT)

    def output(self, name: str, value: Value, shape: Sequence[int | None]) -> None:
        """Makes a value an output of the graph.

        Args:
            name: Name of the output.
            value: The value.
            shape: Its shape; None where an axis is open.
        """
        name = self._unique(name)
        self._nodes.append(self._onnx.helper.make_node("Identity", [value], [name], name=name))
        kind = self._onnx.TensorProto.FLOAT
        self._outputs.append(
            self._onnx.helper.make_tensor_value_info(name, kind, _axes(name, shape))
        )

    def constant(self, values: Any, name: str = "constant") -> Value:
        """Adds an array to the graph, or finds the same one there.

        Args:
            values: A variable, a tensor, an array or a number. Floats become float32, integers int64.
            name: What it is.

        Returns:
            The constant.
        """
        array = _array(values)
        wanted = f"{self._scope}/{name}" if self._scope else name
        for known, other in self._constants.items():
            if known.startswith(wanted) and _same(array, other):
                return known
        name = self._unique(wanted)
        self._constants[name] = array
        return name

    def exact(self, values: Any, name: str) -> Value:
        """Adds an array of float64 to the graph, for what float32 would round."""
        wanted = self._unique(f"{self._scope}/{name}" if self._scope else name)
        self._constants[wanted] = np.ascontiguousarray(values, np.float64)
        return wanted

    def node(self, kind: str, *inputs: Value, **attributes: Any) -> Value:
        """Adds a node of one output.

        Args:
            kind: Name of the ONNX operator.
            *inputs: What it reads.
            **attributes: Its attributes.

        Returns:
            Its output.
        """
        name = self._unique(f"{self._scope}/{kind}" if self._scope else kind)
        node = self._onnx.helper.make_node(kind, list(inputs), [name], name=name, **attributes)
        self._nodes.append(node)
        return name

    def model(self, name: str, about: dict[str, str]) -> "ModelProto":
        """Closes the graph.

        Args:
            name: Name of the graph.
            about: Facts to keep in the file.

        Returns:
            The ONNX model.

        Raises:
            UsageError: If its weights take more than 2 GiB.
        """
        size = sum(array.nbytes for array in self._constants.values())
        if size > _MOST_BYTES:
            raise UsageError(
                f"the weights take {size:,} bytes, and an ONNX file holds {_MOST_BYTES:,} at most; "
                "export a smaller model"
            )
        helper, arrays = self._onnx.helper, self._onnx.numpy_helper
        graph = helper.make_graph(
            self._nodes,
            name,
            self._inputs,
            self._outputs,
            [arrays.from_array(array, known) for known, array in self._constants.items()],
        )
        model = helper.make_model(
            graph,
            producer_name="denselab",
            opset_imports=[helper.make_opsetid(*known) for known in self._opsets()],
            ir_version=_IR_VERSION,
        )
        helper.set_model_props(model, about)
        return model

    def _opsets(self) -> list[tuple[str, int]]:
        reads_text = any(node.domain == ML for node in self._nodes)
        return [("", _OPSET), *([(ML, _ML_OPSET)] if reads_text else [])]

    def _unique(self, wanted: str) -> str:
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted}_{number}"
        self._taken.add(name)
        return name


def _opened() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise UsageError(
            "ONNX export needs the package onnx; pip install 'denselab[onnx]'"
        ) from error
    return onnx


def _axes(name: str, shape: Sequence[int | None]) -> list[int | str]:
    """Names open axes; the first one is the batch."""
    return [
        (size if size is not None else "batch" if axis == 0 else f"{name}_{axis}")
        for axis, size in enumerate(shape)
    ]


def _array(values: Any) -> np.ndarray:
    if not isinstance(values, np.ndarray | list | tuple | int | float):
        values = keras.ops.convert_to_numpy(values)
    array = np.asarray(values)
    return np.ascontiguousarray(
        array, np.int64 if array.dtype.kind in "iu" else np.float32
    ).reshape(array.shape)


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    alike = one.dtype == other.dtype and one.shape == other.shape
    return alike and one.tobytes() == other.tobytes()
