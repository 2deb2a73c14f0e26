"""Data: arrays with a name and a fingerprint, where they come from, and how they are divided."""

from denselab.data.arrays import from_arrays
from denselab.data.cifar10 import fetch_cifar10
from denselab.data.dataset import Dataset, Task
from denselab.data.describe import describe
from denselab.data.download import Progress
from denselab.data.images import is_image_folder, read_image_folder
from denselab.data.load import load, names, summary
from denselab.data.splits import hold_out_calibration, hold_out_test, split
from denselab.data.standardization import Standardizer, standardization
from denselab.data.tables import (
    CsvFormat,
    Preprocessing,
    PreprocessingOptions,
    Reading,
    Table,
    describe_table,
    is_table_file,
    read_table,
    refuse_problems,
    table_dataset,
)

__all__ = [
    "CsvFormat",
    "Dataset",
    "Preprocessing",
    "PreprocessingOptions",
    "Progress",
    "Reading",
    "Standardizer",
    "Table",
    "Task",
    "describe",
    "describe_table",
    "fetch_cifar10",
    "from_arrays",
    "hold_out_calibration",
    "hold_out_test",
    "is_image_folder",
    "is_table_file",
    "load",
    "names",
    "read_image_folder",
    "read_table",
    "refuse_problems",
    "split",
    "standardization",
    "summary",
    "table_dataset",
]
