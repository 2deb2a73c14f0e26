"""The preprocessing of a table as ONNX nodes, and what such a graph is fed with.

Every column is an input of its own under its name, shape (batch, 1): numbers and truth values as float64, NaN where
they are missing; categories as text, empty where they are missing. Numbers are computed in float64 until they are
scaled, as the preprocessing does, since float32 would lose the digits that tell large numbers apart.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from denselab.data import Preprocessing, Table
from denselab.data.tables import (
    BooleanStep,
    CategoryStep,
    NumberStep,
    levels_of,
    numbers_of,
    truths_of,
)
from denselab.onnx_export import ML, Graph, Value

__all__ = ["features_for", "graph_inputs"]

_CLIP = 3.0

Part = tuple[Value, list[int]]
"""Features side by side, and the places they belong to."""


def features_for(
    preprocessing: Preprocessing, missing: Sequence[str] = ("",)
) -> Callable[[Graph], Value]:
    """Gives what adds a preprocessing to a graph.

    Args:
        preprocessing: The preprocessing.
        missing: Texts of categories that mean a missing value.

    Returns:
        A function of the graph that gives the features, float32, shape (batch, feature).
    """

    def add(graph: Graph) -> Value:
        graph.scope("preprocessing")
        columns = [
            graph.column(step.name, text=isinstance(step, CategoryStep))
            for step in preprocessing.steps
        ]
        parts = list(_parts(graph, preprocessing, columns, [*{*missing, ""}]))
        places = [place for _, several in parts for place in several]
        values = [value for value, _ in parts]
        x = graph.node("Concat", *values, axis=1) if len(values) > 1 else values[0]
        if places != sorted(places):
            order = np.argsort(places)
            x = graph.node("Gather", x, graph.constant(order, "order"), axis=1)
        return x

    return add


def graph_inputs(preprocessing: Preprocessing, table: Table) -> dict[str, np.ndarray]:
    """Brings rows to what such a graph is fed with.

    Args:
        preprocessing: The preprocessing.
        table: A table with its columns.

    Returns:
        Column -> values, shape (row, 1).
    """
    fed = {}
    for step in preprocessing.steps:
        series = table.frame[step.name]
        if isinstance(step, CategoryStep):
            codes, names = levels_of(series)
            values = np.array([*names, ""], object)[codes]
        else:
            values = numbers_of(series) if isinstance(step, NumberStep) else truths_of(series)
            values = values.astype(np.float64)
        fed[step.name] = values[:, None]
    return fed


def _parts(
    graph: Graph, preprocessing: Preprocessing, columns: list[Value], missing: list[str]
) -> Iterator[Part]:
    """Adds the columns of one kind and scaling together, and categories one by one."""
    alike: dict[str, list[tuple[Any, Value, int]]] = {}
    place = 0
    for step, column in zip(preprocessing.steps, columns, strict=True):
        if isinstance(step, CategoryStep):
            yield (
                _category(graph, step, column, missing),
                [*range(place, place + len(step.features))],
            )
        else:
            kind = step.scaling if isinstance(step, NumberStep) else step.kind
            alike.setdefault(kind, []).append((step, column, place))
        place += len(step.features)
    for kind, members in alike.items():
        yield from _numbers(graph, kind, members)


def _numbers(graph: Graph, kind: str, members: list[tuple[Any, Value, int]]) -> Iterator[Part]:
    steps, columns, places = (list(one) for one in zip(*members, strict=True))
    x = graph.node("Concat", *columns, axis=1) if len(columns) > 1 else columns[0]
    gone = graph.node("IsNaN", x)
    filled = graph.node(
        "Where", gone, graph.exact([[_stand_in(one) for one in steps]], "instead"), x
    )
    if kind == "quantile":
        yield _quantiles(graph, steps, filled), places
    elif kind in ("standard", "robust"):
        yield graph.cast(_scaled(graph, steps, filled, bent=kind == "robust")), places
    else:
        yield graph.cast(filled), places
    marked = [number for number, step in enumerate(steps) if step.indicator]
    if marked:
        picked = graph.constant(marked, "marked")
        marks = graph.node("Gather", graph.cast(gone), picked, axis=1)
        yield marks, [places[number] + 1 for number in marked]


def _stand_in(step: NumberStep | BooleanStep) -> float:
    return step.median if isinstance(step, NumberStep) else float(step.common)


def _scaled(graph: Graph, steps: list[NumberStep], x: Value, *, bent: bool) -> Value:
    away = graph.node("Sub", x, graph.exact([[step.center for step in steps]], "center"))
    z = graph.node("Mul", away, graph.exact([[step.scale for step in steps]], "scale"))
    if not bent:
        return z
    third = graph.node("Div", z, graph.exact([[_CLIP]], "clip"))
    square = graph.node("Mul", third, third)
    root = graph.node("Sqrt", graph.node("Add", square, graph.exact([[1.0]], "one")))
    return graph.node("Div", z, root)


def _quantiles(graph: Graph, steps: list[NumberStep], x: Value) -> Value:
    """Adds what is linear between knots: the first score, and of each further step the share that x has gone."""
    made = []
    for number, step in enumerate(steps):
        knots, scores = np.array(step.knots), np.array(step.scores)
        one = graph.node("Gather", x, graph.constant([number], "place"), axis=1)
        first = graph.exact(scores[None, :1], "score")
        if len(knots) == 1:
            still = graph.node("Mul", one, graph.exact([[0.0]], "zero"))
            made.append(graph.node("Add", still, first))
            continue
        gone = graph.node("Sub", one, graph.exact(knots[None, :-1], "knots"))
        share = graph.node("Div", gone, graph.exact(np.diff(knots)[None], "widths"))
        low, high = graph.exact(0.0, "none"), graph.exact(1.0, "all")
        within = graph.node("Min", graph.node("Max", share, low), high)
        climbed = graph.node("MatMul", within, graph.exact(np.diff(scores)[:, None], "steps"))
        made.append(graph.node("Add", climbed, first))
    together = graph.node("Concat", *made, axis=1) if len(made) > 1 else made[0]
    return graph.cast(together)


def _category(graph: Graph, step: CategoryStep, column: Value, missing: list[str]) -> Value:
    integer = step.encoding == "integer"
    other = 0 if integer or step.pooled else -1
    first = other + 1
    slots = dict.fromkeys(missing, first if step.indicator else other)
    slots |= {level: first + step.indicator + place for place, level in enumerate(step.levels)}
    codes = graph.node(
        "LabelEncoder",
        column,
        domain=ML,
        keys_strings=list(slots),
        values_int64s=list(slots.values()),
        default_int64=other,
    )
    if integer:
        return graph.cast(codes)
    return graph.cast(
        graph.node("Equal", codes, graph.constant(np.arange(step.slots)[None], "slots"))
    )
