import inspect
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras.src.testing import TestCase

from denselab import components

KINDS = ("layer", "initializer", "optimizer", "loss")


@pytest.fixture
def harness():
    case = TestCase()
    case.setUp()
    yield case
    case.tearDown()
    case.doCleanups()


def test_every_public_class_stands_once_in_the_table(cases):
    public = [getattr(components, name) for name in components.__all__]
    classes = {item.__name__ for item in public if inspect.isclass(item)}

    assert sorted(case.name for case in cases) == sorted(classes)


def test_it_is_registered_under_the_projects_name(saved_case):
    registered = keras.saving.get_registered_name(saved_case.component)

    assert registered == f"denselab>{saved_case.name}"


def test_its_arguments_survive_the_config(saved_case, harness):
    revived = harness.run_class_serialization_test(saved_case.build())

    config = revived.get_config()
    for name, value in saved_case.arguments.items():
        if hasattr(value, "get_config"):
            value = keras.saving.serialize_keras_object(value)
        assert config[name] == value


def test_its_docstring_has_a_formula_an_example_and_a_reference(case):
    text = inspect.getdoc(case.component)

    assert "$" in text
    assert ">>> " in text
    assert "References:" in text


# The harness itself fits a generator without shuffle=False, and layers without weights.
@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights:UserWarning")
@pytest.mark.filterwarnings("ignore:`shuffle=True` was passed:UserWarning")
def test_it_passes_keras_own_layer_tests(layer_case, harness):
    harness.run_layer_test(
        layer_case.component,
        init_kwargs=dict(layer_case.arguments),
        input_shape=layer_case.input_shape,
        expected_output_shape=layer_case.output_shape or layer_case.input_shape,
        expected_num_trainable_weights=layer_case.trainable,
        expected_num_non_trainable_weights=layer_case.non_trainable,
        expected_num_seed_generators=layer_case.seed_generators,
        expected_num_losses=0,
        supports_masking=layer_case.supports_masking,
    )


@pytest.mark.parametrize("training", [True, False], ids=["training", "prediction"])
def test_it_is_random_exactly_when_the_table_says_so(layer_case, training):
    layer = layer_case.build()
    x = np.random.default_rng(0).normal(size=layer_case.input_shape).astype("float32")
    draws = [keras.ops.convert_to_numpy(layer(x, training=training)) for _ in range(8)]

    expected = ("training" if training else "prediction") in layer_case.random_in
    assert any(not np.array_equal(draws[0], draw) for draw in draws[1:]) == expected


def test_a_seed_repeats_its_draws(layer_case):
    x = np.random.default_rng(0).normal(size=layer_case.input_shape).astype("float32")
    first, second = (
        keras.ops.convert_to_numpy(layer_case.build()(x, training=True)) for _ in range(2)
    )

    np.testing.assert_array_equal(first, second)


def test_compiled_and_eager_training_agree(layer_case):
    x = np.random.default_rng(0).normal(size=(16, *layer_case.input_shape[1:])).astype("float32")
    weights = []
    for run_eagerly in (False, True):
        model = keras.Sequential([keras.Input(x.shape[1:]), layer_case.build()])
        model.add(keras.layers.Dense(1, kernel_initializer="ones"))
        model.compile(keras.optimizers.SGD(0.1), loss="mse", run_eagerly=run_eagerly)
        model.fit(x, x[..., :1], batch_size=4, shuffle=False, verbose=0)
        weights.append(model.layers[-1].get_weights()[0])

    # Four float32 steps with weights near 1; compiled programs round in another order, cosines too.
    np.testing.assert_allclose(*weights, rtol=0, atol=2e-5)
    assert np.abs(weights[0] - 1).max() > 0.01


_FRESH_PROCESS = """
import json, sys
import keras
import numpy as np

path, x = sys.argv[1], np.load(sys.argv[2])
try:
    keras.models.load_model(path)
except TypeError as error:
    assert "Could not locate" in str(error), error
else:
    raise AssertionError("loaded without the import")
import denselab.components

model = keras.models.load_model(path)
np.save(sys.argv[3], model.predict(x, verbose=0))
model.fit(x, np.zeros(len(x)), verbose=0)
with open(sys.argv[4]) as file:
    objects = json.load(file)
print(" ".join(type(keras.saving.deserialize_keras_object(item)).__name__ for item in objects))
"""


def test_saved_models_load_in_a_fresh_process_without_custom_objects(cases, tmp_path):
    saved = [case for case in cases if case.kind != "callback"]
    parts = {kind: [case.build() for case in saved if case.kind == kind] for kind in KINDS}
    kernel_initializer, bias_initializer = parts["initializer"]
    model = keras.Sequential([keras.Input((3, 5)), *parts["layer"], keras.layers.Flatten()])
    initializers = {"kernel_initializer": kernel_initializer, "bias_initializer": bias_initializer}
    model.add(keras.layers.Dense(3, **initializers))
    model.compile(parts["optimizer"][0], loss=parts["loss"][0])
    x = np.random.default_rng(0).normal(size=(4, 3, 5)).astype("float32")
    model.fit(x, np.zeros(4), verbose=0)
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", x)
    serialized = [keras.saving.serialize_keras_object(case.build()) for case in saved]
    (tmp_path / "objects.json").write_text(json.dumps(serialized))

    answer = subprocess.run(
        [sys.executable, "-c", _FRESH_PROCESS, "model.keras", "x.npy", "y.npy", "objects.json"],
        cwd=tmp_path,
        env={**os.environ, "KERAS_BACKEND": keras.backend.backend()},
        capture_output=True,
        text=True,
        check=False,
    )

    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.split() == [case.name for case in saved]
    assert np.load(tmp_path / "y.npy").shape == (4, 3)
