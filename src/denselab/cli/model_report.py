"""A trained model in words: lines for a screen, and the report beside its file."""

import re
from collections.abc import Iterator
from typing import Any

import typer

from denselab.cli.table import print_table, print_text
from denselab.cli.values import significant

__all__ = ["coverage_words", "markdown", "score_rows", "show_findings"]

_NAMES = {
    "accuracy": "accuracy",
    "log_loss": "log loss",
    "expected_calibration_error": "calibration error",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
}
_SHARES = ("accuracy", "expected_calibration_error")
_LISTED = 30
_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&])")


def show_findings(about: dict[str, Any]) -> None:
    """Prints what a training found.

    Args:
        about: From `train_findings.findings`.
    """
    for line in _data_words(about):
        print_text(line)
    print_text(_training_words(about))
    if about["model"] is None:
        print_text("the loss of every network was no number any more; try a lower learning rate")
        return
    typer.echo()
    rows = score_rows(about)
    print_table(("test rows", "score", "95 % interval", "baseline"), rows, right=" rrr")
    typer.echo()
    for line in _after_words(about):
        print_text(line)
    print_text(f"model: {about['model']}")
    print_text(f"report: {about['report']}")


def score_rows(about: dict[str, Any]) -> list[list[str]]:
    """Lists scores as cells: name, value, interval, and baseline where there is one.

    Args:
        about: An object with `scores`, and perhaps `baseline`.

    Returns:
        One row a score.
    """
    baseline = about.get("baseline") or {}
    return [
        [
            _NAMES[name],
            _number(name, one["value"]),
            f"{_number(name, one['low'])} to {_number(name, one['high'])}",
            *([_number(name, baseline[name]) if name in baseline else ""] if baseline else []),
        ]
        for name, one in about["scores"].items()
    ]


def coverage_words(about: dict[str, Any]) -> str:
    """Says how large sets or intervals are, and what they hold.

    Args:
        about: The part `coverage`, of findings or an evaluation.

    Returns:
        A sentence without a stop.
    """
    share = f"{100 * about['asked']:g} %"
    held = f"hold the truth of {100 * about['covered']:.1f} % of the test rows"
    by = f"from {about['calibration_rows']:,} calibration rows"
    if "set_size" in about:
        return (
            f"prediction sets of {share} have {about['set_size']:.2f} classes on average and {held} "
            f"({by})"
        )
    if about["width"] is None:
        return (
            f"{about['calibration_rows']:,} calibration rows are too few for intervals of {share}"
        )
    return f"intervals of {share} are {significant(about['width'])} wide and {held} ({by})"


def markdown(about: dict[str, Any]) -> str:
    """Writes the report that lies beside a model.

    Args:
        about: From `train_findings.findings`, of a training that left a model.

    Returns:
        Markdown; names from the table cannot format it.
    """
    return "\n".join(_report(about)) + "\n"


def _report(about: dict[str, Any]) -> Iterator[str]:
    yield from (f"# {_escaped(about['dataset']['name'])}", "")
    for line in (*_data_words(about, escape=True), _training_words(about)):
        yield from (line[:1].upper() + line[1:] + ".", "")
    yield from ("## On rows it has not seen", "")
    rows = score_rows(about)
    yield from _grid([["", "model", "95 % interval", "baseline"], *rows], right=" rrr")
    yield ""
    for line in _after_words(about, escape=True):
        yield from (line[:1].upper() + line[1:] + ".", "")
    if about["confused"]:
        yield from ("## Classes taken for another", "")
        yield from _grid(
            [["class", "taken for", "rows"], *_confused(about["confused"])], right="  r"
        )
        yield ""
    if about["table"] is not None:
        yield from _columns(about["table"])
    yield from ("## Use it", "", "```sh")
    yield f"denselab predict {MODEL_NAME} NEW.csv --out predictions.csv"
    yield f"denselab evaluate {MODEL_NAME} LABELLED.csv"
    yield from (f"denselab export --onnx {MODEL_NAME}", "```")


MODEL_NAME = "model.keras"


def _columns(table: dict[str, Any]) -> Iterator[str]:
    yield from ("## Columns", "")
    used, left = table["columns"], table["left_out"]
    yield f"Used: {_listed(used, escape=True)}."
    yield ""
    for name, reason in left.items():
        yield f"- left out: {_escaped(name)} ({_escaped(reason)})"
    yield from ([""] if left else [])


def _confused(pairs: list[dict[str, Any]]) -> list[list[str]]:
    return [
        [
            _escaped(one["class"]),
            _escaped(one["predicted"]),
            f"{one['rows']:,} of {one['of']:,}",
        ]
        for one in pairs
    ]


def _data_words(about: dict[str, Any], *, escape: bool = False) -> Iterator[str]:
    table, shown = about["table"], _escaped if escape else str
    if table is None:
        return
    yield f"table {shown(table['source'])}: {table['rows']:,} rows"
    other = "regression" if table["task"] == "classification" else "classification"
    doubt = f"; --task {other} if that is wrong" if "whole numbers" in table["why"] else ""
    yield f"target {shown(table['target'])}: {table['task']} ({shown(table['why'])}{doubt})"
    used, left = table["columns"], table["left_out"]
    yield f"{len(used):,} columns are used, as {about['features']:,} features" + (
        f"; left out: {_listed([f'{name} ({why})' for name, why in left.items()], escape=escape)}"
        if left and not escape
        else ""
    )
    for warning in table["warnings"]:
        yield f"careful: {shown(warning)}"


def _training_words(about: dict[str, Any]) -> str:
    rows, members = about["rows"], len(about["seeds"])
    parts = [f"{rows['train']:,} train and validate"]
    parts += [f"{rows['calibration']:,} calibrate"] if rows["calibration"] else []
    networks = "1 network" if members == 1 else f"the mean of {members} networks"
    failed = len(about["failed_seeds"])
    lost = f", {failed} more failed" if failed else ""
    return (
        f"rows: {', '.join(parts)}, {rows['test']:,} test; recipe {about['recipe']}, {networks}{lost}, "
        f"{about['seconds']:.1f} s"
    )


def _after_words(about: dict[str, Any], *, escape: bool = False) -> Iterator[str]:
    shown = _escaped if escape else str
    yield f"baseline: {shown(about['baseline_of'])}"
    if about["coverage"] is not None:
        yield coverage_words(about["coverage"])
    else:
        yield "no calibration slice, so predictions come without sets or intervals"


def _listed(names: list[str], *, escape: bool) -> str:
    shown = [_escaped(name) if escape else name for name in names[:_LISTED]]
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    return ", ".join(shown) + more


def _number(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    if name in _SHARES:
        return f"{100 * value:.1f} %"
    # Adding 0 makes a 0 of what rounds to -0.
    return f"{round(value, 3) + 0:.3f}" if name in ("r2", "log_loss") else significant(value)


def _grid(rows: list[list[str]], *, right: str) -> Iterator[str]:
    head, *others = rows
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join('---:' if side == 'r' else '---' for side in right)} |"
    for row in others:
        yield f"| {' | '.join(row)} |"


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)
