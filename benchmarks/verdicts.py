"""How often the statistics of a study err, and how often they find what is there.

Every study is made up, so the truth is known; it then goes through `answer`, the function behind every
verdict. The bound is the promise: family-wise error at most 5 % over contrasts and looks.
A share p of N studies has a standard error of sqrt(p (1 - p) / N). Studies of test rows are 0 or 1 a
row, from a threshold model whose parts have the sizes that trainings on digits showed. The A/A studies
are real trainings of one recipe, dealt to arms at random.

    python benchmarks/verdicts.py                  # 10 minutes on two cores
    python benchmarks/verdicts.py --studies 100 --trainings 0 --print
"""

import argparse
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import sqrt
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np
import scipy
from engine.section import replace_section

from denselab.randomness import generator
from denselab.study.statistics import (
    ACCURACY,
    Arm,
    Question,
    Verdicts,
    answer,
    look_level,
    planned_power,
    rows_estimate,
    two_way_bootstrap,
)

ARMS = tuple("abcdef")
CONTRASTS = tuple(zip(ARMS[1:], ARMS[:-1], strict=True))
POINTS = replace(ACCURACY, scale=1.0)
QUESTION = Question(POINTS, CONTRASTS, region=0.5)
SHARES = replace(QUESTION, measure=ACCURACY)
FALSE = ("better", "worse")

Noise = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]

NOISES: dict[str, Noise] = {
    "normal": lambda stream, shape: stream.normal(size=shape),
    "heavy tails (t, 3 degrees)": lambda stream, shape: stream.standard_t(3, shape),
    "skewed (log-normal)": lambda stream, shape: stream.lognormal(size=shape),
}


@dataclass(frozen=True)
class Rows:
    """A threshold model of right and wrong: u of the row, v of row and arm, w of arm and seed, noise.

    Attributes:
        name: What it stands for.
        seeds: Seeds of each arm.
        rows: Test rows.
        by_seed: Size of w.
        by_row: Size of v: what makes one arm better on these rows and no other.
        spread: Size of u: how much rows differ in difficulty.
        middle: Threshold; 0 makes half of the rows right.
    """

    name: str
    seeds: int
    rows: int
    by_seed: float
    by_row: float
    spread: float = 1.5
    middle: float = 0.0

    def draw(self, stream: np.random.Generator, gain: float = 0.0) -> np.ndarray:
        """Draws right (1) and wrong (0), shape (arm, seed, row); `gain` lifts the last arm."""
        arms = len(ARMS)
        row = self.spread * stream.standard_normal(self.rows, np.float32)
        both = self.by_row * stream.standard_normal((arms, 1, self.rows), np.float32)
        seed = self.by_seed * stream.standard_normal((arms, self.seeds, 1), np.float32)
        noise = stream.standard_normal((arms, self.seeds, self.rows), np.float32)
        lift = np.zeros((arms, 1, 1), np.float32)
        lift[-1] = gain
        return row + both + seed + lift + noise > -self.middle


CIFAR = Rows("like CIFAR-10, 10,000 rows, deviation 0.5", 12, 10_000, by_seed=0.0157, by_row=0.305)
MODELS = (
    CIFAR,
    replace(CIFAR, name="the same, 8 seeds", seeds=8),
    replace(CIFAR, name="the same, rows alike for all arms", by_row=0.0),
    replace(CIFAR, name="the same, rows twice as unlike", by_row=0.61),
    Rows("like digits, 359 rows, 94 % right", 12, 359, by_seed=0.1, by_row=0.25, middle=2.8),
    Rows("like wine, 36 rows, 94 % right", 12, 36, by_seed=0.1, by_row=0.25, middle=2.8),
)
ONE_POINT = 0.0453
"""Lift of the threshold that makes one more row of 100 right in CIFAR's model."""


def row_arms(right: np.ndarray) -> dict[str, Arm]:
    """Makes arms of rows that are right or wrong, shape (arm, seed, row)."""
    return {
        name: Arm({seed: float(one.mean()) for seed, one in enumerate(own)}, dict(enumerate(own)))
        for name, own in zip(ARMS, right.astype(np.float64), strict=True)
    }


