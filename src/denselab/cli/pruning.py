"""What pruning a model did, as a table, as sentences and as data; and the folder it is left in."""

import errno
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import typer

from denselab.errors import DataError, DenselabError, ExhaustedError, UsageError
from denselab.sparsity import Measurement, SparsityFinding, inspect_sparsity, sparsity_of
from denselab.training import LoadedModel, Scores, score
from denselab.training.predicting import DrawPlan, draws_by_itself, predict_rows
from denselab.training.rewiring import flattened

__all__ = [
    "ModelFacts",
    "Outcome",
    "as_typed",
    "check_free",
    "check_shippable",
    "draws_of",
    "facts_of",
    "show",
    "whole_folder",
]

_DRAWS = 100
"""Draws of a model whose dropout stays on in prediction, where its file says no number."""

_WORDS = {
    "zero_rows": "inputs of layers that are not used any more",
    "zero_columns": "units that see nothing any more",
    "empty_layer": "weights of layers without any left",
    "disconnected_outputs": "outputs that no input reaches",
}


class ModelFacts(NamedTuple):
    """What is compared before and after.

    Attributes:
        test: Scores on the test rows.
        validation: Scores on the rows that watched.
        parameters: All numbers of its layers.
        nonzero: Those that are not 0.
        zeros: Share of zeros in its Dense kernels, from 0 to 1.
        bytes: Size of its file.
    """

    test: Scores
    validation: Scores
    parameters: int
    nonzero: int
    zeros: float
    bytes: int

    def to_json(self) -> dict[str, Any]:
        """Gives it as plain data."""
        return {
            **self._asdict(),
            "test": self.test._asdict(),
            "validation": self.validation._asdict(),
        }


@dataclass(frozen=True)
class Outcome:
    """All that the command has to say.

    Attributes:
        about: What was pruned, on what, how, and where it is now.
        before: The given model.
        after: The pruned model, as it was read back from its file.
        findings: What is worth knowing of its zeros.
        measurement: What it pays; None where it was not measured.
        notes: What was left out, and why.
    """

    about: dict[str, Any]
    before: ModelFacts
    after: ModelFacts
    findings: tuple[SparsityFinding, ...]
    measurement: Measurement | None
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Gives it as plain data."""
        measured = None if self.measurement is None else self.measurement.to_json()
        return {
            **self.about,
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "findings": [vars(finding) for finding in self.findings],
            "measurement": measured,
            "notes": list(self.notes),
        }


def draws_of(loaded: LoadedModel) -> int:
    """Says how many draws a model is meant for: by its file, or by its layers where that is silent."""
    if loaded.description is not None and loaded.description.draws > 1:
        return loaded.description.draws
    return _DRAWS if draws_by_itself(loaded.model) else 1


def facts_of(
    path: Path,
    loaded: LoadedModel,
    rows: Sequence[tuple[np.ndarray, np.ndarray]],
    *,
    classes: int,
) -> ModelFacts:
    """Measures a model.

    Args:
        path: Its file.
        loaded: What is in it.
        rows: Inputs and labels that test, and those that watched.
        classes: Number of classes they may be of.

    Returns:
        The facts.

    Raises:
        DenselabError: If the rows do not fit the model, or it gives no probabilities.
    """
    plan = DrawPlan(draws_of(loaded))
    try:
        tables = [predict_rows(loaded.model, x, plan).probabilities for x, _ in rows]
        flat = flattened(loaded.model)
        zeros = sparsity_of(flat).total
    except DenselabError as error:
        raise type(error)(f"{path}: {error}") from error
    if tables[0].shape[1] != classes:
        raise DataError(
            f"{path}: gives {tables[0].shape[1]} probabilities a row, expected one for each of {classes} classes; "
            "prune it on the data it was trained for"
        )
    test, validation = (score(table, y) for table, (_, y) in zip(tables, rows, strict=True))
    weights = [np.asarray(keras.ops.convert_to_numpy(weight)) for weight in flat.weights]
    return ModelFacts(
        test=test,
        validation=validation,
        parameters=sum(weight.size for weight in weights),
        nonzero=sum(int(np.count_nonzero(weight)) for weight in weights),
        zeros=zeros,
        bytes=path.stat().st_size,
    )


def check_shippable(model: keras.Model, *, allow_broken: bool) -> tuple[SparsityFinding, ...]:
    """Looks at the zeros of a pruned model.

    Args:
        model: The flat model.
        allow_broken: Whether to let a model pass that cannot answer as it should.

    Returns:
        The findings.

    Raises:
        DataError: If a layer has no weight left, or an output no path from any input.
    """
    findings = inspect_sparsity(model)
    broken = [finding for finding in findings if finding.breaks]
    if broken and not allow_broken:
        first = broken[0]
        what = (
            f"layer {first.layer} would have no weight left"
            if first.what == "empty_layer"
            else f"{first.number} outputs of layer {first.layer} would have no path from any input"
        )
        raise DataError(
            f"{what}, so nothing is written; prune less, give --scope layer or --skip {first.layer}, or ask "
            "for such a model with --allow-broken"
        )
    return findings


def as_typed(error: DenselabError) -> DenselabError:
    """Puts options in the place of parameters in what a library function says."""
    text = str(error)
    text = re.sub(
        r"skip=\[([^]]*)\]", lambda found: f"--skip {found[1].replace(chr(39), '')}", text
    )
    text = re.sub(r"\bskip names\b", "--skip names", text)
    text = re.sub(r"^(sparsity|epochs|method|scope) is\b", r"--\1 is", text)
    text = re.sub(r"^learning_rate is\b", "--learning-rate is", text)
    text = text.replace("a lower learning rate", "a lower --learning-rate")
    return type(error)(text)


def check_free(folder: Path) -> None:
    """Checks that a folder is not there yet, or empty.

    Args:
        folder: Where the pruned model is to go.

    Raises:
        UsageError: If something is in it.
    """
    from denselab.cli.selection import check_writable

    if folder.is_dir() and any(folder.iterdir()):
        first = min(path.name for path in folder.iterdir())
        raise UsageError(
            f"{folder / first} is there already; name another folder with --out, or remove it"
        )
    check_writable(folder.absolute().parent if not folder.exists() else folder)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Gives a place to write files that become a folder together, or are gone.

    Args:
        folder: The folder to make; it may be there, empty.

    Yields:
        A folder beside it.

    Raises:
        ExhaustedError: If the disk is full.
        UsageError: If the folder cannot be written to.
    """
    place = None
    try:
        folder = folder.absolute()
        folder.parent.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        yield place
        place.chmod(0o755)
        if folder.is_dir():
            folder.rmdir()  # Which is empty, or this refuses.
        os.replace(place, folder)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ExhaustedError(
                f"{folder}: the disk is full; free some space and try again"
            ) from error
        raise UsageError(
            f"{folder}: cannot be written ({error.strerror}); choose another folder"
        ) from error
    finally:
        if place is not None:
            shutil.rmtree(place, ignore_errors=True)


