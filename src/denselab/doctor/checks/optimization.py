"""The optimizer: its rate, its momentum, and whose weights it holds."""

from collections.abc import Iterator

from denselab.doctor.check import Card, Found
from denselab.doctor.checks.inputs import far_off_scale
from denselab.doctor.facts.layers import NORMALIZATIONS
from denselab.doctor.facts.setup import Setup

__all__ = ["CHECKS"]


@Card(
    id="learning-rate-too-high",
    title="A learning rate that is too high",
    group="optimizer and schedule",
    rows=(49,),
    severity="warning",
    threshold="at most 0.03 for Adam and its kin; for SGD below 1, and rate / (1 - momentum) at most 2, "
    "10 with normalization (own); a note above 0.01 for Adam",
    source="UMLAUT, TheDeepChecker; bounds own",
    labels=("HLR",),
    why="Steps overshoot: the loss jumps or becomes NaN, and relus die.",
    remedy="Divide it by 10, or look for one by denselab find-lr.",
)
def learning_rate_too_high(setup: Setup) -> Iterator[Found]:
    optimizer = setup.optimizer
    if optimizer is None or optimizer.rate is None:
        return
    rate, words = optimizer.rate, f"{optimizer.kind} has learning rate {optimizer.rate:.3g}"
    if optimizer.family == "adaptive" and rate > 0.01:
        yield Found(words, severity=None if rate > 0.03 else "note")
    if optimizer.family == "sgd":
        momentum = optimizer.momentum or 0.0
        reach = rate / (1 - momentum) if momentum < 1 else 0.0
        calm = any(layer.kind in NORMALIZATIONS for layer in setup.network.layers)
        if (rate >= 1 and not calm) or reach > (10 if calm else 2):
            yield Found(f"{words} and momentum {momentum:.3g}, in the long run {reach:.3g}")


@Card(
    id="learning-rate-too-low",
    title="A learning rate that is too low",
    group="optimizer and schedule",
    rows=(49,),
    severity="warning",
    threshold="at least 1e-6 for Adam and its kin, 1e-5 for SGD, 0.01 for Adadelta, 0.005 for Adagrad (own)",
    source="UMLAUT, TheDeepChecker; Zeiler, 2012, for Adadelta",
    labels=("HLR", "OCH"),
    why="The weights hardly move in any run of usual length.",
    remedy="Use 1e-3 for Adam, 1e-2 for SGD, 1.0 for Adadelta, or look for one by denselab find-lr.",
)
def learning_rate_too_low(setup: Setup) -> Iterator[Found]:
    optimizer = setup.optimizer
    if optimizer is None or optimizer.rate is None:
        return
    least = {"adaptive": 1e-6, "sgd": 1e-5}.get(optimizer.family, 1e-6)
    # Keras' defaults of 0.001 are a thousandth of Zeiler's and a tenth of Duchi's.
    least = {"Adadelta": 0.01, "Adagrad": 0.005}.get(optimizer.kind, least)
    if optimizer.rate < least:
        yield Found(
            f"{optimizer.kind} has learning rate {optimizer.rate:.3g}",
            severity="error" if optimizer.rate <= 0 else None,
        )


@Card(
    id="momentum-too-high",
    title="Momentum at or close to 1",
    group="optimizer and schedule",
    rows=(50,),
    severity="error",
    threshold="exact below 1; a warning above 0.99",
    source="catalogue row 50; silent in Keras 3 at 1.0",
    labels=("OCH", "HLR"),
    why="Old gradients are never forgotten: the weights swing and do not come to rest.",
    remedy="Use 0.9, for Adam beta_1 0.9 and beta_2 0.999.",
    fix={"optimizer.momentum": 0.9},
)
def momentum_too_high(setup: Setup) -> Iterator[Found]:
    optimizer = setup.optimizer
    if optimizer is None:
        return
    for name, value, high in (
        ("momentum", optimizer.momentum, 0.99),
        ("beta_2 or rho", optimizer.second, 0.99999),
    ):
        if value is not None and value > high:
            yield Found(
                f"{name} of {optimizer.kind} is {value:.6g}",
                severity=None if value >= 1 else "warning",
            )