def seed_arms(scores: np.ndarray) -> dict[str, Arm]:
    """Makes arms of scores in points, shape (arm, seed)."""
    return {
        name: Arm(dict(enumerate(own))) for name, own in zip(ARMS, scores.tolist(), strict=True)
    }


def judge(question: Question, arms: dict[str, Arm]) -> Verdicts:
    """Answers without the bootstrap, which no verdict depends on."""
    return answer(question, arms, resamples=0)


def errs(verdicts: Verdicts) -> bool:
    """Says whether any contrast of a null study got a winner."""
    return any(one.verdict in FALSE for one in verdicts.contrasts)


def share(hits: Iterable[bool]) -> str:
    """Writes a share with its standard error."""
    values = np.array(list(hits), float)
    error = sqrt(max(values.mean() * (1 - values.mean()), 1 / len(values)) / len(values))
    return f"{100 * values.mean():.1f} ± {100 * error:.1f}"


def null_rows(model: Rows, studies: int) -> list[str]:
    """Null studies on one fixed test set each; the truth is over new rows."""
    stream = generator(1, "resampling")
    ours, seeds_only, flips, parts = [], [], [], []
    for _ in range(studies):
        arms = row_arms(model.draw(stream))
        verdicts = judge(replace(SHARES, region=0.0), arms)
        ours.append(errs(verdicts))
        blind = {name: replace(arm, rows=None) for name, arm in arms.items()}
        seeds_only.append(errs(judge(replace(SHARES, region=0.0), blind)))
        flips.append(any(one.p_holm <= QUESTION.level for one in verdicts.contrasts))
        parts.append(
            [
                (c.estimate.seed_variance / c.n, c.estimate.fixed_variance)
                for c in verdicts.contrasts
            ]
        )
    by_seed, by_row = np.sqrt(np.mean(parts, axis=(0, 1)))
    return [
        model.name,
        str(model.seeds),
        f"{by_seed:.2f}",
        f"{by_row:.2f}",
        share(ours),
        share(seeds_only),
        share(flips),
    ]


def null_seeds(name: str, noise: Noise, seeds: int, studies: int) -> list[str]:
    """Null studies of scores alone."""
    stream = generator(2, "resampling")
    question = replace(QUESTION, region=0.0)
    found = [
        judge(question, seed_arms(0.5 * noise(stream, (len(ARMS), seeds)))) for _ in range(studies)
    ]
    flips = (any(c.p_holm <= question.level for c in one.contrasts) for one in found)
    return [name, str(seeds), share(map(errs, found)), share(flips)]


def planted(studies: int) -> list[list[str]]:
    """One point in one of five contrasts, with rows and without."""
    stream = generator(3, "resampling")
    found = [judge(SHARES, row_arms(CIFAR.draw(stream, ONE_POINT))) for _ in range(studies)]
    lines = [_found("rows like CIFAR-10's, 12 seeds", found)]
    for seeds in (8, 10, 12, 15):
        gain = np.zeros((len(ARMS), 1))
        gain[-1] = 1.0
        scores = [0.5 * stream.normal(size=(len(ARMS), seeds)) + gain for _ in range(studies)]
        found = [judge(QUESTION, seed_arms(one)) for one in scores]
        power = planned_power(
            seeds, contrasts=5, difference=1.0, deviation=0.5 * sqrt(2), region=0.5
        )
        lines.append(
            [*_found(f"seeds alone, {seeds} seeds", found)[:-1], f"{100 * power.better:.1f}"]
        )
    return lines


def _found(name: str, found: list[Verdicts]) -> list[str]:
    mean = np.mean([one.contrasts[-1].difference for one in found])
    return [name, f"{mean:.2f}", share(one.contrasts[-1].verdict == "better" for one in found), "-"]


