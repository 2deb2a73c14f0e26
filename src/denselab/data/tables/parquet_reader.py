"""Reads a Parquet file in a process of its own, which may run out of its limits or crash.

This is a script, not a module of the room: `parquet` runs it with the Parquet file on its standard
input as `python parquet_reader.py table.arrow MOST_CELLS MOST_RATIO`. A footer that lies about the number of
values ends the process that reads it: polars 2.1 then asks for exabytes, and aborts.
"""

import io
import json
import sys
from contextlib import suppress

import polars as pl
from polars.exceptions import PanicException

__all__ = ["main"]

_SECONDS = 120
_MOST_MEMORY = 2**34
_SUSPICIOUS = 2**26


def main(target: str, most_cells: int, most_ratio: int) -> dict[str, object]:
    """Copies a table from Parquet to Arrow's file format.

    Args:
        target: The file to write.
        most_cells: Most rows times columns.
        most_ratio: Most bytes that a byte of the file may unpack to, where that is much.

    Returns:
        `rows` and `columns`; or `damaged`, `unsafe` or `large`, with the reason.
    """
    content = sys.stdin.buffer.read()
    lazy = pl.scan_parquet(io.BytesIO(content))
    columns = len(lazy.collect_schema())
    rows = int(lazy.select(pl.len()).collect().item())
    if rows * columns > most_cells:
        return {"large": True, "rows": rows, "columns": columns}
    wanted = 8 * rows * columns
    if wanted > max(_SUSPICIOUS, most_ratio * len(content)):
        return {"unsafe": f"unpacks from {len(content):,} to more than {wanted:,} bytes"}
    frame = lazy.collect()
    if frame.height != rows:
        return {"damaged": f"it says that it has {rows:,} rows, and has {frame.height:,}"}
    frame.write_ipc(target, compression="uncompressed")
    return {"rows": rows, "columns": columns}


def _limit() -> None:
    """Bounds memory, time and what is written, where the operating system can do that."""
    try:
        import resource
    except ImportError:  # Windows has no such limits.
        return
    limits = {
        resource.RLIMIT_AS: _MOST_MEMORY,
        resource.RLIMIT_CPU: _SECONDS,
        resource.RLIMIT_FSIZE: _MOST_MEMORY,
        resource.RLIMIT_CORE: 0,
    }
    for kind, limit in limits.items():
        with suppress(ValueError, OSError):  # A lower limit was set before.
            resource.setrlimit(kind, (limit, limit))


if __name__ == "__main__":
    _limit()
    try:
        answer = main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    except (Exception, PanicException) as error:  # What polars raises depends on the file.
        answer = {"damaged": str(error)[:300]}
    json.dump(answer, sys.stdout)
