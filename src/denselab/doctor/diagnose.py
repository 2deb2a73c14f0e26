"""The front door: looks at a model and its data before anything is trained."""

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict, Unpack

import keras

from denselab.doctor.diagnosis import Diagnosis, worst_first
from denselab.doctor.facts.gather import Request, gather
from denselab.doctor.facts.setup import Setup
from denselab.doctor.finding import Finding
from denselab.doctor.probing import probed
from denselab.doctor.table import CHECKS
from denselab.errors import UsageError

__all__ = ["LookOptions", "diagnose"]


class LookOptions(TypedDict, total=False):
    """How `diagnose` looks.

    Attributes:
        silence: Ids of checks to leave out.
        probe: Whether to try a few steps on copies of the weights, too, as `probe` does: seconds to a minute.
    """

    silence: Iterable[str]
    probe: bool


def diagnose(
    model: keras.Model,
    x: Any,
    y: Any = None,
    *,
    fit_arguments: Mapping[str, Any] | None = None,
    validation_data: Any = None,
    **options: Unpack[LookOptions],
) -> Diagnosis:
    """Looks at a model, its data and the arguments of `fit`, before any training.

    Nothing is trained and nothing is changed: neither weights, optimizer and compiled state nor any
    random state; with `probe=True` a few steps are tried on copies of the weights. Large data are looked
    at in evenly spaced rows (`doctor.facts.tables`), so the same setup always gives the same findings.

    Args:
        model: A Keras model, best compiled and built.
        x: Inputs as for `fit`; iterators are not read.
        y: Targets as for `fit`.
        fit_arguments: What `fit` will be called with, such as `{"epochs": 20, "batch_size": 32}`; `{}`
            stands for Keras' defaults, None for not known.
        validation_data: Inputs and targets, if they are not among the arguments of `fit`.
        **options: See `LookOptions`.

    Returns:
        The findings, and what could not be looked at.

    Raises:
        UsageError: If `model` is no Keras model, or a silenced id does not exist.

    Example:
        >>> import numpy as np
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, "softmax")])
        >>> model.compile("adam", "binary_crossentropy")
        >>> x = np.random.default_rng(0).normal(size=(100, 4))
        >>> [finding.id for finding in diagnose(model, x, x[:, 0] > 0).errors]
        ['softmax-on-one-unit']
    """
    if not isinstance(model, keras.Model):
        raise UsageError(f"model is a {type(model).__name__}; give a keras.Model")
    silenced, tried = _chosen(**options)
    setup, reasons = gather(Request(model, x, y, fit_arguments, validation_data))
    findings, unseen = _looked_at(setup, silenced)
    if tried:
        more, unprobed = probed(model, setup, silence=silenced)
        findings, unseen = [*findings, *more], [*unseen, *unprobed]
    return Diagnosis(worst_first(findings), tuple(dict.fromkeys([*reasons, *unseen])), silenced)


def _chosen(*, silence: Iterable[str] = (), probe: bool = False) -> tuple[tuple[str, ...], bool]:
    silenced = tuple(sorted(set(silence)))
    _check_ids(silenced)
    return silenced, probe


def _looked_at(setup: Setup, silenced: tuple[str, ...]) -> tuple[list[Finding], list[str]]:
    """Lets all static checks look; what raised is said."""
    findings: list[Finding] = []
    unseen: list[str] = []
    for check in CHECKS:
        if check.card.id in silenced or check.card.kind != "static":
            continue
        try:
            findings += check.findings(setup)
        except Exception as error:  # never let a strange model end a diagnosis
            unseen.append(f"{check.card.id}: {type(error).__name__}: {error}")
    return findings, unseen


def _check_ids(silenced: tuple[str, ...]) -> None:
    known = {check.card.id for check in CHECKS}
    for name in silenced:
        if name not in known:
            raise UsageError(
                f"there is no check {name!r} to silence; give one of {', '.join(sorted(known))}"
            )
