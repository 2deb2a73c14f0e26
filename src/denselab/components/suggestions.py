"""What a learning rate range test suggests; NumPy only."""

from collections.abc import Sequence

import numpy as np

from denselab.errors import DataError

__all__ = ["smooth_losses", "suggest_rates"]

_FEWEST_POINTS = 5


def smooth_losses(losses: Sequence[float] | np.ndarray, window: int = 9) -> np.ndarray:
    r"""Smooths the losses of single batches without shifting them.

    A running average of the past, which is the usual choice, lags behind, and in a sweep of rates
    a lag is a wrong rate. So each loss is averaged with its neighbours on both sides, the nearer
    the more. With $h = \lfloor \texttt{window} / 2 \rfloor$, over the neighbours that exist,

    $$s_k = \frac{\sum_{d=-h}^{h} (h + 1 - |d|)\, \ell_{k + d}}{\sum_{d=-h}^{h} (h + 1 - |d|)}$$

    The reach is finite, so that the explosion at the end of a sweep stays there.

    Args:
        losses: One loss a step.
        window: Number of neighbouring steps, from 1 (no smoothing).

    Returns:
        As many smoothed losses, between the least and the greatest.

    Example:
        >>> smooth_losses([1.0, 1.0, 5.0, 1.0, 1.0], window=3).tolist()
        [1.0, 2.0, 3.0, 2.0, 1.0]

    References:
        Bartlett, Periodogram Analysis and Continuous Spectra, 1950 (the triangular weights).
    """
    values = np.asarray(losses, dtype=np.float64)
    half = window // 2
    weights = half + 1.0 - np.abs(np.arange(-half, half + 1))
    padded = np.pad(values, half)
    present = np.pad(np.ones_like(values), half)
    return np.convolve(padded, weights, "valid") / np.convolve(present, weights, "valid")


def suggest_rates(
    rates: Sequence[float] | np.ndarray, losses: Sequence[float] | np.ndarray
) -> dict[str, float]:
    r"""Suggests learning rates from the losses of a sweep over rates.

    With the smoothed loss $s(\eta)$, lowest at $\eta^\star$:

    $$\eta_\text{steepest} = \arg\min_{\eta \le \eta^\star} \frac{\mathrm{d} s}{\mathrm{d} \ln \eta}, \qquad
    \eta_{\text{minimum}/10} = \frac{\eta^\star}{10}$$

    Losses from the first one that is not finite on are left out. Of the rest:

    - `steepest`: the rate at which the loss falls fastest per factor in the rate, before its rise,
      measured over a tenth of the sweep;
    - `valley`: the middle of the longest sequence of ever lower losses (not necessarily
      neighbours), which noise disturbs less;
    - `minimum/10`: a tenth of the rate with the lowest loss, on the safe side of the rise after it.

    Args:
        rates: Learning rates, rising, above 0.
        losses: The loss at each rate, smoothed; see `smooth_losses`.

    Returns:
        The suggested rates by name.

    Raises:
        DataError: If rates and losses do not fit together, are too few, or the loss never fell.

    Example:
        A loss that falls from 1e-3 on, fastest at 1e-2, and rises after 1:

        >>> rates = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0]
        >>> suggest_rates(rates, [2.3, 2.3, 2.2, 1.5, 0.8, 0.6, 5.0])
        {'steepest': 0.01, 'valley': 0.01, 'minimum/10': 0.1}

    References:
        Smith, Cyclical Learning Rates for Training Neural Networks, 2017, section 3.3 (the test);
        Howard and Gugger, fastai: A Layered API for Deep Learning, 2020 (the names, and rules much
        like these, in `Learner.lr_find`).
    """
    rates, losses = _finite_part(np.asarray(rates, float), np.asarray(losses, float))
    lowest = int(losses.argmin())
    if lowest == 0:
        raise DataError(
            f"the loss never fell below its first value, {losses[0]:.4g} at rate {rates[0]:.2g}; "
            "begin the sweep at a lower rate, or look for what keeps the network from learning"
        )
    return {
        "steepest": float(rates[_slopes(rates, losses)[: lowest + 1].argmin()]),
        "valley": float(rates[_middle_of_longest_descent(losses)]),
        "minimum/10": float(rates[lowest] / 10),
    }


def _finite_part(rates: np.ndarray, losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if rates.shape != losses.shape or rates.ndim != 1:
        raise DataError(
            f"rates have shape {rates.shape}, losses {losses.shape}; give one loss for each rate"
        )
    if not (rates > 0).all() or not (np.diff(rates) > 0).all():
        raise DataError("the rates do not rise from above 0; give them in the order of the sweep")
    broken = np.flatnonzero(~np.isfinite(losses))
    end = int(broken[0]) if broken.size else len(losses)
    if end < _FEWEST_POINTS:
        raise DataError(
            f"there are {end} finite losses; a suggestion takes {_FEWEST_POINTS} or more: "
            "sweep over more steps, or begin at a lower rate"
        )
    return rates[:end], losses[:end]


def _slopes(rates: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """Gives the change of the loss per unit of log rate around each place."""
    last = len(losses) - 1
    reach = max(1, len(losses) // 20)  # single steps show the noise of the batches instead
    before = np.maximum(np.arange(last + 1) - reach, 0)
    after = np.minimum(np.arange(last + 1) + reach, last)
    return (losses[after] - losses[before]) / np.log(rates[after] / rates[before])


def _middle_of_longest_descent(losses: np.ndarray) -> int:
    """Finds the longest falling subsequence; gives the place of its middle member."""
    length = np.ones(len(losses), dtype=int)
    previous = np.full(len(losses), -1)
    for here in range(1, len(losses)):
        higher = np.flatnonzero(losses[:here] > losses[here])
        if higher.size:
            previous[here] = higher[length[higher].argmax()]
            length[here] = length[previous[here]] + 1
    place = int(length.argmax())
    for _ in range(int(length.max()) // 2):
        place = int(previous[place])
    return place
