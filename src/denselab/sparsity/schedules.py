"""How a network becomes sparse while it trains: rules, as frozen data, for `pruned_optimizer`."""

import dataclasses
from typing import Any

from denselab.errors import UsageError
from denselab.sparsity.masks import Scope, check_scope, check_sparsity

__all__ = [
    "GradualPruning",
    "KeepZeros",
    "ProximalL1",
    "PruningRule",
    "iterative_pruning",
    "one_shot_pruning",
    "rule_from_config",
]


@dataclasses.dataclass(frozen=True)
class GradualPruning:
    r"""Prunes by magnitude, step by step, on a polynomial schedule.

    After update $t = t_0, t_0 + \Delta t, \dots$ and after the last, $t_1$, the smallest weights become zero
    until their share is

    $$s_t = s_f + (s_i - s_f) \left(1 - \frac{t - t_0}{t_1 - t_0}\right)^p$$

    A weight once pruned stays pruned. From $t_1$ on the masks are frozen, and the share is exactly $s_f$.

    Attributes:
        sparsity: Final share of zeros $s_f$, from 0 to below 1.
        begin: Update $t_0$ from which the schedule counts. It may be below 1, so that a first pruning can come at once.
        end: Update $t_1$ after which the final share is reached, from 1.
        frequency: Updates $\Delta t$ between prunings, from 1.
        initial_sparsity: Share $s_i$ at `begin`.
        power: Exponent $p$, above 0; 3 prunes much at first and little at last.
        scope: "layer" or "global".

    Raises:
        UsageError: If a value is out of its range.

    References:
        Zhu and Gupta, To Prune, or Not to Prune, 2017, eq. 1.
    """

    sparsity: float
    begin: int
    end: int
    frequency: int = 100
    initial_sparsity: float = 0.0
    power: float = 3.0
    scope: Scope = "layer"

    def __post_init__(self) -> None:
        check_sparsity(self.sparsity)
        check_sparsity(self.initial_sparsity, "initial_sparsity")
        check_scope(self.scope)
        _check_whole("begin", self.begin, None)
        _check_whole("end", self.end, 1)
        _check_whole("frequency", self.frequency, 1)
        if self.begin > self.end:
            raise UsageError(
                f"begin is {self.begin} and end is {self.end}; let it begin at or before its end"
            )
        if self.initial_sparsity > self.sparsity:
            raise UsageError(
                f"initial_sparsity is {self.initial_sparsity}, above the final {self.sparsity}; give a smaller one"
            )
        if not self.power > 0:
            raise UsageError(f"power is {self.power!r}; give a number above 0, such as 3")


@dataclasses.dataclass(frozen=True)
class KeepZeros:
    """Prunes nothing more: kernel weights that are 0 before the first update stay 0. For fine-tuning."""


