"""Keeps a few test pictures with a study: those it is least sure of, and those it gets wrong most surely.

A report must show them without the data, so their pixels stand in the study's database, small, beside
the other documents, and are covered by the same checksums.
"""

import base64
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Float, Integer, Num, UInt8

from denselab.data import Dataset
from denselab.errors import CorruptStudyError
from denselab.study.arms import arms_of, missing_seeds
from denselab.study.reading import Study, read_predictions
from denselab.study.records import ArmRecord, TrialRecord, trials_of
from denselab.study.store import Store

__all__ = [
    "PICTURES_DOCUMENT",
    "KeptPicture",
    "Why",
    "kept_pictures",
    "remember_pictures",
    "shown_arm",
]

PICTURES_DOCUMENT = "pictures"
Why = Literal["most uncertain", "wrong and most sure"]

_COUNT = 12
"""Pictures of each kind."""

_MOST_SIDE = 96
_MOST_BYTES = 2 * _COUNT * _MOST_SIDE**2 * 3


class KeptPicture(NamedTuple):
    """A test picture of a study.

    Attributes:
        row: Its place among the test rows.
        why: Why it is kept.
        pixels: What it shows; three channels, or one if it is grey.
    """

    row: int
    why: Why
    pixels: UInt8[np.ndarray, "y x channel"]


def shown_arm(study: Study) -> ArmRecord | None:
    """Picks the arm whose mistakes are shown, by validation rows alone.

    Args:
        study: The study.

    Returns:
        The arm of highest mean validation accuracy among those whose predictions are kept, of equals
        the first; None if there is none.
    """

    def accuracy(arm: ArmRecord) -> float:
        trials = trials_of(arm, study.trials).values()
        return float(np.mean([t.validation.accuracy for t in trials if not t.failed]))

    kept = [arm for arm in arms_of(study) if _with_predictions(study, arm)]
    return max(kept, key=accuracy, default=None)


def remember_pictures(store: Store, data: Dataset) -> None:
    """Puts a few test pictures on record once all trials are there; does nothing for other data.

    Args:
        store: The study.
        data: Its data.
    """
    study = store.study
    if data.image_shape is None or data.class_names is None or any(missing_seeds(study).values()):
        return
    arm = shown_arm(study)
    if arm is None or data.test_x is None or data.test_y is None:
        return
    trials = _with_predictions(study, arm)
    probabilities = np.mean([read_predictions(study, one)["test"] for one in trials], axis=0)
    rows = _chosen(probabilities, data.test_y)
    pixels = _small(
        data.test_x.reshape(-1, *data.image_shape)[[row for row, _ in rows]], data.test_x
    )
    known = {
        "arm": arm.name,
        "rows": [row for row, _ in rows],
        "why": [why for _, why in rows],
        "shape": list(pixels.shape),
        "pixels": base64.b64encode(pixels.tobytes()).decode(),
    }
    if study.documents.get(PICTURES_DOCUMENT) != known:
        store.put_document(PICTURES_DOCUMENT, known)


def kept_pictures(study: Study) -> tuple[str, list[KeptPicture]]:
    """Reads the pictures of a study.

    Args:
        study: The study.

    Returns:
        The arm whose predictions chose them, and the pictures; none where none are kept.

    Raises:
        CorruptStudyError: If what is on record are no pictures.
    """
    document = study.documents.get(PICTURES_DOCUMENT)
    if document is None:
        return "", []
    try:
        return str(document["arm"]), _unpacked(document)
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptStudyError(
            f"{study.folder}: its pictures cannot be read ({error}); run the comparison again"
        ) from error


def _unpacked(document: Mapping[str, Any]) -> list[KeptPicture]:
    shape = tuple(int(size) for size in document["shape"])
    raw = base64.b64decode(document["pixels"], validate=True)
    if len(shape) != 4 or min(shape) < 0 or shape[3] not in (1, 3) or len(raw) > _MOST_BYTES:
        raise ValueError(f"shape {shape}, {len(raw):,} bytes")
    pixels = np.frombuffer(raw, np.uint8).reshape(shape)
    unknown = set(document["why"]) - set(get_args(Why))
    if unknown:
        raise ValueError(f"reasons {sorted(unknown)}")
    rows = zip(document["rows"], document["why"], pixels, strict=True)
    return [KeptPicture(int(row), why, picture) for row, why, picture in rows]


def _with_predictions(study: Study, arm: ArmRecord) -> list[TrialRecord]:
    trials = trials_of(arm, study.trials).values()
    return [trial for trial in trials if not trial.failed and trial.predictions is not None]


def _chosen(
    probabilities: Float[np.ndarray, "row class"], labels: Integer[np.ndarray, " row"]
) -> list[tuple[int, Why]]:
    """Picks the rows of highest entropy, then the wrong ones of highest probability."""
    entropy = -(probabilities * np.log(np.maximum(probabilities, 1e-12))).sum(axis=1)
    uncertain = np.argsort(-entropy, kind="stable")[:_COUNT].tolist()
    sure = np.argsort(-probabilities.max(axis=1), kind="stable")
    wrong = sure[probabilities[sure].argmax(axis=1) != labels[sure]]
    surprising = [row for row in wrong.tolist() if row not in uncertain][:_COUNT]
    rows: list[tuple[int, Why]] = [(row, "most uncertain") for row in uncertain]
    return [*rows, *((row, "wrong and most sure") for row in surprising)]


def _small(pictures: Num[np.ndarray, "n y x channel"], every: np.ndarray) -> np.ndarray:
    """Brings pictures to bytes, as bright as among all of them, and to a side that is small."""
    step = -(-max(pictures.shape[1:3]) // _MOST_SIDE)
    thinned = pictures[:, ::step, ::step, : 3 if pictures.shape[3] > 1 else 1]
    if every.dtype == np.uint8:
        return np.ascontiguousarray(thinned)
    low, high = float(every.min()), float(every.max())
    scaled = 255 * (thinned.astype(np.float64) - low) / max(high - low, 1e-12)
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
