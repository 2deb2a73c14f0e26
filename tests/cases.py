"""The one table of components: each stands here once, and every general test walks it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import keras

from denselab import components


@dataclass(frozen=True)
class Case:
    """One component with arguments that differ from its defaults, so that a lost argument shows.

    For layers, `input_shape` is the shape to call it on, `random_in` says when its answers are
    random, `seed_generators` how many streams it owns, `supports_masking` whether masks pass,
    `output_shape` what comes out if it is another shape, and `trainable` and `non_trainable` how many
    weights it has.
    """

    component: type
    kind: Literal["layer", "schedule", "optimizer", "initializer", "loss", "callback"]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    input_shape: tuple[int, ...] | None = None
    random_in: Literal["nothing", "training", "training and prediction"] = "nothing"
    seed_generators: int = 0
    supports_masking: bool = True
    output_shape: tuple[int, ...] | None = None
    trainable: int = 0
    non_trainable: int = 0

    @property
    def name(self) -> str:
        return self.component.__name__

    def build(self) -> Any:
        """Makes a new instance."""
        return self.component(**self.arguments)


CASES = (
    Case(
        components.OneCycle,
        "schedule",
        {
            "peak_rate": 0.3,
            "total_steps": 70,
            "start_factor": 0.2,
            "end_factor": 0.01,
            "annealing": "cosine",
            "warmup_fraction": 0.3,
        },
    ),
    Case(
        components.OneCycleMomentum,
        "schedule",
        {
            "total_steps": 70,
            "high": 0.9,
            "low": 0.8,
            "annealing": "cosine",
            "warmup_fraction": 0.3,
        },
    ),
    Case(
        components.ScheduledMomentumSGD,
        "optimizer",
        {
            "learning_rate": components.OneCycle(0.3, 70),
            "momentum": components.OneCycleMomentum(70),
            "nesterov": True,
            "weight_decay": 0.01,
            "clipnorm": 1.0,
        },
    ),
    Case(
        components.MCDropout,
        "layer",
        {"rate": 0.4, "noise_shape": (None, 1, 5), "seed": 3},
        input_shape=(2, 3, 5),
        random_in="training and prediction",
        seed_generators=1,
    ),
    Case(
        components.MCAlphaDropout,
        "layer",
        {"rate": 0.4, "noise_shape": (None, 1, 5), "seed": 3},
        input_shape=(2, 3, 5),
        random_in="training and prediction",
        seed_generators=1,
    ),
    Case(
        components.RReLU,
        "layer",
        {"lower": 0.1, "upper": 0.4, "seed": 3},
        input_shape=(2, 3, 5),
        random_in="training",
        seed_generators=1,
    ),
    Case(
        components.MixUp,
        "layer",
        {"alpha": 0.7, "seed": 3},
        input_shape=(4, 3, 5),
        random_in="training",
        seed_generators=1,
        supports_masking=False,
    ),
    Case(
        components.FadingDropout,
        "layer",
        {"rate": 0.4, "steps": 50, "seed": 3},
        input_shape=(2, 3, 5),
        random_in="training",
        seed_generators=1,
        non_trainable=1,
    ),
    Case(
        components.FrontScale,
        "layer",
        input_shape=(2, 3, 5),
        supports_masking=False,
        trainable=1,
    ),
    Case(
        components.ParametricActivation,
        "layer",
        {"activation": "selu"},
        input_shape=(2, 3, 5),
        trainable=1,
    ),
    Case(
        components.PeriodicEmbedding,
        "layer",
        {"size": 3, "waves": 4, "frequency": 0.2, "seed": 3},
        input_shape=(2, 3, 5),
        output_shape=(2, 3, 15),
        supports_masking=False,
        trainable=4,
    ),
    Case(
        components.SmoothedSparseCategoricalCrossentropy,
        "loss",
        {"label_smoothing": 0.2, "from_logits": True, "reduction": "sum", "name": "smoothed"},
    ),
    Case(
        components.Symmetric,
        "initializer",
        {"initializer": keras.initializers.HeNormal(seed=3)},
    ),
    Case(components.FanInUniform, "initializer", {"fan_in": 100, "seed": 3}),
    Case(components.LearningRateRangeTest, "callback"),
    Case(components.StochasticWeightAveraging, "callback", {"start_epoch": 1}),
)
