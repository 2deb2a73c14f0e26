"""What the doctor finds in real faulty programs, and how often it is right.

Each setup of a file of facts (layers, loss, optimizer, statistics of x and y, arguments of `fit`, labels
of the fault) is rebuilt as a Keras model with data drawn to its statistics, and diagnosed before any
training. A setup is caught if an error or warning has one of its labels. The bound is 28 of 28; the best
published tool catches 33 of 62 such programs (reference of the catalogue).

    python benchmarks/doctor.py --cases path/to/cases.jsonl             # a minute on two cores
    python benchmarks/doctor.py --cases path/to/cases.jsonl --per-check # and over patients and twins
"""

import argparse
import importlib.util
import json
import os
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

from denselab.doctor import CHECKS, Diagnosis, diagnose
from denselab.randomness import generator

ROOT = Path(__file__).parents[1]
CASES = ROOT.parent / "shared" / "data" / "doctor" / "cases.jsonl"
UNKNOWN = "?"
WIDEST = 4096
LARGEST = 20_000_000
"""Flat inputs are cut to the widest, so that no array has more values than the largest."""


@dataclass(frozen=True)
class Rebuilt:
    """A setup made from facts: the model, data drawn to its statistics, and what was left out."""

    model: keras.Model
    x: np.ndarray
    y: np.ndarray | None
    fit_arguments: dict[str, Any]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """What came of diagnosing one setup."""

    case: Mapping[str, Any]
    diagnosis: Diagnosis
    notes: tuple[str, ...]

    @property
    def known(self) -> bool:
        """Whether the fault is known."""
        return UNKNOWN not in self.case["labels"]

    @property
    def right(self) -> tuple[str, ...]:
        """Ids of errors and warnings that have a label of the fault."""
        wanted = set(self.case["labels"])
        return tuple(dict.fromkeys(f.id for f in _loud(self.diagnosis) if wanted & set(f.labels)))

    @property
    def other(self) -> tuple[str, ...]:
        """Ids of the other errors and warnings."""
        right = self.right
        return tuple(dict.fromkeys(f.id for f in _loud(self.diagnosis) if f.id not in right))


def _loud(diagnosis: Diagnosis) -> tuple[Any, ...]:
    return (*diagnosis.errors, *diagnosis.warnings)


