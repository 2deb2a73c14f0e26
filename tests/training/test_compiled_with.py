"""What a model was compiled with comes back where it is plain, and nothing else of it is ever made."""

import json
import shutil
import zipfile

import keras
import pytest

from denselab.components import OneCycle
from denselab.training import load_model
from denselab.training.compiled_with import compile_as_saved

SPARSE = keras.losses.SparseCategoricalCrossentropy


@pytest.fixture
def saved(tmp_path):
    """Saves a compiled model; what is written of its compiling may be replaced."""

    def save(change=None, **compiled):
        path = tmp_path / "model.keras"
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="out")])
        model.compile(**{"optimizer": "sgd", "loss": "mse", **compiled})
        model.save(path)
        if change is not None:
            replaced = tmp_path / "replaced.keras"
            with zipfile.ZipFile(path) as old, zipfile.ZipFile(replaced, "w") as new:
                for member in old.infolist():
                    data = old.read(member)
                    if member.filename == "config.json":
                        table = json.loads(data)
                        table["compile_config"] = change(table["compile_config"])
                        data = json.dumps(table).encode()
                    new.writestr(member, data)
            shutil.move(replaced, path)
        return path

    return save


def compiled(path):
    model = load_model(path).model
    return model, compile_as_saved(model, path)


def test_loss_optimizer_and_metrics_come_back(saved):
    rate = keras.optimizers.schedules.CosineDecay(0.1, 77)
    path = saved(
        optimizer=keras.optimizers.SGD(rate, momentum=0.8),
        loss=SPARSE(from_logits=True),
        metrics=["accuracy", keras.metrics.Accuracy()],
    )

    model, left_out = compiled(path)

    assert left_out == ()
    assert type(model.loss) is SPARSE
    assert model.loss.from_logits
    assert model.optimizer.momentum == 0.8
    assert model.optimizer._learning_rate.decay_steps == 77
    named, exact = model._compile_metrics._user_metrics
    assert named == "accuracy"
    assert type(exact) is keras.metrics.Accuracy


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("mse", "mse"),
        (keras.losses.mean_squared_error, "mean_squared_error"),
        ({"out": "mse"}, {"out": "mse"}),
        (["mae"], ["mae"]),
    ],
    ids=["word", "function", "table", "list"],
)
def test_a_loss_may_be_said_in_every_way(saved, loss, expected):
    model, left_out = compiled(saved(loss=loss))

    assert (model.loss, left_out) == (expected, ())


def test_schedules_of_denselab_are_plain(saved):
    model, left_out = compiled(saved(optimizer=keras.optimizers.SGD(OneCycle(0.05, 40))))

    assert left_out == ()
    assert type(model.optimizer._learning_rate) is OneCycle


def test_a_model_that_was_not_compiled_stays_so(tmp_path):
    path = tmp_path / "model.keras"
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]).save(path)

    model, left_out = compiled(path)

    assert (model.compiled, left_out) == (False, ())


def thing(class_name, module="keras.losses", **config):
    return {"class_name": class_name, "module": module, "config": config, "registered_name": None}


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("loss", thing("system", "os")),
        ("loss", thing("MeanSquaredError", "os")),
        ("loss", thing("function", "builtins") | {"config": "exec"}),
        ("loss", thing("Mine", registered_name="mine>Mine")),
        ("loss", "exec"),
        ("loss", ["mse"] * 1000),
        ("loss", [[[[[["mse"]]]]]]),
        ("loss", 7),
        ("optimizer", thing("LossScaleOptimizer", "keras.optimizers")),
        ("optimizer", {"inner": thing("SGD", "keras.optimizers")}),
        ("optimizer", thing("SGD", "keras.optimizers", learning_rate=-1, momentum=7.0)),
    ],
)
def test_what_is_not_plain_is_left_out_and_named(saved, part, value):
    path = saved(change=lambda table: {**table, part: value})

    model, left_out = compiled(path)

    assert not model.compiled
    assert len(left_out) == 1
    assert f"the {part} " in left_out[0]


def test_a_metric_that_is_not_plain_is_left_out_alone(saved, monkeypatch):
    made = []
    monkeypatch.setattr(keras.saving, "deserialize_keras_object", made.append)
    odd = [thing("MeanMetricWrapper", "keras.metrics", fn="exec"), "exec", "accuracy"]
    path = saved()
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    path = saved(change=lambda table: {**table, "metrics": odd})

    left_out = compile_as_saved(model, path)

    assert model.compiled
    assert model._compile_metrics._user_metrics == ["accuracy"]
    assert ["MeanMetricWrapper" in left_out[0], "exec" in left_out[1]] == [True, True]
    assert made == []


def test_a_metric_takes_no_memory_that_a_file_asks_for(saved):
    greedy = thing("AUC", "keras.metrics", num_thresholds=10**9)
    model, _ = compiled(saved(change=lambda table: {**table, "metrics": [greedy]}))

    (metric,) = model._compile_metrics._user_metrics
    assert metric.num_thresholds == 200
