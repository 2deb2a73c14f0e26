"""A batch of the binary version: records of one label byte and 3,072 pixel bytes."""

import numpy as np

from denselab.data.cifar10.layout import Part, checked_labels, from_planes
from denselab.errors import DataError

__all__ = ["read_binary_batch"]

_RECORD = 1 + 3 * 32 * 32


def read_binary_batch(data: bytes, where: str) -> Part:
    """Reads a batch of the binary version.

    Args:
        data: The bytes of the file.
        where: The file, for messages.

    Returns:
        Its rows in their order.

    Raises:
        DataError: If a record is cut or a label is none.

    Example:
        >>> read_binary_batch(bytes([7]) + bytes(3072), "data_batch_1.bin").y.tolist()
        [7]

    References:
        Krizhevsky, https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version".
    """
    if len(data) % _RECORD:
        raise DataError(
            f"{where} has {len(data):,} bytes, expected a multiple of {_RECORD:,} (one label and "
            "3,072 pixel values a row); a row is cut: get the file again"
        )
    records = np.frombuffer(data, np.uint8).reshape(-1, _RECORD)
    return Part(from_planes(records[:, 1:]), checked_labels(records[:, 0], where))
