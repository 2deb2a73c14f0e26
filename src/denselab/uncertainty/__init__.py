"""Uncertainty of any Keras model: Monte Carlo draws, their parts, calibration, conformal sets.

`predict_draws` is the front door. It goes through `compiled` on JAX and `loop` elsewhere; both ask
`stochastic` and `noise` where noise enters, `kinds` what it does, and `counters` for its bits.
"""

from denselab.uncertainty.conformal import (
    ConformalIntervals,
    ConformalSets,
    fit_conformal_intervals,
    fit_conformal_sets,
)
from denselab.uncertainty.costs import DrawCost, draw_cost
from denselab.uncertainty.decomposition import (
    ensemble_prediction,
    expected_entropy,
    mutual_information,
    predictive_entropy,
    variation_ratio,
)
from denselab.uncertainty.draws import (
    DrawOptions,
    each_draw,
    predict_classes,
    predict_classes_at,
    predict_draws,
)
from denselab.uncertainty.mc_model import StochasticModel, to_mc
from denselab.uncertainty.outputs import predicted_probabilities
from denselab.uncertainty.results import ClassificationDraws, RegressionDraws
from denselab.uncertainty.scores import (
    ReliabilityCurve,
    Scores,
    brier_score,
    expected_calibration_error,
    negative_log_likelihood,
    reliability_curve,
    score_predictions,
)
from denselab.uncertainty.selective import RiskCoverage, aurc, risk_coverage, selective_accuracy
from denselab.uncertainty.stochastic import stochastic_layers
from denselab.uncertainty.temperature import fit_temperature, temperature_scaled

__all__ = [
    "ClassificationDraws",
    "ConformalIntervals",
    "ConformalSets",
    "DrawCost",
    "DrawOptions",
    "RegressionDraws",
    "ReliabilityCurve",
    "RiskCoverage",
    "Scores",
    "StochasticModel",
    "aurc",
    "brier_score",
    "draw_cost",
    "each_draw",
    "ensemble_prediction",
    "expected_calibration_error",
    "expected_entropy",
    "fit_conformal_intervals",
    "fit_conformal_sets",
    "fit_temperature",
    "mutual_information",
    "negative_log_likelihood",
    "predict_classes",
    "predict_classes_at",
    "predict_draws",
    "predicted_probabilities",
    "predictive_entropy",
    "reliability_curve",
    "risk_coverage",
    "score_predictions",
    "selective_accuracy",
    "stochastic_layers",
    "temperature_scaled",
    "to_mc",
    "variation_ratio",
]
