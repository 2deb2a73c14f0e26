"""Label smoothing for labels that are whole numbers."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from denselab.errors import UsageError

__all__ = ["SmoothedSparseCategoricalCrossentropy"]


@keras.saving.register_keras_serializable(package="denselab")
class SmoothedSparseCategoricalCrossentropy(keras.losses.Loss):
    r"""Cross-entropy of whole-number labels with label smoothing.

    With probabilities $p$ over $K$ classes, true class $y$ and $\varepsilon$ = `label_smoothing`:

    $$L = -(1 - \varepsilon) \log p_y - \frac{\varepsilon}{K} \sum_{k=1}^{K} \log p_k$$

    Keras (3.15.1) smooths one-hot labels only; its sparse cross-entropy takes no smoothing. With
    `class_weight` $w$ the loss of a row is $w_y L$, as `fit(class_weight=...)` has it.

    Args:
        label_smoothing: Share of each label that is spread evenly over all classes, from 0 to 1.
        class_weight: One factor a class, in the order of the classes; None: all count alike.
        from_logits: Whether the model ends in logits. Train from logits where possible: from
            probabilities the backends other than TensorFlow take a clipped logarithm.
        **options: What every Keras loss takes: `reduction`, `name`, `dtype`.

    Raises:
        UsageError: If the share is out of range.

    Example:
        >>> loss = SmoothedSparseCategoricalCrossentropy(0.1)
        >>> probabilities = ops.convert_to_tensor([[0.8, 0.1, 0.1]])
        >>> print(f"{float(loss(ops.convert_to_tensor([0]), probabilities)):.4f}")
        0.3618

    References:
        Szegedy et al., Rethinking the Inception Architecture for Computer Vision, 2016, section 7;
        Müller et al., When Does Label Smoothing Help?, 2019.
    """

    def __init__(
        self,
        label_smoothing: float = 0.1,
        *,
        class_weight: Sequence[float] | None = None,
        from_logits: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if not 0 <= label_smoothing <= 1:
            raise UsageError(
                f"label_smoothing is {label_smoothing!r}; give a share from 0 to 1, such as 0.1"
            )
        if class_weight is not None and not all(factor >= 0 for factor in class_weight):
            raise UsageError(
                f"class_weight is {list(class_weight)!r}; give one factor of at least 0 a class"
            )
        self.label_smoothing = label_smoothing
        self.class_weight = None if class_weight is None else list(class_weight)
        self.from_logits = from_logits

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Computes the loss of each row.

        Args:
            y_true: True classes from 0, of shape (rows,) or (rows, 1).
            y_pred: Probabilities or logits of shape (rows, classes).

        Returns:
            One loss a row, at least 0.
        """
        if len(y_true.shape) == len(y_pred.shape):
            y_true = ops.squeeze(y_true, axis=-1)
        labels = ops.one_hot(ops.cast(y_true, "int32"), y_pred.shape[-1], dtype=y_pred.dtype)
        losses: Any = keras.losses.categorical_crossentropy(
            labels, y_pred, from_logits=self.from_logits, label_smoothing=self.label_smoothing
        )
        if self.class_weight is None:
            return losses
        factors: Any = ops.cast(ops.convert_to_tensor(self.class_weight), losses.dtype)
        return losses * ops.sum(labels * factors, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Gives the arguments that make an equal loss."""
        arguments = {"label_smoothing": self.label_smoothing, "from_logits": self.from_logits}
        weights = {} if self.class_weight is None else {"class_weight": self.class_weight}
        return {**super().get_config(), **arguments, **weights}
