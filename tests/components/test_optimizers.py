import keras
import numpy as np
import pytest

from denselab.components import OneCycle, OneCycleMomentum, ScheduledMomentumSGD
from denselab.errors import UsageError


def trained_weights(optimizer, steps_per_execution=1):
    """Weights of a small network after eight steps of `fit`."""
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(
                8, activation="tanh", kernel_initializer=keras.initializers.Orthogonal(seed=1)
            ),
            keras.layers.Dense(2, kernel_initializer=keras.initializers.Orthogonal(seed=2)),
        ]
    )
    model.compile(optimizer, loss="mse", steps_per_execution=steps_per_execution)
    numbers = np.random.default_rng(0).normal(size=(64, 6)).astype("float32")
    model.fit(numbers[:, :4], numbers[:, 4:], batch_size=16, epochs=2, shuffle=False, verbose=0)
    return model.get_weights()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"momentum": 0.0},
        {"nesterov": True},
        {"weight_decay": 0.1},
        {"clipnorm": 0.05},
        {"global_clipnorm": 0.05},
        {"gradient_accumulation_steps": 2},
        {"use_ema": True, "ema_momentum": 0.5},
    ],
    ids=lambda options: ", ".join(options) or "plain",
)
def test_with_constant_momentum_it_is_keras_sgd(options):
    options = {"momentum": 0.9, **options}
    ours = trained_weights(ScheduledMomentumSGD(0.1, **options))
    stock = trained_weights(keras.optimizers.SGD(0.1, **options))

    # Torch's own SGD adds in another order; without momentum Keras leaves the velocity out, which
    # rounds otherwise: half a unit in the last place of a weight near 1, in each of eight steps.
    bit_equal = keras.backend.backend() != "torch" and options["momentum"] > 0
    for mine, theirs in zip(ours, stock, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=0 if bit_equal else 8 * 2**-24)


class MeanPrediction(keras.losses.Loss):
    """A loss whose gradient is the same at every step."""

    def call(self, y_true, y_pred):
        return keras.ops.mean(y_pred, axis=-1)


def fitted_weight(optimizer, steps, **compile_options):
    """The one weight of `y = w` after so many steps down a slope of 1, from 0."""
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")]
    )
    model.compile(optimizer, loss=MeanPrediction(), **compile_options)
    model.fit(np.ones((steps, 1)), np.ones((steps, 1)), batch_size=1, shuffle=False, verbose=0)
    return float(model.get_weights()[0][0, 0])


def one_cycle_by_hand(total, *, nesterov=False):
    """Weight after each step, by the definition, in a loop of Python numbers."""
    half = (total - total // 10 - 1) // 2
    weight = velocity = 0.0
    weights = []
    for step in range(total):
        rate = np.interp(step, [0, half, 2 * half, total], [0.01, 0.1, 0.01, 1e-5])
        momentum = np.interp(step, [0, half, 2 * half, total], [0.95, 0.85, 0.95, 0.95])
        velocity = momentum * velocity - rate
        weight += momentum * velocity - rate if nesterov else velocity
        weights.append(weight)
    return weights


# Torch knows only one step an execution.
@pytest.mark.parametrize(
    "steps_per_execution", [1] if keras.backend.backend() == "torch" else [1, 8]
)
@pytest.mark.parametrize("nesterov", [False, True], ids=["plain", "nesterov"])
def test_momentum_follows_its_schedule_inside_fit(steps_per_execution, nesterov):
    optimizer = ScheduledMomentumSGD(OneCycle(0.1, 40), OneCycleMomentum(40), nesterov=nesterov)
    weight = fitted_weight(optimizer, 40, steps_per_execution=steps_per_execution)

    # 40 float32 additions of numbers up to 10.
    assert weight == pytest.approx(one_cycle_by_hand(40, nesterov=nesterov)[-1], rel=1e-5)


def test_compiled_and_eager_training_agree():
    weights = [
        fitted_weight(
            ScheduledMomentumSGD(OneCycle(0.1, 40), OneCycleMomentum(40)), 30, run_eagerly=eagerly
        )
        for eagerly in (False, True)
    ]

    assert weights[0] == pytest.approx(weights[1], rel=1e-6)
    assert weights[0] == pytest.approx(one_cycle_by_hand(40)[29], rel=1e-5)


def test_rate_and_momentum_turn_together_when_gradients_are_accumulated():
    optimizer = ScheduledMomentumSGD(
        OneCycle(0.1, 40), OneCycleMomentum(40), gradient_accumulation_steps=2
    )
    weight = velocity = 0.0
    for step in range(1, 40, 2):
        rate = np.interp(step, [0, 17, 34, 40], [0.01, 0.1, 0.01, 1e-5])
        velocity = np.interp(step, [0, 17, 34], [0.95, 0.85, 0.95]) * velocity - rate
        weight += velocity

    assert fitted_weight(optimizer, 40) == pytest.approx(weight, rel=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="only JAX traces a stateless update")
def test_rate_and_momentum_can_be_traced_so_that_members_differ():
    import jax

    schedule = OneCycle(1.0, 40)
    optimizer = ScheduledMomentumSGD(schedule, 0.5)
    weight = keras.Variable([0.0])
    optimizer.build([weight])

    def train(peak, momentum):
        schedule.peak_rate = peak
        optimizer.momentum = momentum

        def step(state, _):
            return optimizer.stateless_apply(state[1], [jax.numpy.ones(1)], state[0]), None

        state = [weight.value], [variable.value for variable in optimizer.variables]
        return jax.lax.scan(step, state, length=10)[0][0][0]

    peaks, momenta = np.array([0.1, 0.1, 1.0]), np.array([0.0, 0.9, 0.9])
    actual = jax.jit(jax.vmap(train))(peaks, momenta)

    for peak, momentum, last in zip(peaks, momenta, actual, strict=True):
        expected = velocity = 0.0
        for iteration in range(10):
            rate = peak * np.interp(iteration, [0, 17], [0.1, 1.0])
            velocity = momentum * velocity - rate
            expected += velocity
        assert float(last[0]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("momentum", "remedy"),
    [(1.5, "from 0 to 1"), (-0.1, "from 0 to 1"), ("0.9", "a schedule such as OneCycleMomentum")],
)
def test_a_momentum_that_makes_no_sense_is_refused_with_the_remedy(momentum, remedy):
    with pytest.raises(UsageError, match=remedy):
        ScheduledMomentumSGD(0.1, momentum)
