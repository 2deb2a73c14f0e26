"""What was found, as Markdown; every figure and verdict is computed from the measurements."""

import math
from collections.abc import Iterable, Sequence

from engine import rows
from engine.goals import judge, list_goals
from engine.growth import Curve
from engine.network import operations, weights
from engine.plan import STOPPING_EPOCHS, Plan
from engine.roofline import BEYOND, MEMBER, SHAPES, SWEEPS, bound
from engine.timing import Spread, Summary, summarize
from engine.worker import Found

__all__ = ["write_bound", "write_goals", "write_growth", "write_rows", "write_stopping"]


def write_bound(found: Found, plan: Plan, cores: int) -> str:
    """Writes the roofline: rates, what a step needs, and the fraction that our rows reach.

    Args:
        found: All findings.
        plan: The sizes.
        cores: Cores of the run.

    Returns:
        Markdown.
    """
    counts = sorted({1, cores})
    libraries = sorted({rate.library for rate in found.rates if rate.what in SHAPES})
    rates = {(rate.what, rate.library, rate.cores): rate.value for rate in found.rates}
    heads = [f"{library}, {_cores(count)}" for library in libraries for count in counts]
    products = [
        [
            what,
            *(
                _number(rates.get((what, library, count)), 0)
                for library in libraries
                for count in counts
            ),
        ]
        for what in SHAPES
    ]
    memory = [
        [what, *(_number(rates.get((what, "numpy", count)), 1) for count in counts)]
        for what in (MEMBER, BEYOND)
    ]
    needs = ", ".join(
        f"{operations(batch) / 1e6:.0f} MFLOP at batch {batch}" for batch in plan.sizes
    )
    return "\n\n".join(
        [
            "### The bound",
            "Matrix products in float32, GFLOP/s, the best of several blocks; jax as the engine compiles it:",
            _table(["product", *heads], products),
            "Memory, GB/s, c = a + b with one thread a core; a member's weights, gradient and moments are "
            f"{16e-6 * weights():.0f} MB:",
            _table(["", *map(_cores, counts)], memory),
            f"A training step of a member needs {needs}, and at either batch size {SWEEPS} sweeps over {weights():,} "
            f"float32 weights, {SWEEPS * 4 * weights() / 1e6:.1f} MB, for the optimizer. The bound is the larger of "
            "operations over the best rate of the first table and bytes over the best bandwidth, one hidden behind "
            "the other entirely. Without overlap, the optimizer waiting for the gradient, it is the sum. A population "
            "on all cores is held to the peak of all cores.",
            _table(
                [
                    "row",
                    "batch",
                    "ms",
                    "operations, ms",
                    "memory, ms",
                    "of the bound",
                    "of the sum",
                ],
                _fractions(found, plan, cores),
            ),
        ]
    )


def write_rows(found: Found, plan: Plan) -> str:
    """Writes the peers and our rows, a table a batch size.

    Args:
        found: All findings.
        plan: The sizes.

    Returns:
        Markdown.
    """
    growth = {rows.layers(depth) for depth in plan.depths}
    growth |= {rows.samples(count) for count in plan.growing_samples} | {
        rows.ALL_RUN,
        rows.HALF_STOP,
    }
    parts = ["### Peers in turn"]
    for batch in plan.sizes:
        names = dict.fromkeys(
            t.row for t in found.timings if t.batch == batch and t.row not in growth
        )
        baseline = summarize(found.timings, rows.KERAS_JAX, batch)
        lines = []
        for name in names:
            summary = summarize(found.timings, name, batch)
            assert summary is not None
            lines.append(_row(name, summary, baseline))
        heads = [
            "",
            "ms per step and member",
            "min to max",
            "n",
            "times as fast as Keras `fit`, JAX",
        ]
        parts += [f"Batch {batch}:", _table([*heads, "seconds before", "loss"], lines)]
    parts.append(
        "Seconds before: compiling for denselab, the first epoch with its compiling for the others. "
        "Loss: mean training loss of the second epoch, to see that all learn alike; the first depends on the seed."
    )
    if missing := [*found.left_out, *found.failures]:
        parts += ["Left out:", "\n".join(f"- {line}" for line in missing)]
    return "\n\n".join(parts)