def show(outcome: Outcome, *, as_json: bool) -> None:
    """Prints the outcome.

    Args:
        outcome: The outcome.
        as_json: Whether as one object.
    """
    from denselab.cli.table import print_table, print_text

    if as_json:
        typer.echo(json.dumps(outcome.to_json()))
        return
    print_table(("", "before", "after"), list(_compared(outcome)), right=" rr")
    typer.echo()
    for line in _sentences(outcome):
        print_text(line)
    if outcome.measurement is not None:
        typer.echo()
        header, rows = outcome.measurement.cells()
        print_table(header, rows, right=" " + "r" * (len(header) - 1))
        typer.echo()
        for line in _measured(outcome.measurement):
            print_text(line)
    typer.echo()
    print_text(f"{outcome.about['out']}: {', '.join(outcome.about['files'])}")


def _compared(outcome: Outcome) -> Iterator[list[str]]:
    before, after = outcome.before, outcome.after
    for name, rows in (("test", "test"), ("validation", "validation")):
        scores: list[Scores] = [getattr(before, rows), getattr(after, rows)]
        yield [f"{name} accuracy, %", *(f"{100 * one.accuracy:.2f}" for one in scores)]
        yield [f"{name} log loss", *(f"{one.loss:.4f}" for one in scores)]
    yield ["parameters", f"{before.parameters:,}", f"{after.parameters:,}"]
    yield ["not zero", f"{before.nonzero:,}", f"{after.nonzero:,}"]
    yield ["zeros in kernels, %", f"{100 * before.zeros:.2f}", f"{100 * after.zeros:.2f}"]
    yield ["file, kB", f"{before.bytes / 1000:,.1f}", f"{after.bytes / 1000:,.1f}"]


def _sentences(outcome: Outcome) -> Iterator[str]:
    about, data = outcome.about, outcome.about["dataset"]
    tuned = f"{about['epochs']} epochs" if about["epochs"] else "no training"
    yield (
        f"{about['method']} to {100 * about['sparsity']:g} %, {tuned}; {data['test_rows']:,} test rows of "
        f"{data['name']} that had no part in it"
        f"{'' if about['draws'] == 1 else ', by the mean of ' + format(about['draws'], ',') + ' draws'}."
    )
    for what in dict.fromkeys(finding.what for finding in outcome.findings):
        some = [one for one in outcome.findings if one.what == what]
        where = ", ".join(f"{one.number:,} in {one.layer}" for one in some[:6])
        more = f" and {len(some) - 6} layers more" if len(some) > 6 else ""
        yield f"{_WORDS[what]}: {where}{more}."
    yield from outcome.notes


def _measured(measurement: Measurement) -> Iterable[str]:
    for way in measurement.ways:
        if way.not_measured:
            yield f"{way.title}: not measured: {way.not_measured}"
    yield (
        f"{measurement.machine}; {measurement.threads}; medians (quartiles) of {measurement.rounds} rounds"
    )
    yield measurement.recommend()