def equivalence(studies: int) -> list[list[str]]:
    """How often two arms are called equivalent, without a difference and at the border of the region."""
    lines = []
    for contrasts in (1, 5):
        question = replace(QUESTION, contrasts=CONTRASTS[:contrasts])
        for seeds in (12, 17, 24, 34, 48):
            stream = generator(4, "resampling")
            cells = []
            for step in (0.0, 0.5):
                levels = step * np.arange(len(ARMS))[:, None]
                found = [
                    judge(
                        question, seed_arms(0.495 * stream.normal(size=(len(ARMS), seeds)) + levels)
                    )
                    for _ in range(studies)
                ]
                one = [v.contrasts[0].verdict == "equivalent" for v in found]
                some = [any(c.verdict == "equivalent" for c in v.contrasts) for v in found]
                cells += [share(one)] if step == 0 else [share(some)]
            power = planned_power(
                seeds, contrasts=contrasts, difference=0.0, deviation=0.7, region=0.5
            )
            lines.append(
                [str(contrasts), str(seeds), cells[0], f"{100 * power.equivalent:.1f}", cells[1]]
            )
    return lines


def looks(studies: int) -> list[list[str]]:
    """Null studies looked at four times while they grow; an error at any look counts."""
    sizes = (8, 12, 18, 24)
    plans: dict[str, Callable[[int], float]] = {
        "5 % at every look": lambda _: 0.05,
        "look_level, planned for 8, then extended": lambda k: look_level(sizes[: k + 1]),
        "look_level, planned for 24": lambda k: look_level(sizes[: k + 1], planned=24),
    }
    stream = generator(5, "resampling")
    errors: dict[str, list[bool]] = {name: [] for name in plans}
    for _ in range(studies):
        scores = 0.5 * stream.normal(size=(len(ARMS), sizes[-1]))
        for name, level in plans.items():
            found = (
                judge(replace(QUESTION, region=0.0, level=level(k)), seed_arms(scores[:, :size]))
                for k, size in enumerate(sizes)
            )
            errors[name].append(any(map(errs, found)))
    return [[name, share(own)] for name, own in errors.items()]


def checks(studies: int) -> list[list[str]]:
    """Coverage of 95 % intervals of one contrast: t interval and both bootstraps."""
    lines = []
    for seeds, rows in ((6, 1), (12, 1), (6, 200), (12, 200)):
        stream = generator(6, "resampling")
        hits: dict[str, list[bool]] = {"t": [], "studentised": [], "percentile": []}
        for place in range(studies):
            d = stream.normal(size=(seeds, 1)) + 3.0 * stream.normal(size=(1, rows)) * (rows > 1)
            d = d + 10.0 * stream.normal(size=(seeds, rows)) * (rows > 1)
            low, high = rows_estimate(d).interval(0.05)
            hits["t"].append(low <= 0 <= high)
            low, high = two_way_bootstrap(d, level=0.05, seed=place, resamples=999)
            hits["studentised"].append(low <= 0 <= high)
            drawn = d[stream.integers(0, seeds, (999, seeds))].mean(axis=1)
            means = drawn.mean(axis=1)
            low, high = np.quantile(means, [0.025, 0.975])
            hits["percentile"].append(bool(low <= 0 <= high))
        lines.append(
            [str(seeds), "not known" if rows == 1 else str(rows), *map(share, hits.values())]
        )
    return lines


def real_null(trainings: int, studies: int) -> list[list[str]]:
    """A/A studies: trainings of one recipe on digits, dealt to six arms of twelve seeds at random."""
    from denselab.data import hold_out_test, load
    from denselab.recipes import load_recipe
    from denselab.training import train_recipe

    data = hold_out_test(load("digits"))
    result = train_recipe(load_recipe("plain", preset="tuned"), data, seeds=range(trainings))
    assert data.test_y is not None
    right = np.stack(
        [
            t.predictions.test.argmax(1) == data.test_y
            for t in result.trials
            if t.predictions is not None
        ]
    )
    stream = generator(7, "resampling")
    ours, blind = [], []
    for _ in range(studies):
        arms = row_arms(stream.permutation(right)[:72].reshape(len(ARMS), 12, -1))
        ours.append(errs(judge(replace(SHARES, region=0.0), arms)))
        seeds = {name: replace(arm, rows=None) for name, arm in arms.items()}
        blind.append(errs(judge(replace(SHARES, region=0.0), seeds)))
    scores = 100 * right.mean(axis=1)
    what = f"{len(right)} trainings of plain, {scores.mean():.2f} ± {scores.std(ddof=1):.2f} %"
    return [[what, share(ours), share(blind)]]


