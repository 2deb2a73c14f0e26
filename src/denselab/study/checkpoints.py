"""Checkpoints of members in training: one file a member, `checkpoints/<recipe>-<seed>.safetensors`.

A checkpoint takes its place whole and carries the SHA-256 of all of its bytes itself, so nothing about it
is on record elsewhere: at any moment there is one checkpoint of a member, the old or the new one, and it is
sound or it is not used. It is there for one purpose, to save time; a member whose checkpoint is damaged or
gone begins anew, a warning says so, and it ends with the same bytes.
"""

import json
import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from denselab.errors import UsageError
from denselab.study import files
from denselab.study.arms import missing_seeds
from denselab.study.reading import Study
from denselab.study.tuning import tuning_records

__all__ = [
    "INTERVAL",
    "MemberCheckpoints",
    "MemberName",
    "forget_done",
    "packed_checkpoint",
    "unpacked_checkpoint",
]

INTERVAL = "DENSELAB_CHECKPOINT_SECONDS"
"""This environment variable sets how much of a member's training may be lost; 60 seconds else."""

_LOGGER = logging.getLogger(__name__)
_FOLDER = "checkpoints"
_BLANK = b"0" * 64
_DIGEST = re.compile(rb'"sha256":"([0-9a-f]{64})"')
"""Where safetensors writes the entry `sha256`; quotes inside other entries have a backslash."""

Parts = tuple[dict[str, np.ndarray], dict[str, Any]]
"""The arrays of a checkpoint, and its header."""


@dataclass(frozen=True)
class MemberName:
    """Who a checkpoint is of.

    Attributes:
        recipe: Name of the recipe.
        settings: Hash of its hyper-parameters.
        seed: The seed.
        rate: The learning rate that is being tried, if this is tuning.
    """

    recipe: str
    settings: str
    seed: int
    rate: float | None = None

    @property
    def file(self) -> str:
        """Name of its file."""
        which = self.seed if self.rate is None else f"rate-{self.rate!r}"
        return f"{self.recipe}-{which}.safetensors"


class MemberCheckpoints:
    """The checkpoints of members that train side by side; a `denselab.training.Checkpoints`.

    Args:
        folder: The study folder.
        members: Who trains, in the order of their places.

    Attributes:
        seconds: How much of a member's training may be lost.

    Raises:
        UsageError: If the interval that was set is none.
    """

    def __init__(self, folder: Path, members: Sequence[MemberName]) -> None:
        self.seconds = _interval()
        self._folder = folder / _FOLDER
        self._members = members

    def load(self) -> dict[int, Parts]:
        """Reads the checkpoints there are; warns of those that cannot be used.

        Returns:
            Place of a member -> arrays and header, as they were saved.

        Raises:
            UsageError: If a file may not be read.
        """
        found = {}
        for place, member in enumerate(self._members):
            path = self._folder / member.file
            if not path.exists():
                continue
            try:
                found[place] = unpacked_checkpoint(files.read_whole(path), member)
            except ValueError as error:
                if isinstance(error, UsageError):
                    raise
                _LOGGER.warning(
                    "%s: %s, so this member begins anew; nothing else is lost", path, error
                )
        return found

    def save(self, place: int, arrays: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> None:
        """Writes a checkpoint, whole or not at all, in place of the one before.

        Args:
            place: Place of the member.
            arrays: Name -> array.
            header: Plain values.

        Raises:
            ExhaustedError: If the disk is full; the checkpoint before stands then.
            UsageError: If the folder cannot be written to.
        """
        member = self._members[place]
        data, path = packed_checkpoint(arrays, header, member), self._folder / member.file
        with files.writing(path):
            files.make_folders(path.parent)
            files.write_whole(path, data)

    def forget(self, place: int) -> None:
        """Removes the checkpoint of a member whose trial is on record."""
        files.remove_leftovers(self._folder / self._members[place].file)


def forget_done(study: Study) -> None:
    """Removes the checkpoints that nobody will go on from: a kill may have left them.

    Args:
        study: The study, held for writing.
    """
    folder = study.folder / _FOLDER
    if not folder.is_dir():
        return
    missing, tuned = missing_seeds(study), tuning_records(study)
    wanted = {f"{name}-{seed}.safetensors" for name in missing for seed in missing[name]}
    tuning = tuple(
        f"{name}-rate-"
        for name, seeds in missing.items()
        if seeds and (name not in tuned or tuned[name].chosen is None)
    )
    for path in folder.iterdir():
        if path.name not in wanted and not (tuning and path.name.startswith(tuning)):
            files.remove_leftovers(path)
    files.remove_folders([folder])


def packed_checkpoint(
    arrays: Mapping[str, np.ndarray], header: Mapping[str, Any], member: MemberName
) -> bytes:
    """Packs a checkpoint into the bytes of a safetensors file that carries its own SHA-256.

    Args:
        arrays: Name -> array.
        header: Plain values.
        member: Who it is of.

    Returns:
        The bytes. The digest is that of the file with 64 zeros in its place.

    Example:
        >>> member = MemberName("plain", "f" * 16, seed=0)
        >>> data = packed_checkpoint({"step": np.int32(3)}, {"format": 1}, member)
        >>> arrays, header = unpacked_checkpoint(data, member)
        >>> print(arrays["step"], header)
        3 {'format': 1}
    """
    from safetensors.numpy import save

    about = json.dumps({"format": 1, "member": asdict(member), "header": dict(header)})
    tensors = {name: np.array(value, order="C") for name, value in arrays.items()}
    data = save(tensors, metadata={"denselab": about, "sha256": _BLANK.decode()})
    place = _DIGEST.search(data)
    assert place is not None
    digest = files.sha256(data).encode()
    return b"".join((data[: place.start(1)], digest, data[place.end(1) :]))


def unpacked_checkpoint(data: bytes, member: MemberName) -> Parts:
    """Reads what `packed_checkpoint` packed.

    Args:
        data: The bytes of the file.
        member: Who it must be of.

    Returns:
        Its arrays and its header.

    Raises:
        ValueError: If a byte is not as it was written, or it is of another member; says what.
    """
    from safetensors.numpy import load

    size = int.from_bytes(data[:8], "little")
    place = _DIGEST.search(data, 8, min(8 + size, len(data)))
    if place is None:
        raise ValueError(f"is no checkpoint ({len(data):,} bytes)")
    blank = b"".join((data[: place.start(1)], _BLANK, data[place.end(1) :]))
    if files.sha256(blank).encode() != place[1]:
        raise ValueError("is not as it was written, its SHA-256 differs")
    about = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["denselab"])
    if about["member"] != asdict(member):
        raise ValueError("is of other hyper-parameters")
    return load(data), about["header"]


def _interval() -> float:
    text = os.environ.get(INTERVAL, "60")
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not seconds > 0:
        raise UsageError(f"{INTERVAL} is {text!r}; give seconds above 0, such as 60")
    return seconds
