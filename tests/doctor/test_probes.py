import keras
import numpy as np
import pytest

from denselab.doctor import observe, probe
from denselab.errors import UsageError

L = keras.layers
SPARSE = "sparse_categorical_crossentropy"
X = np.random.default_rng(0).normal(size=(200, 8)).astype("float32")
Y = np.random.default_rng(1).integers(0, 3, 200)
VALUES = (X @ np.linspace(-1, 1, 8)).astype("float32")
LATE = keras.initializers.Constant(-100.0)
SMALL = keras.initializers.RandomNormal(stddev=0.01, seed=0)
HUGE = keras.initializers.RandomNormal(stddev=2.0, seed=0)


def model_of(*hidden, ending=("softmax", 3), loss=SPARSE):
    keras.utils.set_random_seed(0)
    layers = [make() for make in hidden]
    end = L.Dense(ending[1], ending[0], name="last")
    model = keras.Sequential([keras.Input((8,)), *layers, end])
    model.compile("adam", loss)
    return model


def dense(units=32, activation="relu", start="he_normal", **options):
    return lambda: L.Dense(units, activation, kernel_initializer=start, **options)


def loud(diagnosis):
    return {(one.id, one.layer) for one in (*diagnosis.errors, *diagnosis.warnings)}


HEALTHY = {
    "relu": (lambda: model_of(dense(), dense()), X, Y),
    "batch norm and dropout": (
        lambda: model_of(
            *[dense(use_bias=False), L.BatchNormalization, lambda: L.Dropout(0.5, seed=1)] * 3
        ),
        X,
        Y,
    ),
    "selu": (lambda: model_of(*[dense(64, "selu", "lecun_normal")] * 10), X, Y),
    "values": (lambda: model_of(dense(), ending=(None, 1), loss="mse"), X, VALUES),
    "no hidden layer": (lambda: model_of(), X, Y),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_model_gives_no_error_and_no_warning(name):
    build, x, y = HEALTHY[name]

    diagnosis = probe(build(), x, y)

    assert loud(diagnosis) == set()
    assert diagnosis.not_looked_at == ()


ILL = {
    "dead layer": (
        lambda: model_of(dense(), dense(bias_initializer=LATE, name="dead")),
        ("outputs-ignore-inputs", "dead"),
    ),
    "dead layer, one batch": (
        lambda: model_of(dense(), dense(bias_initializer=LATE, name="dead")),
        ("batch-cannot-be-overfitted", None),
    ),
    "inputs cut off": (
        lambda: model_of(lambda: L.Rescaling(0.0), dense()),
        ("inputs-do-not-matter", None),
    ),
    "huge weights": (
        lambda: model_of(dense(start=HUGE), dense(start=HUGE)),
        ("loss-at-start", "last"),
    ),
    "signal lost": (
        lambda: model_of(dense(), dense(start=SMALL), dense(start=SMALL)),
        ("variance-through-depth", None),
    ),
    "selu and huge weights": (
        lambda: model_of(dense(64, "selu", start=HUGE, name="s"), dense(8)),
        ("no-self-normalization-at-start", "s"),
    ),
}


@pytest.mark.parametrize("name", ILL)
def test_a_fault_is_named(name):
    build, (check, layer) = ILL[name]

    found = loud(probe(build(), X, Y, steps=200))

    assert check in {one for one, _ in found}
    assert layer is None or (check, layer) in found


def test_units_that_stay_alike_are_named():
    model = model_of(dense(name="copies"))
    kernel, bias = model.get_layer("copies").get_weights()
    model.get_layer("copies").set_weights([np.repeat(kernel[:, :1], 32, axis=1), bias])
    last, offset = model.get_layer("last").get_weights()
    model.get_layer("last").set_weights([np.repeat(last[:1], 32, axis=0), offset])

    assert ("units-stay-alike", "copies") in loud(probe(model, X, Y, steps=20))


def test_training_and_inference_that_differ_are_named():
    model = model_of(dense(), L.BatchNormalization)
    model.fit(X, Y, epochs=1, verbose=0)
    layer = next(one for one in model.layers if isinstance(one, L.BatchNormalization))
    layer.moving_variance.assign(1e-4 * np.ones(32))

    assert ("training-and-inference-differ", None) in loud(probe(model, X, Y, steps=20))


@pytest.mark.backends
def test_nothing_is_changed():
    model = model_of(dense(), L.BatchNormalization, lambda: L.Dropout(0.5, seed=1))
    model.fit(X, Y, epochs=1, verbose=0)

    def state():
        generator = keras.src.random.seed_generator.global_seed_generator().state
        seeds = [one.seed_generator.state for one in model.layers if hasattr(one, "seed_generator")]
        variables = [*model.variables, *model.optimizer.variables, *seeds, generator]
        arrays = [np.asarray(keras.ops.convert_to_numpy(one)).tobytes() for one in variables]
        return arrays, np.random.get_state()[1].tobytes(), model.train_function, model.loss

    before = state()

    first, second = (probe(model, X, Y, steps=50) for _ in range(2))

    assert state() == before
    assert first == second


def test_a_new_model_stays_unbuilt_in_loss_and_optimizer():
    model = model_of(dense())

    probe(model, X, Y, steps=20)

    assert not model._compile_loss.built
    assert not model.optimizer.built


def test_what_cannot_be_probed_is_said():
    model = keras.Sequential([keras.Input((8,)), L.Dense(3)])

    assert any("the probes: they need a loss" in one for one in probe(model, X, Y).not_looked_at)


def test_wrong_arguments_are_refused():
    with pytest.raises(UsageError, match=r"model is a str; give a keras\.Model"):
        probe("model", X, Y)
    with pytest.raises(UsageError, match=r"no probe 'loss' to silence; give one of .*loss-at-st"):
        probe(model_of(), X, Y, silence=["loss"])
    with pytest.raises(UsageError, match="nothing to observe; give a built model"):
        observe(keras.Sequential([L.Dense(3)]), X)
