"""`denselab verdict`: which arms differ, by the scores of any framework."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from denselab.cli.options import JsonOption, command_app, grouped
from denselab.errors import UsageError

if TYPE_CHECKING:
    from denselab.study.statistics import Arm, ContrastVerdict, Question, Verdicts

__all__ = ["VerdictOptions", "app", "contrast_pairs", "show_verdicts", "verdict"]

app = command_app()

_HEADER = (
    "contrast",
    "n",
    "difference",
    "interval",
    "p",
    "verdict",
    "wrong\nwinner",
    "corre-\nlation",
)
_RIGHT = " rr r rr"


@dataclass(frozen=True)
class VerdictOptions:
    """What is asked of the scores."""

    metric: Annotated[
        str | None,
        typer.Option(help="The one metric with verdicts; by default the first of the file."),
    ] = None
    baseline: Annotated[
        str | None,
        typer.Option(help="Hold every other arm against this one, not against the one before it."),
    ] = None
    contrasts: Annotated[
        str | None,
        typer.Option(metavar="A:B,C:D", help="Hold A against B and C against D instead."),
    ] = None
    region: Annotated[
        float | None,
        typer.Option(
            help="Differences up to this size do not matter; 0.5 points, 0.01 nats of log loss."
        ),
    ] = None
    unit: Annotated[
        Literal["points", "raw"] | None,
        typer.Option(help="points: accuracies from 0 to 1 or to 100; raw: as they are."),
    ] = None
    higher_is_better: Annotated[
        bool | None,
        typer.Option(
            "--higher-is-better/--lower-is-better",
            help="By default lower for losses and higher for the rest.",
            show_default=False,
        ),
    ] = None
    test_fraction: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Every seed tested on a random SHARE of the rows of its own, as in cross-validation.",
        ),
    ] = None
    earlier_looks: Annotated[
        str | None,
        typer.Option(metavar="N,N", help="Seeds there were when verdicts were looked at before."),
    ] = None
    seed: Annotated[int, typer.Option(help="Decides the resamples of the checks.")] = 0
    as_json: JsonOption = False


@app.command()
@grouped
def verdict(
    scores: Annotated[
        Path,
        typer.Argument(
            help="CSV with columns arm, seed, score; metric and row where there are several."
        ),
    ],
    *,
    asked: VerdictOptions,
) -> None:
    """Say which arms differ, by scores of any framework.

    Arms are paired by seed. A trial that failed has the word failed as its score. With a column row,
    every line is the score of one test row, and verdicts speak of new test rows as well. By default
    each arm is held against the one before it, and accuracy is what is scored.
    """
    from denselab.study.statistics import answer, read_scores

    metrics = read_scores(scores)
    primary = next(iter(metrics)) if asked.metric is None else asked.metric
    if primary not in metrics:
        raise UsageError(f"no metric is called {primary}; {scores} has {', '.join(metrics)}")
    ordered = {primary: metrics[primary], **metrics}
    verdicts = [
        answer(_question(name, arms, asked, primary=name == primary), arms, seed=asked.seed)
        for name, arms in ordered.items()
    ]
    if asked.as_json:
        first, *others = (one.to_json() for one in verdicts)
        typer.echo(json.dumps({"scores": str(scores), **first, "others": others}))
        return
    for place, one in enumerate(verdicts):
        if place:
            typer.echo()
        show_verdicts(one)


def show_verdicts(verdicts: "Verdicts") -> None:
    """Prints verdicts to stdout: a table, every contrast in words, and how to read them.

    Args:
        verdicts: The answer to a question.
    """
    from denselab.cli.table import print_table, print_text
    from denselab.study.statistics import contrast_sentences, reading_sentences

    unit = verdicts.question.measure.unit
    header = [f"difference,\n{unit}" if one == "difference" and unit else one for one in _HEADER]
    print_table(header, [_row(one) for one in verdicts.contrasts], right=_RIGHT)
    typer.echo()
    for contrast in verdicts.contrasts:
        print_text(" ".join(contrast_sentences(verdicts, contrast)))
    typer.echo()
    for sentence in reading_sentences(verdicts):
        print_text(sentence)


def _row(one: "ContrastVerdict") -> list[str]:
    from denselab.study.statistics import amount, span

    return [
        f"{one.arm} - {one.against}",
        str(one.n),
        amount(one.difference),
        span(*one.interval),
        "-" if one.p_holm != one.p_holm else f"{one.p_holm:.2g}",
        "no verdict" if one.verdict == "none" else one.verdict,
        "-" if one.wrong is None else f"{100 * one.wrong.unpaired.share:.0f} %",
        "-" if one.correlation != one.correlation else f"{one.correlation:+.2f}",
    ]


def _question(
    metric: str, arms: "Mapping[str, Arm]", asked: VerdictOptions, *, primary: bool
) -> "Question":
    from denselab.study.statistics import Question, planned_contrasts
    from denselab.study.verdict import measure_for, region_for

    measure = (
        measure_for(metric, arms, unit=asked.unit, higher_is_better=asked.higher_is_better)
        if primary
        else replace(measure_for(metric, arms, unit="raw"), unit="")
    )
    pairs = planned_contrasts(
        list(arms), baseline=asked.baseline, contrasts=contrast_pairs(asked.contrasts)
    )
    return Question(
        measure,
        pairs,
        region_for(measure, asked.region) if primary else 0.0,
        level=_level(arms, asked),
        test_fraction=asked.test_fraction,
        primary=primary,
    )


def contrast_pairs(text: str | None) -> list[tuple[str, str]] | None:
    """Reads contrasts as they are typed.

    Args:
        text: Such as "batch_norm:plain,self_normalizing:plain"; None if nothing was typed.

    Returns:
        Pairs (arm, against), or None.

    Raises:
        UsageError: If a part names no two arms.

    Example:
        >>> contrast_pairs("b:a, c:a")
        [('b', 'a'), ('c', 'a')]
    """
    if text is None:
        return None
    pairs = []
    for part in text.split(","):
        names = [name.strip() for name in part.split(":")]
        if len(names) != 2 or not all(names):
            raise UsageError(f"contrast {part.strip()!r}; give two arms, such as batch_norm:plain")
        pairs.append((names[0], names[1]))
    return pairs


def _level(arms: "Mapping[str, Arm]", asked: VerdictOptions) -> float:
    from denselab.study.statistics import FIRST_LOOK, look_level

    if asked.earlier_looks is None:
        return FIRST_LOOK
    try:
        earlier = [int(one) for one in asked.earlier_looks.split(",")]
    except ValueError:
        raise UsageError(
            f"earlier looks {asked.earlier_looks!r}; give whole numbers of seeds, such as 12,24"
        ) from None
    return look_level([*earlier, max(len(arm.scores) for arm in arms.values())])
