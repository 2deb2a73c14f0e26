"""Scores of any framework, read from a CSV file that is checked line by line."""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import NamedTuple

import numpy as np

from denselab.errors import DataError
from denselab.study.statistics.pairs import Arm

__all__ = ["DEFAULT_METRIC", "read_scores"]

DEFAULT_METRIC = "accuracy"
"""What scores are of in a file without a column `metric`."""

_COLUMNS = ("arm", "seed", "score")
_OPTIONAL = ("metric", "row")
_FAILED = "failed"
_MOST_BYTES = 32 * 2**20
_ESCAPE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|.)")
_WHOLE = re.compile(r"[+-]?\d{1,18}")


class _Line(NamedTuple):
    number: int
    metric: str
    arm: str
    seed: int
    row: str
    score: float | None


def read_scores(path: Path) -> dict[str, dict[str, Arm]]:
    """Reads scores: columns arm, seed, score; metric and row where there are several.

    The score of a trial that failed is the word "failed". With a column `row`, every line is the score of
    one test row, the same rows for all trials, and a trial's score is their mean. Other columns are
    left alone.

    Args:
        path: A CSV file in UTF-8, separated by commas.

    Returns:
        Metric -> arm -> scores, in the order of the file.

    Raises:
        DataError: If the file is not there, or anything in it is not as it should be.
    """
    lines = list(_lines(path))
    if not lines:
        raise DataError(f"{path}: has a header and no lines; give a score a line")
    by_metric: dict[str, dict[str, list[_Line]]] = {}
    for line in lines:
        by_metric.setdefault(line.metric, {}).setdefault(line.arm, []).append(line)
    return {
        metric: {name: _arm(path, one) for name, one in _same_rows(path, arms).items()}
        for metric, arms in by_metric.items()
    }


def _lines(path: Path) -> Iterator[_Line]:
    text = _text(path)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    seen: dict[tuple[str, ...], int] = {}
    try:
        header = [name.strip() for name in next(reader)]
        _check_header(path, header)
        for cells in reader:
            if not cells:
                continue
            where = f"{path}, line {reader.line_num}"
            if len(cells) != len(header):
                raise DataError(
                    f"{where}: has {len(cells)} cells, the header has {len(header)}; make them as many"
                )
            values = {name: _clean(cell) for name, cell in zip(header, cells, strict=True)}
            line = _parsed(where, reader.line_num, values)
            key = (line.metric, line.arm, str(line.seed), line.row)
            if key in seen:
                raise DataError(
                    f"{where}: arm {line.arm}, seed {line.seed} again, as in line {seen[key]}; give each once"
                )
            seen[key] = line.number
            yield line
    except csv.Error as error:
        raise DataError(
            f"{path}, line {reader.line_num}: no CSV ({error}); mend the line"
        ) from error


def _text(path: Path) -> str:
    if not path.is_file():
        raise DataError(f"{path}: no such file; give a CSV file with columns arm, seed, score")
    if path.stat().st_size > _MOST_BYTES:
        raise DataError(
            f"{path}: has more than 32 MiB; give fewer scores, one a trial and not one a row"
        )
    data = path.read_bytes()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in data:
        raise DataError(f"{path}: is UTF-16 or no text; save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    if not text.strip():
        raise DataError(f"{path}: is empty; give a header arm,seed,score and a score a line")
    return text


def _check_header(path: Path, header: list[str]) -> None:
    if len(header) == 1 and re.search(r"[;\t]", header[0]):
        raise DataError(f"{path}: is separated by semicolons or tabs; save it with commas")
    for name in (*_COLUMNS, *_OPTIONAL):
        if header.count(name) > 1:
            raise DataError(f"{path}: has {header.count(name)} columns {name}; give one")
    missing = [name for name in _COLUMNS if name not in header]
    if missing:
        raise DataError(
            f"{path}: has no column {missing[0]}, its columns are {', '.join(map(_clean, header))[:200]}; "
            "the first line must name arm, seed and score"
        )


def _parsed(where: str, number: int, values: dict[str, str]) -> _Line:
    for name in ("arm", *(name for name in _OPTIONAL if name in values)):
        if not values[name]:
            raise DataError(f"{where}: {name} is empty; give a name")
    if not _WHOLE.fullmatch(values["seed"]):
        raise DataError(f"{where}: seed {values['seed'][:40]!r} is no whole number; give one")
    return _Line(
        number,
        values.get("metric", DEFAULT_METRIC),
        values["arm"],
        int(values["seed"]),
        values.get("row", ""),
        _score(where, values["score"]),
    )


def _score(where: str, cell: str) -> float | None:
    if cell.casefold() == _FAILED:
        return None
    try:
        score = float(cell)
    except ValueError:
        raise DataError(
            f"{where}: score {cell[:40]!r} is no number; give one, or the word failed"
        ) from None
    if not isfinite(score):
        raise DataError(
            f"{where}: score {cell[:40]} is not finite; give a number, or the word failed"
        )
    return score


def _same_rows(path: Path, arms: dict[str, list[_Line]]) -> dict[str, list[_Line]]:
    """Checks that every trial is scored on the same rows, and puts them in one order."""
    trials: dict[tuple[str, int], set[str]] = {}
    for lines in arms.values():
        for line in lines:
            if line.score is not None:
                trials.setdefault((line.arm, line.seed), set()).add(line.row)
    rows = next(iter(trials.values()), set())
    for (arm, seed), own in trials.items():
        if own != rows:
            odd = sorted(own ^ rows)[0]
            raise DataError(
                f"{path}: row {odd} is not in every trial (see arm {arm}, seed {seed}); score all "
                "trials on the same rows"
            )
    return {name: sorted(lines, key=lambda line: line.row) for name, lines in arms.items()}


def _arm(path: Path, lines: list[_Line]) -> Arm:
    values: dict[int, list[float | None]] = {}
    for line in lines:
        values.setdefault(line.seed, []).append(line.score)
    mixed = [
        seed for seed, own in values.items() if None in own and any(v is not None for v in own)
    ]
    if mixed:
        raise DataError(
            f"{path}: arm {lines[0].arm}, seed {mixed[0]} failed in some rows only; a trial that "
            "failed has no scores"
        )
    seeds = sorted(values)
    sound = {seed: np.array(values[seed], float) for seed in seeds if None not in values[seed]}
    scores = {seed: float(sound[seed].mean()) if seed in sound else None for seed in seeds}
    return Arm(scores, sound if any(line.row for line in lines) else None)


def _clean(cell: str) -> str:
    """Takes out what a terminal would obey and not show."""
    return "".join(c for c in _ESCAPE.sub("", cell) if c.isprintable()).strip()
