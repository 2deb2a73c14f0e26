"""Dense Keras models as ONNX graphs, written with the `onnx` package alone."""

from denselab.onnx_export.export import to_onnx
from denselab.onnx_export.graph import ML, Graph, Value
from denselab.onnx_export.writing import write_onnx

__all__ = ["ML", "Graph", "Value", "to_onnx", "write_onnx"]