@dataclasses.dataclass(frozen=True)
class ProximalL1:
    r"""Shrinks weights by an $\ell_1$ penalty whose zeros are exact, then fixes the share.

    Up to update `end`, each update of a kernel with rate $\eta$ is followed by the proximal step of
    $\lambda \lVert w \rVert_1$, the soft threshold

    $$w \leftarrow \operatorname{sign}(w) \max(|w| - \eta\lambda, 0)$$

    After update `end` the smallest weights are zero, exactly `sparsity` of them; the penalty ends, the masks are
    frozen, and the weights that are left recover from the shrinking (debiasing). If the penalty alone has made more
    zeros than `sparsity`, the surplus is free to grow again: choose a smaller strength. Without `end`, the penalty
    goes on.

    With plain gradient descent this is proximal gradient descent (ISTA), which minimises the loss
    $+ \lambda\lVert w\rVert_1$. With momentum, and with optimizers that scale every weight's step (Adam, Nadam,
    RMSprop), it is not: the threshold uses the plain rate for all weights, so that the penalty is decoupled from the
    gradients' scale, as AdamW decouples weight decay. Zeros are exact all the same, but strengths of different
    optimizers cannot be compared: Adam moves most weights by about the rate at every step, so that strengths far below
    1 make hardly any zeros, where plain descent needs less. With `use_ema`, zeros are exact from `end` on only: before,
    the average is of shrinking weights.

    Attributes:
        strength: $\lambda$, from 0.
        sparsity: Share of zeros after `end`, from 0 to below 1.
        end: Update after which the penalty ends, from 1; None for never.
        scope: "layer" or "global", for the weights that are zeroed by magnitude at `end`.

    Raises:
        UsageError: If a value is out of its range.

    References:
        Parikh and Boyd, Proximal Algorithms, 2014, section 6.5.2; Beck and Teboulle, A Fast Iterative
        Shrinkage-Thresholding Algorithm, 2009, eq. 1.4.
    """

    strength: float
    sparsity: float = 0.0
    end: int | None = None
    scope: Scope = "layer"

    def __post_init__(self) -> None:
        if isinstance(self.strength, bool) or not 0 <= self.strength < float("inf"):
            raise UsageError(f"strength is {self.strength!r}; give a number from 0, such as 1e-3")
        check_sparsity(self.sparsity)
        check_scope(self.scope)
        if self.end is not None:
            _check_whole("end", self.end, 1)
        elif self.sparsity:
            raise UsageError(
                f"sparsity {self.sparsity} is reached at end, which is missing; give the update, such as end=1000"
            )


PruningRule = GradualPruning | KeepZeros | ProximalL1
"""What `pruned_optimizer` takes."""


def one_shot_pruning(sparsity: float, *, at: int, scope: Scope = "layer") -> GradualPruning:
    """Prunes once, by magnitude, and keeps the zeros.

    Args:
        sparsity: Share of zeros, from 0 to below 1.
        at: Update after which it prunes, from 1.
        scope: "layer" or "global".

    Returns:
        The rule.

    Example:
        >>> one_shot_pruning(0.9, at=500).end
        500
    """
    return GradualPruning(sparsity, begin=at, end=at, scope=scope)


def iterative_pruning(
    sparsity: float, *, first: int, every: int, rounds: int, scope: Scope = "layer"
) -> GradualPruning:
    """Prunes by magnitude in rounds, with training between them; each round takes less than the one before.

    Args:
        sparsity: Share of zeros after the last round, from 0 to below 1.
        first: Update after which the first round prunes, from 1.
        every: Updates from round to round, from 1.
        rounds: Number of rounds, from 1.
        scope: "layer" or "global".

    Returns:
        A gradual rule: after round $r$ of $R$ the share is $s_f (1 - (1 - r/R)^3)$.

    Example:
        >>> rule = iterative_pruning(0.9, first=1, every=200, rounds=3)
        >>> rule.begin, rule.end
        (-199, 401)
    """
    _check_whole("first", first, 1)
    _check_whole("every", every, 1)
    _check_whole("rounds", rounds, 1)
    return GradualPruning(
        sparsity,
        begin=first - every,
        end=first + (rounds - 1) * every,
        frequency=every,
        scope=scope,
    )


def rule_from_config(config: dict[str, Any]) -> PruningRule:
    """Makes a rule from what `pruned_optimizer` saved.

    Args:
        config: Field -> value, and `kind`, the rule's class.

    Returns:
        The rule.
    """
    kinds = {kind.__name__: kind for kind in (GradualPruning, KeepZeros, ProximalL1)}
    fields = {name: value for name, value in config.items() if name != "kind"}
    return kinds[config["kind"]](**fields)


def _check_whole(name: str, value: Any, least: int | None) -> None:
    if (
        isinstance(value, bool)
        or not isinstance(value, int)
        or (least is not None and value < least)
    ):
        remedy = "give a whole number" + ("" if least is None else f" from {least}")
        raise UsageError(f"{name} is {value!r}; {remedy}")