def read_cases(path: str | Path) -> list[dict[str, Any]]:
    """Reads setups, one JSON object a line."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def judge(path: str | Path) -> list[Verdict]:
    """Rebuilds and diagnoses every setup of a file."""
    return [verdict(case) for case in read_cases(path)]


def verdict(case: Mapping[str, Any]) -> Verdict:
    """Rebuilds and diagnoses one setup."""
    keras.backend.clear_session()
    setup = rebuild(case)
    found = diagnose(setup.model, setup.x, setup.y, fit_arguments=setup.fit_arguments)
    return Verdict(case, found, setup.notes)


def rebuild(case: Mapping[str, Any]) -> Rebuilt:
    """Rebuilds one setup from its facts; what is missing takes Keras' default."""
    notes: list[str] = []
    stream = generator(zlib.crc32(str(case["id"]).encode()), "resampling")
    x_facts, y_facts = case.get("x") or {}, case.get("y")
    x = draw(_cut(x_facts, notes), stream)
    same = y_facts is not None and _alike(x_facts, y_facts)
    y = x.copy() if same else None if y_facts is None else draw(y_facts, stream)
    model = _model(case, x, notes)
    _compile(model, case, notes)
    arguments = _fit_arguments(case.get("fit") or {}, notes)
    if arguments.pop("validation_data", None):
        rows = max(2, len(x) // 5)
        x_held = draw({**_cut(x_facts, []), "shape": [rows, *x.shape[1:]]}, stream)
        y_held = (
            None if y_facts is None else draw({**y_facts, "shape": [rows, *y.shape[1:]]}, stream)
        )
        arguments["validation_data"] = (x_held, y_held)
    return Rebuilt(model, x, y, arguments, tuple(notes))


def draw(facts: Mapping[str, Any], stream: np.random.Generator) -> np.ndarray:
    """Draws an array to recorded statistics: shape, dtype, range, mean, deviations, distinct values."""
    shape = tuple(facts.get("shape") or (100, 4))
    dtype = np.dtype(facts.get("dtype") or "float64")
    if facts.get("rows_onehot"):
        classes = np.resize(np.arange(shape[-1]), shape[0])
        return np.eye(shape[-1])[stream.permutation(classes)].reshape(shape).astype(dtype)
    values = _values(facts, shape, stream)
    if facts.get("nan"):
        values.flat[len(values.flat) // 2] = np.nan
    return values.astype(dtype)


def _values(
    facts: Mapping[str, Any], shape: tuple[int, ...], stream: np.random.Generator
) -> np.ndarray:
    mean, size = _number(facts, "mean", 0.0), int(np.prod(shape))
    deviation = _number(facts, "std", 1.0)
    low = _number(facts, "min", mean - 4 * deviation)
    high = _number(facts, "max", mean + 4 * deviation)
    distinct = int(facts.get("n_unique") or size)
    whole = bool(facts.get("integral"))
    if distinct == 2 and high > low:
        chosen = stream.permutation(size) < round(size * (mean - low) / (high - low))
        return np.where(chosen, high, low).reshape(shape)
    if distinct <= max(20, size // 20):
        palette = np.linspace(low, high, distinct)
        order = stream.permutation(np.resize(np.arange(distinct), size))
        return (np.round(palette) if whole else palette)[order].reshape(shape)
    spreads = np.linspace(
        _number(facts, "colstd_min", deviation),
        _number(facts, "colstd_max", deviation),
        shape[-1] if len(shape) > 1 else 1,
    )
    values = np.clip(mean + spreads * stream.normal(size=(*shape[:-1], len(spreads))), low, high)
    values = (
        values
        if len(shape) > 1
        else np.clip(mean + deviation * stream.normal(size=shape), low, high)
    )
    values.flat[0], values.flat[-1] = low, high
    return np.round(values) if whole else values


def _number(facts: Mapping[str, Any], name: str, otherwise: float) -> float:
    value = facts.get(name)
    return otherwise if value is None or not np.isfinite(value) else float(value)


def _alike(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Says whether two arrays have the same statistics throughout: one was given twice."""
    names = ("shape", "min", "max", "mean", "std", "colstd_min", "n_unique")
    exact = len(first.get("shape") or ()) > 1 and not first.get("rows_onehot")
    return exact and all(first.get(name) == second.get(name) for name in names)


def _cut(facts: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    shape = list(facts.get("shape") or (100, 4))
    if len(shape) == 2 and np.prod(shape) > LARGEST:
        notes.append(f"inputs cut from {shape[1]} to {WIDEST} columns")
        shape[1] = WIDEST
    while np.prod(shape) > LARGEST and shape[0] > 100:
        shape[0] //= 2
    unique = facts.get("n_unique")
    whole_rows = unique == shape[0] and len(shape) > 1  # counted along one column only
    return {**facts, "shape": shape, "n_unique": None if whole_rows else unique}


def _model(case: Mapping[str, Any], x: np.ndarray, notes: list[str]) -> keras.Model:
    layers = [layer for facts in case.get("layers") or () if (layer := _layer(facts, notes))]
    if not case.get("build_error"):
        try:
            return keras.Sequential([keras.Input(x.shape[1:]), *layers])
        except (ValueError, TypeError) as error:
            notes.append(f"not built: {str(error).splitlines()[0]}")
            layers = [layer for facts in case["layers"] if (layer := _layer(facts, notes))]
    return keras.Sequential(layers)


def _layer(facts: Mapping[str, Any], notes: list[str]) -> Any:
    kind = facts.get("type") or "Dense"
    cls = getattr(keras.layers, kind, None)
    activation = facts.get("activation") or "linear"
    options: dict[str, Any] = {}
    if kind == "Activation":
        options = {"activation": _activation(activation, notes)}
    elif kind == "Dense":
        bias = facts.get("use_bias")
        options = {
            "units": int(facts.get("units") or 1),
            "activation": _activation(activation, notes),
            "use_bias": True if bias is None else bool(bias),
            "kernel_initializer": _initializer(facts.get("init"), notes),
        }
    elif facts.get("rate") is not None:
        options = {"rate": float(facts["rate"])}
    try:
        layer = cls(**options)
    except (TypeError, ValueError) as error:
        notes.append(f"layer {kind} left out: {error}")
        return None
    layer.trainable = facts.get("trainable") is not False
    return layer


def _activation(name: Any, notes: list[str]) -> Any:
    try:
        return keras.activations.get(str(name).lower())
    except ValueError:
        notes.append(f"activation {name} read as linear")
        return "linear"


def _initializer(name: Any, notes: list[str]) -> Any:
    if name is None:
        return "glorot_uniform"
    try:
        return keras.initializers.get(str(name))
    except (ValueError, TypeError):
        notes.append(f"initializer {name} read as Glorot's")
        return "glorot_uniform"


def _compile(model: keras.Model, case: Mapping[str, Any], notes: list[str]) -> None:
    optimizer = keras.optimizers.get(_optimizer_name(case.get("opt"), notes))
    if case.get("lr") is not None:
        optimizer.learning_rate = float(case["lr"])
    if case.get("momentum") is not None and hasattr(optimizer, "momentum"):
        optimizer.momentum = float(case["momentum"])
    metrics = [metric for name in case.get("metrics") or () if (metric := _metric(name, notes))]
    loss = _loss(case.get("loss"), case.get("from_logits"), notes)
    model.compile(optimizer, loss, metrics=metrics)


def _optimizer_name(name: Any, notes: list[str]) -> str:
    known = {cls.lower(): cls for cls in dir(keras.optimizers)}
    found = str(name).lower().removesuffix("v2")
    if found not in known:
        notes.append(f"optimizer {name} read as SGD")
        return "sgd"
    return found


def _loss(name: Any, from_logits: Any, notes: list[str]) -> Any:
    try:
        loss = keras.losses.get(name)
        if from_logits and loss is not None and not isinstance(loss, keras.losses.Loss):
            words = loss.__name__.split("_")
            loss = getattr(keras.losses, "".join(map(str.capitalize, words)))(from_logits=True)
        return loss
    except (ValueError, TypeError, AttributeError):
        notes.append(f"loss {name} read as one of the user's")
        return lambda y, outputs: keras.ops.mean(keras.ops.square(y - outputs))


def _metric(name: Any, notes: list[str]) -> Any:
    try:
        return name if name in ("accuracy", "acc") else keras.metrics.get(str(name))
    except (ValueError, TypeError):
        notes.append(f"metric {name} left out")
        return None


def _fit_arguments(facts: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    arguments = {name: value for name, value in facts.items() if value is not None}
    callbacks = []
    for given in arguments.pop("callbacks", None) or ():
        options = dict(given) if isinstance(given, Mapping) else {"type": given}
        cls = getattr(keras.callbacks, str(options.pop("type", "")), None)
        try:
            callbacks.append(cls(**options))
        except (TypeError, ValueError):
            notes.append(f"callback {given} left out")
    return {**arguments, "callbacks": callbacks} if callbacks else arguments


def cases_table(verdicts: Sequence[Verdict]) -> str:
    """Writes the table of ids and verdicts as Markdown."""
    known = [verdict for verdict in verdicts if verdict.known]
    caught = sum(bool(verdict.right) for verdict in known)
    lines = [
        f"{caught} of {len(known)} setups with a known fault caught at error or warning level with a "
        "right label.",
        "",
        "| id | fault | labels | right | other errors and warnings |",
        "| --- | --- | --- | --- | --- |",
    ]
    for verdict in verdicts:
        right = ", ".join(f"`{name}`" for name in verdict.right)
        cells = (
            str(verdict.case["id"]),
            str(verdict.case.get("fault") or "").replace("|", "/"),
            ", ".join(verdict.case["labels"]),
            right or ("missed" if verdict.known else "-"),
            ", ".join(f"`{name}`" for name in verdict.other) or "-",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def load_tests(file: str) -> ModuleType:
    """Reads a table of the tests by its path."""
    name = f"denselab_doctor_{file}"
    if name not in sys.modules:
        path = ROOT / "tests" / "patients" / f"{file}.py"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def checks_table(verdicts: Sequence[Verdict], healthy: Iterable[Diagnosis]) -> str:
    """Writes precision and recall of every static check, over patients, twins, healthy nets and setups.

    Recall is over its patients. A false alarm is an error or warning on a twin or healthy net; in a
    setup, one without a right label is counted apart, since faults there may be unlisted.
    """
    table = load_tests("table")
    ill: Counter[str] = Counter()
    named: Counter[str] = Counter()
    alarms: Counter[str] = Counter()
    for patient in table.PATIENTS:
        found = {finding.id for finding in _loud(patient.diagnose_ill())}
        ill[patient.id] += 1
        named[patient.id] += patient.id in found
        alarms.update(finding.id for finding in _loud(patient.diagnose_well()))
    programs = 0
    for diagnosis in healthy:
        programs += 1
        alarms.update(finding.id for finding in _loud(diagnosis))
    right = Counter(name for verdict in verdicts if verdict.known for name in verdict.right)
    other = Counter(name for verdict in verdicts if verdict.known for name in verdict.other)
    lines = [
        f"{sum(ill.values())} patients, {sum(ill.values()) + programs} healthy: a twin each, {programs} programs.",
        "",
        "| check | patients named | false alarms | precision | setups, right label | setups, other label |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for card in (check.card for check in CHECKS):
        if card.kind != "static" or card.severity == "note":
            continue
        total = named[card.id] + right[card.id] + alarms[card.id]
        share = f"{1 - alarms[card.id] / total:.0%}" if total else "-"
        cells = (
            f"{named[card.id]} of {ill[card.id]}",
            *(str(value) for value in (alarms[card.id], share, right[card.id], other[card.id])),
        )
        lines.append(f"| `{card.id}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(
        description="What the doctor finds, and how often it is right."
    )
    parser.add_argument("--cases", type=Path, default=CASES, help="a file of setups")
    parser.add_argument(
        "--per-check", action="store_true", help="also precision and recall a check"
    )
    options = parser.parse_args()
    verdicts = judge(options.cases)
    print(cases_table(verdicts))
    if options.per_check:
        healthy = (program() for program in load_tests("healthy").PROGRAMS.values())
        print(f"\n{checks_table(verdicts, healthy)}")


if __name__ == "__main__":
    main()
