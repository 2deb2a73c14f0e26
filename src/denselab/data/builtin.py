"""Small data sets that come with scikit-learn: no download, no file."""

from typing import Any

import numpy as np

from denselab.data.dataset import Dataset

__all__ = ["load_breast_cancer", "load_digits", "load_wine"]


def load_digits() -> Dataset:
    """Loads the handwritten digits: 1,797 images of 8 x 8 pixels from 0 to 16, ten classes.

    Returns:
        The data, flat, `float32`, without a test set.

    Example:
        >>> load_digits().x.shape
        (1797, 64)

    References:
        Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI repository, 1998.
    """
    from sklearn.datasets import load_digits as read

    return _dataset("digits", read(), image_shape=(8, 8, 1))


def load_wine() -> Dataset:
    """Loads the wines: 178 chemical analyses with 13 features, three cultivars.

    Returns:
        The data, `float32`, without a test set.

    Example:
        >>> load_wine().feature_names[:2]
        ('alcohol', 'malic_acid')

    References:
        Aeberhard and Forina, Wine, UCI repository, 1991.
    """
    from sklearn.datasets import load_wine as read

    return _dataset("wine", read())


def load_breast_cancer() -> Dataset:
    """Loads the breast cancer cells: 569 images described by 30 features, malignant or benign.

    Returns:
        The data, `float32`, without a test set.

    Example:
        >>> load_breast_cancer().class_names
        ('malignant', 'benign')

    References:
        Wolberg et al., Breast Cancer Wisconsin (Diagnostic), UCI repository, 1995.
    """
    from sklearn.datasets import load_breast_cancer as read

    return _dataset("breast_cancer", read())


def _dataset(name: str, bunch: Any, *, image_shape: tuple[int, int, int] | None = None) -> Dataset:
    return Dataset(
        name=name,
        x=np.ascontiguousarray(bunch.data, np.float32),
        y=bunch.target.astype(np.int32),
        task="classification",
        feature_names=tuple(str(feature) for feature in bunch.feature_names),
        class_names=tuple(str(label) for label in bunch.target_names),
        image_shape=image_shape,
        source=f"{name}, scikit-learn",
    )
