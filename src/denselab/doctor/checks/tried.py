"""What is tried on the data and on code of one's own before the training."""

from collections.abc import Iterator

from denselab.doctor.check import Card, Found
from denselab.doctor.checks.probes import Trial

__all__ = ["CHECKS"]


@Card(
    id="targets-unrelated-to-inputs",
    title="Inputs that tell nothing of the targets beside them",
    group="probes",
    rows=(30,),
    severity="warning",
    threshold="in none of five ways of looking (columns, lines, products, Gaussian kernel, neighbours) better than 99 "
    "% of shuffled targets; at least 200 rows are needed",
    source="TheDeepChecker, Karpathy 2019; test by permutations own",
    labels=("TCL", "IDS"),
    why="Rows that were shuffled, sorted, joined or filtered without their labels can only be learned by heart.",
    remedy="Look where x and y go separate ways; if the relation is known to be weak or hidden, silence this check.",
    kind="probe",
)
def targets_unrelated_to_inputs(trial: Trial) -> Iterator[Found]:
    for part, relation in trial.relations.items():
        if relation.p > 0.01:
            yield Found(
                f"over {relation.rows} {part} rows {relation.p:.0%} of shuffled targets go as well with the inputs as "
                "the true ones",
                value=relation.p,
            )


@Card(
    id="gradient-differs-from-slope",
    title="A loss or layer of one's own whose gradient is not its slope",
    group="probes",
    rows=(64,),
    severity="warning",
    threshold="5 % off central differences along half of 6 directions, where differences over two lengths agree; or "
    "0 at 4 points whose values differ",
    source="TheDeepChecker; bounds own, for float32",
    labels=("LWC", "LCH"),
    why="The optimizer goes where the gradient says, and that is not down.",
    remedy="Look for stop_gradient, rounding, argmax, casts to whole numbers and custom_gradient; if one is there on "
    "purpose, silence this check.",
    kind="probe",
)
def gradient_differs_from_slope(trial: Trial) -> Iterator[Found]:
    for slope in trial.slopes:
        whose = f"layer {slope.layer!r}" if slope.layer else "the loss"
        if slope.flat:
            words = f"{whose} has gradient 0 wherever it was tried, its values differ by {slope.measured:.3g}"
        else:
            words = f"{whose} rises by {slope.measured:.3g} along a direction, its gradient says {slope.told:.3g}"
        yield Found(words, slope.layer, value=slope.measured - slope.told)


CHECKS = (targets_unrelated_to_inputs, gradient_differs_from_slope)
