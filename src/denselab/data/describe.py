"""What there is to know about a data set before training on it."""

import hashlib

import numpy as np

from denselab.data.dataset import Dataset

__all__ = ["describe"]

_IMBALANCE = 10
_NAMED = 5


def describe(dataset: Dataset) -> dict[str, object]:
    """Describes a data set in plain values, ready for JSON.

    Args:
        dataset: The data.

    Returns:
        `name`, `task`, `source`, `fingerprint`; `rows` of both parts; `features`, `dtype`, `range`
        and `image_shape` of the inputs; `classes` with their training rows (None for regression,
        where `target_range` is given); and `warnings`, one sentence each.

    Example:
        >>> from denselab.data import load
        >>> about = describe(load("wine"))
        >>> about["rows"], about["classes"]
        ({'train': 178, 'test': 0}, {'class_0': 59, 'class_1': 71, 'class_2': 48})
    """
    about: dict[str, object] = {
        "name": dataset.name,
        "task": dataset.task,
        "source": dataset.source,
        "fingerprint": dataset.fingerprint,
        "rows": {
            "train": dataset.n,
            "test": 0 if dataset.test_x is None else len(dataset.test_x),
        },
        "features": dataset.features,
        "dtype": str(dataset.x.dtype),
        "range": [dataset.x.min().item(), dataset.x.max().item()],
        "image_shape": None if dataset.image_shape is None else list(dataset.image_shape),
        "classes": _class_counts(dataset),
    }
    if dataset.task == "regression":
        about["target_range"] = [dataset.y.min().item(), dataset.y.max().item()]
    about["warnings"] = [*_constant(dataset), *_unbalanced(dataset), *_repeated(dataset)]
    return about


def _class_counts(dataset: Dataset) -> dict[str, int] | None:
    if dataset.class_names is None:
        return None
    counts = np.bincount(dataset.y, minlength=len(dataset.class_names))
    return dict(zip(dataset.class_names, counts.tolist(), strict=True))


def _constant(dataset: Dataset) -> list[str]:
    found: list[str] = []
    constant = np.flatnonzero(dataset.x.min(axis=0).ravel() == dataset.x.max(axis=0).ravel())
    if len(constant):
        names = dataset.feature_names or tuple(str(i) for i in range(dataset.features))
        listed = ", ".join(names[i] for i in constant[:_NAMED])
        more = ", …" if len(constant) > _NAMED else ""
        found.append(
            f"{len(constant):,} of {dataset.features:,} features never change: {listed}{more}"
        )
    if dataset.task == "regression" and dataset.y.min() == dataset.y.max():
        found.append("the target never changes: there is nothing to learn")
    return found


def _unbalanced(dataset: Dataset) -> list[str]:
    counts = _class_counts(dataset)
    if counts is None:
        return []
    absent = [name for name, count in counts.items() if count == 0]
    if absent:
        return [f"no training row of class {', '.join(absent)}"]
    rare, common = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    if counts[common] < _IMBALANCE * counts[rare]:
        return []
    return [
        f"classes are unbalanced: {counts[common]:,} rows of {common}, {counts[rare]:,} of {rare}; "
        "accuracy flatters the common class"
    ]


def _repeated(dataset: Dataset) -> list[str]:
    found: list[str] = []
    train = _digests(dataset.x)
    copies = len(train) - len(set(train))
    if copies:
        found.append(
            f"{copies:,} of {len(train):,} training rows repeat an earlier one; "
            "copies may fall on both sides of a split"
        )
    if dataset.test_x is not None:
        known = set(train)
        leaked = sum(row in known for row in _digests(dataset.test_x))
        if leaked:
            found.append(
                f"{leaked:,} of {len(dataset.test_x):,} test rows also stand in the training set"
            )
    return found


def _digests(x: np.ndarray) -> list[bytes]:
    rows = np.ascontiguousarray(x).reshape(len(x), -1)
    return [hashlib.sha256(row.data).digest() for row in rows]