def table(header: str, lines: list[list[str]]) -> str:
    """Writes a Markdown table."""
    names = header.split("; ")
    rule = ["---"] + ["---:"] * (len(names) - 1)
    return "\n".join(f"| {' | '.join(line)} |" for line in (names, rule, *lines))


def report(asked: argparse.Namespace) -> str:
    """Runs everything and writes the section."""
    n, started = asked.studies, time.monotonic()
    parts = [
        "### Null studies on one test set each",
        "Six arms alike over new rows, five contrasts, each arm against the one before; region 0, so any winner is an "
        "error. `se` are of one difference in points, its part of seeds and of rows. Promise: at most 4 % at the first "
        "look.",
        table(
            "model; seeds; se of seeds; se of rows; verdicts, %; t over seeds alone, %; sign flips and Holm, %",
            [null_rows(model, n) for model in MODELS],
        ),
        "### Null studies of scores alone",
        table(
            "noise; seeds; verdicts, %; sign flips and Holm, %",
            [
                null_seeds(name, noise, seeds, 2 * n)
                for name, noise in NOISES.items()
                for seeds in (8, 12, 20)
            ],
        ),
        "### A planted point",
        "One of five contrasts differs by one point; every arm has deviation 0.5; region 0.5. Goal: at least 80 % at "
        "12 seeds.",
        table("study; mean difference; found, %; planned power, %", planted(n)),
        "### Equivalence within ±0.5",
        "Differences of deviation 0.7. Without a difference: the share of contrasts called equivalent. At the border, "
        "every contrast differs by exactly 0.5: the share of studies with any contrast called equivalent, at most 4 %.",
        table(
            "contrasts; seeds; no difference, %; planned power, %; at the border, %", equivalence(n)
        ),
        "### Four looks at 8, 12, 18 and 24 seeds",
        "Null studies of scores alone; an error at any look counts. Promise: at most 5 %.",
        table("level; errors, %", looks(2 * n)),
        "### Coverage of 95 % intervals of one contrast",
        "Normal effects of seeds (1), rows (3) and both (10). The percentile bootstrap resamples seeds alone.",
        table("seeds; rows; t, %; studentised bootstrap, %; percentile bootstrap, %", checks(n)),
    ]
    if asked.trainings:
        parts += [
            "### A/A trainings on digits",
            "Trainings of one recipe, dealt at random to six arms of twelve seeds; rows are the same 359. Studies "
            "share trainings, so their errors are correlated and the standard error is a little too small.",
            table("trainings; verdicts, %; t over seeds alone, %", real_null(asked.trainings, n)),
        ]
    return "\n\n".join([_heading(asked, time.monotonic() - started), *parts])


def _heading(asked: argparse.Namespace, seconds: float) -> str:
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    ).stdout.strip()
    command = (
        f"python benchmarks/verdicts.py --studies {asked.studies} --trainings {asked.trainings}"
    )
    return (
        "## Verdicts\n\n"
        f"- Command: `{command}`, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {seconds / 60:.0f} min\n"
        f"- n: {asked.studies:,} made-up studies a line ({2 * asked.studies:,} for scores alone and for looks); ± is "
        "the standard error of a share\n"
        f"- Machine: {platform.machine()}, {os.cpu_count()} cores; versions: python {platform.python_version()}, numpy "
        f"{np.__version__}, scipy {scipy.__version__}\n"
        f"- Commit: {commit}"
    )


def main() -> None:
    """Writes the section `verdicts` of RESULTS.md."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--studies", type=int, default=1_000)
    parser.add_argument("--trainings", type=int, default=144, help="0 leaves them out")
    parser.add_argument("--print", action="store_true", help="print the section only")
    asked = parser.parse_args()
    text = report(asked)
    if asked.print:
        print(text)
    else:
        replace_section(Path(__file__).with_name("RESULTS.md"), "verdicts", text)


if __name__ == "__main__":
    main()