def write_goals(found: Found, plan: Plan, cores: int) -> str:
    """Writes the goals, what was measured and whether it is enough.

    Args:
        found: All findings.
        plan: The sizes.
        cores: Cores of the run.

    Returns:
        Markdown.
    """
    outcomes = [
        judge(goal, found.timings, plan.batch)
        for goal in list_goals(plan, cores, "".join(found.devices[:1]))
    ]
    lines = [
        [
            outcome.goal.text,
            f"{'≥' if outcome.goal.at_least else '≤'} {outcome.goal.limit:g}",
            _number(outcome.value, 2),
            f"{_number(outcome.low, 2)} to {_number(outcome.high, 2)}"
            if outcome.low is not None
            else "n/a",
            outcome.verdict,
        ]
        for outcome in outcomes
    ]
    table = _table(["", "goal", "measured", "rounds by themselves", ""], lines)
    return f"### Goals\n\nAt batch {plan.batch}, from medians:\n\n{table}"


def write_growth(curves: Sequence[Curve], picture: str | None) -> str:
    """Writes how time grows.

    Args:
        curves: The curves.
        picture: Name of the picture beside the file; None without one.

    Returns:
        Markdown.
    """
    parts = ["### Growth"]
    if picture is not None:
        parts.append(f"![Time against members, depth and samples]({picture})")
    else:
        parts.append(
            "The picture is left out: altair and vl-convert-python are not installed (make install)."
        )
    for curve in curves:
        heads = [curve.x, *map(str, curve.points), "grows with the power"]
        medians = [curve.y, *(_figures(s.median) for s in curve.points.values())]
        spreads = ["min to max", *(_range(s) for s in curve.points.values()), ""]
        parts.append(_table(heads, [[*medians, _number(curve.exponent, 2)], spreads]))
    parts.append(
        "Depth and samples: one member a core. The power is 0 where time is flat and 1 where it is linear."
    )
    return "\n\n".join(parts)


def write_stopping(found: Found, plan: Plan, cores: int) -> str:
    """Writes what members cost that stop early.

    Args:
        found: All findings.
        plan: The sizes.
        cores: Cores of the run.

    Returns:
        Markdown.
    """
    full = summarize(found.timings, rows.ALL_RUN, plan.batch)
    half = summarize(found.timings, rows.HALF_STOP, plan.batch)
    if full is None or half is None:
        return "### Members that stop early\n\nNot measured."
    members = 4 * cores
    step = full.milliseconds.median / 1e3
    lines = [
        [
            name,
            f"{s.steps:,}",
            _spread(s.milliseconds.times(s.steps / 1e3)),
            _figures(s.steps * step),
        ]
        for name, s in ((rows.ALL_RUN, full), (rows.HALF_STOP, half))
    ]
    change = half.milliseconds.median / full.milliseconds.median - 1
    return "\n\n".join(
        [
            "### Members that stop early",
            f"{members} members over {STOPPING_EPOCHS} epochs with a hook after every epoch, which stops none or "
            f"the first {members // 2} after one epoch:",
            _table(
                ["", "steps run", "seconds (min to max)", "the same steps at the first row's pace"],
                lines,
            ),
            f"A step that is run costs {change:+.1%} when half of the members stop.",
        ]
    )


def _fractions(found: Found, plan: Plan, cores: int) -> list[list[str]]:
    lines = []
    for batch, sizes in plan.sizes.items():
        names = {rows.ONE_CORE: 1, **{rows.population(count): cores for count in sizes}}
        for name, usable in names.items():
            summary = summarize(found.timings, name, batch)
            least = bound(found.rates, cores=usable, batch=batch)
            if summary is None or least is None:
                continue
            measured = summary.milliseconds.median
            parts = [_figures(ms) for ms in (measured, least.arithmetic, least.memory)]
            shares = [f"{ms / measured:.0%}" for ms in (least.overlapped, least.serial)]
            lines.append([name, str(batch), *parts, *shares])
    return lines


def _row(name: str, summary: Summary, baseline: Summary | None) -> list[str]:
    spread = summary.milliseconds
    times = None if baseline is None else baseline.milliseconds.median / spread.median
    return [
        name,
        _figures(spread.median),
        _range(spread),
        str(spread.count),
        _number(times, 2),
        _number(summary.before_seconds.median, 1),
        _number(summary.loss, 2),
    ]


def _cores(count: int) -> str:
    return "1 core" if count == 1 else f"{count} cores"


def _number(value: float | None, digits: int) -> str:
    return "n/a" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def _figures(value: float) -> str:
    """Writes three significant figures: a step of one member may take 30 ms or 3 µs."""
    digits = 2 - math.floor(math.log10(value)) if value > 0 else 2
    return f"{value:.{max(0, digits)}f}"


def _range(spread: Spread) -> str:
    return f"{_figures(spread.low)} to {_figures(spread.high)}"


def _spread(spread: Spread) -> str:
    return f"{_figures(spread.median)} ({_range(spread)})"


def _table(heads: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rule = ["---", *["---:"] * (len(heads) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in (heads, rule, *lines))
