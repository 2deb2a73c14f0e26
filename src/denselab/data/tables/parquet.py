"""Parquet files: parsed by another process, since a lie in one can end the process that reads it."""

import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from denselab.data.arrays import clean_name
from denselab.data.tables.reading import MOST_CELLS, check_size
from denselab.errors import DataError, UnsafeFileError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["parse_parquet"]

_SCRIPT = Path(__file__).with_name("parquet_reader.py")
_SECONDS = 300
_MOST_RATIO = 500


def parse_parquet(content: bytes) -> "pl.DataFrame":
    """Reads a Parquet file.

    Args:
        content: The bytes of the file.

    Returns:
        Its columns as they stand.

    Raises:
        DataError: If it is damaged, too large, or has no rows.
        UnsafeFileError: If it unpacks to many hundred times its size.
    """
    import polars as pl

    if not content.endswith(b"PAR1"):
        raise DataError("is a truncated Parquet file; write it again")
    with tempfile.TemporaryDirectory(prefix="denselab-") as folder:
        copy = Path(folder) / "table.arrow"
        answer = _answer(content, copy)
        if "unsafe" in answer:
            raise UnsafeFileError(
                f"{answer['unsafe']}; write it again without columns that repeat one value"
            )
        if "damaged" in answer:
            reason = clean_name(" ".join(str(answer["damaged"]).split()))[:160]
            raise DataError(f"is a damaged Parquet file ({reason}); write it again")
        check_size(int(answer["rows"]), int(answer["columns"]))
        # Through memory, not mapped: the copy is about to go.
        frame = pl.read_ipc(io.BytesIO(copy.read_bytes()))
    if not frame.height:
        raise DataError("has columns and no rows; give rows to train on")
    return frame


def _answer(content: bytes, copy: Path) -> dict[str, Any]:
    command = [sys.executable, "-I", str(_SCRIPT), str(copy), str(MOST_CELLS), str(_MOST_RATIO)]
    # Few threads take less address space, which the reader bounds.
    environment = {**os.environ, "POLARS_MAX_THREADS": "2", "RUST_BACKTRACE": "0"}
    try:
        done = subprocess.run(
            command,
            input=content,
            capture_output=True,
            env=environment,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise DataError(
            f"was not read in {_SECONDS} s; write it again, or save it as CSV"
        ) from error
    try:
        return json.loads(done.stdout)
    except ValueError:
        return {"damaged": f"reading it ended with status {done.returncode}"}