@Card(
    id="epsilon-extreme",
    title="An epsilon that switches the optimizer's scaling off, or lets it divide by nothing",
    group="optimizer and schedule",
    rows=(51,),
    severity="warning",
    threshold="between 1e-10 and 1e-2",
    source="TheDeepChecker",
    labels=("HAE", "OCH"),
    why="It is added to a root mean square of gradients: too large it replaces it, too small it is no guard.",
    remedy="Use 1e-7.",
)
def epsilon_extreme(setup: Setup) -> Iterator[Found]:
    optimizer = setup.optimizer
    if optimizer is None or optimizer.epsilon is None or optimizer.family != "adaptive":
        return
    if not 1e-10 <= optimizer.epsilon <= 1e-2:
        yield Found(f"epsilon of {optimizer.kind} is {optimizer.epsilon:.3g}")


@Card(
    id="optimizer-of-another-model",
    title="An optimizer that has trained another model",
    group="optimizer and schedule",
    rows=(52,),
    severity="error",
    threshold="exact: this model's weights, or none",
    source="catalogue row 52; silent in Keras 3 where shapes are equal",
    labels=("OCH",),
    why="Its step count and momentum go on from the other model, and its schedule is partly used up.",
    remedy="Make a new optimizer for every model.",
)
def optimizer_of_another_model(setup: Setup) -> Iterator[Found]:
    if setup.optimizer is not None and setup.optimizer.foreign:
        yield Found(
            f"{setup.optimizer.kind} holds another model's weights and has taken "
            f"{setup.optimizer.steps} steps"
        )


@Card(
    id="trainable-changed-after-compile",
    title="Trained weights that changed after the optimizer was built",
    group="optimizer and schedule",
    rows=(47,),
    severity="error",
    threshold="exact: the weights it was built for",
    source="catalogue row 47; own",
    labels=("LRM", "OCH"),
    why="The optimizer's state belongs to other weights: fit fails, or mixes them up in silence.",
    remedy="Compile again, with a new optimizer, after setting trainable.",
)
def trainable_changed_after_compile(setup: Setup) -> Iterator[Found]:
    if setup.optimizer is not None and setup.optimizer.outdated:
        yield Found(f"{setup.optimizer.kind} was built for other weights than are trained now")


@Card(
    id="probability-loss-on-unscaled-inputs",
    title="The clipped logarithm of a probability, on unscaled inputs",
    group="optimizer and schedule",
    rows=(2, 20),
    severity="warning",
    threshold="as inputs-unscaled, on JAX and torch",
    source="own: the published plain net stays at 10 % on raw pixels and reaches 45 % from logits",
    labels=("CPP", "ACH(out)", "LCH"),
    why="Far outputs saturate the softmax; the loss is clipped at 1e-7 and has no gradient there.",
    remedy="Scale the inputs, or drop the activation and say from_logits=True.",
    fix={"preprocessing.scaling": "standard"},
)
def probability_loss_on_unscaled_inputs(setup: Setup) -> Iterator[Found]:
    if setup.backend == "tensorflow":  # recovers the logits behind a softmax by itself
        return
    far = [entry for entry, _ in far_off_scale(setup) if not entry.renormalized]
    if any(layer.kind in NORMALIZATIONS for layer in setup.network.layers):
        return
    for head in setup.heads:
        exclusive = head.loss is not None and head.loss.family in ("categorical", "sparse")
        clipped = exclusive and head.loss is not None and not head.loss.from_logits
        if far and clipped and head.activation == "softmax" and head.units != 1:
            assert head.loss is not None
            yield Found(
                f"layer {head.layer!r} ends in softmax, {head.loss.name} takes its clipped logarithm, "
                f"and {far[0].name!r} reaches {max(abs(far[0].low), abs(far[0].high)):.4g}",
                head.layer,
            )


CHECKS = (
    learning_rate_too_high,
    learning_rate_too_low,
    momentum_too_high,
    epsilon_extreme,
    optimizer_of_another_model,
    trainable_changed_after_compile,
    probability_loss_on_unscaled_inputs,
)
