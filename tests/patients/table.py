"""The one table of patients: each is ill in exactly one way and has a healthy twin beside it."""

import importlib.util
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

# Read by its path: with importlib mode nothing puts the tests on the import path.
_SPEC = importlib.util.spec_from_file_location(
    "denselab_doctor_programs", Path(__file__).with_name("programs.py")
)
assert _SPEC is not None
assert _SPEC.loader is not None
programs = sys.modules.setdefault(_SPEC.name, importlib.util.module_from_spec(_SPEC))
_SPEC.loader.exec_module(programs)

L, Program, Pairwise = programs.L, programs.Program, programs.Pairwise
chain, dense, ending, inner = programs.chain, programs.dense, programs.ending, programs.inner
crossed, damaged, rows = programs.crossed, programs.damaged, programs.rows
skipping, freeze, served = programs.skipping, programs.freeze, programs.served
after_another, swapped = programs.after_another, programs.swapped
normalized_in_training = programs.normalized_in_training
BINARY, ONE_HOT, SPARSE, RUN = programs.BINARY, programs.ONE_HOT, programs.SPARSE, programs.RUN
X, STANDARD, CLASSES, YES = programs.X, programs.STANDARD, programs.CLASSES, programs.YES
HOT, SEVERAL, VALUES = programs.HOT, programs.SEVERAL, programs.VALUES
HEALTHY, ASKS, VALUE, MARKS, SELF = (
    programs.HEALTHY,
    programs.ASKS,
    programs.VALUE,
    programs.MARKS,
    programs.SELF,
)


Patient, risk = programs.Patient, programs.risk
LOGITS = crossed("SparseCategoricalCrossentropy", from_logits=True)
HEADS = (
    Patient("softmax-on-one-unit", ASKS.but(model=ending(1)), ASKS),
    Patient("probabilities-read-as-logits", HEALTHY.but(loss=LOGITS)),
    Patient(
        "probabilities-read-as-logits",
        ASKS.but(loss=crossed("BinaryCrossentropy", from_logits=True)),
        ASKS,
    ),
    Patient(
        "logits-read-as-probabilities",
        Program(ending(3, None)),
        Program(ending(3, None), loss=LOGITS),
    ),
    Patient("logits-read-as-probabilities", ASKS.but(model=ending(1, None)), ASKS),
    Patient("logits-read-as-probabilities", ASKS.but(model=ending(1, "relu")), ASKS),
    Patient("sigmoid-with-categorical-loss", MARKS.but(model=ending(3, "sigmoid")), MARKS),
    Patient("sigmoid-with-categorical-loss", Program(ending(3, "sigmoid"))),
    Patient("categorical-loss-on-one-unit", ASKS.but(loss=ONE_HOT), ASKS),
    Patient("binary-loss-on-softmax", MARKS.but(loss=BINARY), MARKS),
    Patient(
        "binary-loss-on-softmax",
        Program(ending(2), y=YES, loss=BINARY),
        Program(ending(2), y=YES),
        ("target-shape",),
    ),
    risk(
        "hinge-on-probabilities",
        ASKS.but(loss="hinge"),
        ASKS.but(model=ending(1, "tanh"), loss="hinge"),
    ),
    Patient(
        "loss-broadcasts", VALUE.but(loss=Pairwise), VALUE.but(loss=Pairwise, y=VALUES[:, None])
    ),
    Patient("exact-accuracy", HEALTHY.but(metrics=(keras.metrics.Accuracy(),))),
    Patient("accuracy-of-values", VALUE.but(metrics=("accuracy",)), VALUE),
    Patient("integer-labels-with-categorical-loss", HEALTHY.but(loss=ONE_HOT)),
    Patient("one-hot-labels-with-sparse-loss", MARKS.but(loss=SPARSE), MARKS),
    Patient("labels-out-of-range", HEALTHY.but(y=CLASSES + 1)),
    Patient("labels-out-of-range", HEALTHY.but(y=CLASSES - 1)),
    Patient("many-classes-in-one-unit", ASKS.but(y=CLASSES), ASKS),
    Patient("binary-targets-outside-zero-one", ASKS.but(y=YES + 1), ASKS),
    Patient("binary-targets-outside-zero-one", ASKS.but(y=2 * YES - 1), ASKS),
    Patient("cross-entropy-on-values", ASKS.but(y=VALUES), VALUE),
    Patient("cross-entropy-on-values", HEALTHY.but(y=VALUES)),
    Patient("target-shape", VALUE.but(model=ending(3, None)), VALUE),
    Patient("target-shape", VALUE.but(y=np.stack([VALUES, VALUES], 1)), VALUE),
    Patient("targets-outside-output-range", VALUE.but(model=ending(1, "relu")), VALUE),
    Patient("targets-outside-output-range", VALUE.but(model=ending(1, "sigmoid")), VALUE),
    Patient("targets-outside-output-range", VALUE.but(model=ending(1, "tanh")), VALUE),
    Patient(
        "softmax-for-regression",
        VALUE.but(model=ending(2), y=np.stack([VALUES, -VALUES], 1)),
        VALUE.but(model=ending(2, None), y=np.stack([VALUES, -VALUES], 1)),
    ),
    risk("regression-loss-on-classes", MARKS.but(loss="mse"), MARKS),
    risk("regression-loss-on-classes", ASKS.but(loss="mse"), ASKS),
    risk(
        "exclusive-classes-apart",
        Program(ending(3, "sigmoid"), y=HOT, loss=BINARY),
        Program(ending(3, "sigmoid"), y=SEVERAL, loss=BINARY),
    ),
    Patient("several-labels-in-one-softmax", MARKS.but(y=SEVERAL), MARKS),
    risk(
        "relative-loss-at-zero",
        VALUE.but(loss="mape", y=damaged(VALUES, 0.0)),
        VALUE.but(loss="mape"),
    ),
    risk("relu-at-output", VALUE.but(model=ending(1, "relu"), y=VALUES**2), VALUE.but(y=VALUES**2)),
)
DATA = (
    Patient("data-not-finite", HEALTHY.but(x=damaged(X))),
    Patient("data-not-finite", VALUE.but(y=damaged(VALUES)), VALUE),
    Patient("data-not-finite", HEALTHY.but(x=damaged(X, np.inf))),
    risk("inputs-unscaled", VALUE.but(x=1000 * X), VALUE),
    risk(
        "probability-loss-on-unscaled-inputs", HEALTHY.but(x=1000 * X), with_it=("inputs-unscaled",)
    ),
    risk("inputs-scaled-twice", HEALTHY.but(x=X / 1000)),
    risk(
        "normalization-not-adapted",
        HEALTHY.but(model=inner(L.Normalization, dense())),
        HEALTHY.but(model=inner(partial(L.Normalization, mean=0.1, variance=1.2), dense())),
    ),
    Patient(
        "text-inputs",
        HEALTHY.but(
            x=np.full((400, 8), "a"), fit={"epochs": 9, "batch_size": 8, "validation_split": 0.2}
        ),
    ),
    Patient("labels-among-inputs", VALUE.but(y=X[:, 3]), VALUE),
    Patient("rows-differ", HEALTHY.but(y=CLASSES[:-1])),
    Patient("targets-constant", HEALTHY.but(y=0 * CLASSES)),
    risk("targets-unscaled", VALUE.but(y=1e4 * VALUES), VALUE),
    risk("targets-unscaled", VALUE.but(y=200 * VALUES, optimizer=keras.optimizers.SGD), VALUE),
    risk("classes-imbalanced", ASKS.but(y=(np.arange(400) % 40 == 0).astype("int32")), ASKS),
    Patient(
        "validation-rows-in-training",
        HEALTHY.run(validation_data=(X[:90], CLASSES[:90]), validation_split=0),
    ),
    risk(
        "scaler-saw-validation",
        HEALTHY.but(
            x=((X - X.mean(0)) / X.std(0))[:320],
            y=CLASSES[:320],
            fit={
                **RUN,
                "validation_split": 0,
                "validation_data": (((X - X.mean(0)) / X.std(0))[320:], CLASSES[320:]),
            },
        ),
        HEALTHY.but(
            x=STANDARD[:320],
            y=CLASSES[:320],
            fit={**RUN, "validation_split": 0, "validation_data": (STANDARD[320:], CLASSES[320:])},
        ),
    ),
    risk("split-of-ordered-rows", HEALTHY.but(y=np.sort(CLASSES))),
    risk("split-of-ordered-rows", VALUE.but(y=np.sort(VALUES)), VALUE),
    risk(
        "labels-drift",
        HEALTHY.run(validation_split=0, validation_data=(rows(500)[400:], np.full(100, 2))),
        HEALTHY.run(validation_split=0, validation_data=(rows(500)[400:], CLASSES[:100])),
    ),
)


def random_normal(deviation: float) -> Any:
    return keras.initializers.RandomNormal(stddev=deviation, seed=0)


LECUN = partial(dense, 16, "selu", kernel_initializer="lecun_normal")
BATCH = inner(dense(16, None, use_bias=False), L.BatchNormalization, L.ReLU)
ARCHITECTURE = (
    Patient("input-shape", HEALTHY.but(x=rows(400, 9))),
    risk("linear-hidden-layer", HEALTHY.but(model=inner(dense(16, None), dense()))),
    risk(
        "activation-twice",
        HEALTHY.but(model=inner(dense(16, "tanh"), partial(L.Activation, "tanh"))),
    ),
    risk("softmax-in-hidden-layer", HEALTHY.but(model=inner(dense(16, "softmax")))),
    risk(
        "deep-saturating-stack",
        HEALTHY.but(model=inner(*[dense(16, "sigmoid")] * 3)),
        HEALTHY.but(model=inner(*[dense(16, "relu")] * 3)),
    ),
    Patient(
        "batch-norm-fixed-in-training",
        HEALTHY.but(model=partial(normalized_in_training, True)),
        HEALTHY.but(model=partial(normalized_in_training, None)),
    ),
    risk(
        "dropout-before-batch-norm",
        HEALTHY.but(model=inner(dense(), partial(L.Dropout, 0.2), L.BatchNormalization)),
        HEALTHY.but(model=inner(dense(), L.BatchNormalization, partial(L.Dropout, 0.2))),
    ),
    risk("dropout-too-strong", HEALTHY.but(model=inner(dense(), partial(L.Dropout, 0.9)))),
    risk("dropout-too-strong", HEALTHY.but(model=inner(partial(L.Dropout, 0.6), dense()))),
    risk("dropout-too-strong", HEALTHY.but(model=inner(dense(4), partial(L.Dropout, 0.5)))),
    Patient(
        "dropout-at-output",
        HEALTHY.but(model=chain(dense(), dense(3, "softmax"), partial(L.Dropout, 0.2))),
        HEALTHY.but(model=inner(dense(), partial(L.Dropout, 0.2))),
    ),
    risk(
        "narrow-relu-layer", HEALTHY.but(model=inner(dense(2))), HEALTHY.but(model=inner(dense(4)))
    ),
    risk("one-unit-hidden-layer", HEALTHY.but(model=inner(dense(), dense(1)))),
    Patient("nothing-trainable", HEALTHY.but(prepare=freeze)),
    Patient("units-start-alike", HEALTHY.but(model=inner(dense(kernel_initializer="zeros")))),
    Patient("units-start-alike", HEALTHY.but(model=inner(dense(kernel_initializer="ones")))),
    risk(
        "start-does-not-suit-activation",
        HEALTHY.but(model=inner(dense(16, "tanh", kernel_initializer="he_normal"))),
        HEALTHY.but(model=inner(dense(16, "tanh"))),
    ),
    risk(
        "weights-start-off-size",
        HEALTHY.but(model=inner(dense(kernel_initializer=random_normal(10.0)))),
        HEALTHY.but(model=inner(dense(kernel_initializer=random_normal(0.5)))),
    ),
    risk(
        "weights-start-off-size",
        HEALTHY.but(model=inner(dense(kernel_initializer=random_normal(1e-4)))),
        HEALTHY.but(model=inner(dense(kernel_initializer="he_normal"))),
    ),
    risk(
        "signal-lost-at-start",
        HEALTHY.but(model=inner(*[dense(kernel_initializer=random_normal(0.01))] * 3)),
        HEALTHY.but(model=inner(*[dense(kernel_initializer="he_normal")] * 3)),
    ),
    risk("biases-start-large", HEALTHY.but(model=inner(dense(bias_initializer="ones")))),
    risk(
        "penalty-outweighs-loss",
        HEALTHY.but(model=inner(dense(kernel_regularizer=keras.regularizers.L2(10.0)))),
        HEALTHY.but(model=inner(dense(kernel_regularizer=keras.regularizers.L2(1e-4)))),
    ),
    risk("selu-without-lecun-start", SELF.but(model=inner(*[dense(16, "selu")] * 2)), SELF),
    risk(
        "selu-without-lecun-start",
        SELF.but(model=inner(*[dense(16, "selu", kernel_initializer="he_normal")] * 2)),
        SELF,
    ),
    risk(
        "selu-with-plain-dropout",
        SELF.but(model=inner(LECUN(), partial(L.Dropout, 0.1))),
        SELF.but(model=inner(LECUN(), partial(L.AlphaDropout, 0.1))),
    ),
    risk(
        "selu-with-normalization",
        SELF.but(model=inner(LECUN(), L.BatchNormalization, LECUN())),
        SELF,
    ),
    risk(
        "selu-with-skips",
        SELF.but(model=partial(skipping, "selu")),
        SELF.but(model=partial(skipping, "relu")),
    ),
    risk("selu-on-unscaled-inputs", SELF.but(x=5 * X + 3), SELF),
    risk(
        "alpha-dropout-without-selu",
        HEALTHY.but(model=inner(dense(), partial(L.AlphaDropout, 0.1))),
    ),
)


SGD, ADAM = keras.optimizers.SGD, keras.optimizers.Adam
STOP = partial(partial, keras.callbacks.EarlyStopping, restore_best_weights=True)
PLATEAU = partial(keras.callbacks.ReduceLROnPlateau, patience=3)
SAVE = partial(partial, keras.callbacks.ModelCheckpoint)
COSINE = keras.optimizers.schedules.CosineDecay


def cosine(steps: int, **options: Any) -> Callable[[], Any]:
    return lambda: SGD(COSINE(0.01, steps, **options))


def optimized(make: Callable[[], Any]) -> Any:
    return HEALTHY.but(optimizer=make)


RUNS = (
    risk("learning-rate-too-high", optimized(partial(ADAM, 0.1))),
    risk("learning-rate-too-high", optimized(partial(SGD, 2.0))),
    risk("learning-rate-too-high", optimized(partial(SGD, 0.3, momentum=0.9))),
    risk(
        "learning-rate-too-low",
        optimized(partial(SGD, 1e-7)),
        with_it=("weights-cannot-move-far",),
    ),
    risk(
        "learning-rate-too-low",
        optimized(keras.optimizers.Adadelta),
        optimized(partial(keras.optimizers.Adadelta, 1.0)),
    ),
    Patient("momentum-too-high", optimized(partial(SGD, 0.01, momentum=1.0))),
    risk("momentum-too-high", optimized(partial(SGD, 0.001, momentum=0.995))),
    risk("epsilon-extreme", optimized(partial(ADAM, epsilon=1e-16))),
    Patient("optimizer-of-another-model", HEALTHY.but(prepare=after_another)),
    Patient(
        "trainable-changed-after-compile",
        HEALTHY.but(model=inner(dense(8), dense(8)), prepare=swapped),
    ),
    risk("hardly-any-updates", HEALTHY.run(epochs=2)),
    risk("weights-cannot-move-far", optimized(partial(ADAM, 1e-5))),
    risk("weights-cannot-move-far", optimized(partial(SGD, 1e-3)), optimized(SGD)),
    Patient(
        "batch-norm-on-few-rows",
        HEALTHY.but(model=BATCH).run(batch_size=1),
        HEALTHY.but(model=BATCH),
    ),
    Patient(
        "batch-norm-on-few-rows",
        HEALTHY.but(model=BATCH).run(batch_size=29),
        HEALTHY.but(model=BATCH),
    ),
    risk(
        "batch-norm-on-few-rows",
        HEALTHY.but(model=BATCH, x=X[:395], y=CLASSES[:395]).run(batch_size=62),
        HEALTHY.but(model=BATCH),
    ),
    risk("schedule-length", optimized(cosine(30)), optimized(cosine(300))),
    risk(
        "warmup-too-long",
        optimized(cosine(50, warmup_target=0.1, warmup_steps=250)),
        optimized(cosine(280, warmup_target=0.1, warmup_steps=20)),
    ),
    risk(
        "patience-outlasts-run",
        HEALTHY.calling(STOP(patience=30)),
        HEALTHY.calling(STOP(patience=5)),
    ),
    Patient(
        "monitor-missing",
        HEALTHY.calling(STOP(monitor="val_f1")),
        HEALTHY.calling(STOP(monitor="val_accuracy")),
    ),
    Patient(
        "monitor-missing", HEALTHY.calling(STOP(), validation_split=0), HEALTHY.calling(STOP())
    ),
    Patient(
        "monitor-direction", HEALTHY.calling(STOP(mode="max")), HEALTHY.calling(STOP(mode="min"))
    ),
    risk(
        "checkpoint-path-taken",
        HEALTHY.calling(partial(served, "a.keras")),
        HEALTHY.calling(SAVE("a.keras")),
    ),
    Patient(
        "checkpoint-path-taken",
        HEALTHY.calling(SAVE("a.keras"), SAVE("a.keras")),
        HEALTHY.calling(SAVE("a.keras"), SAVE("b.keras")),
    ),
    Patient(
        "two-rate-controllers", optimized(cosine(300)).calling(PLATEAU), optimized(cosine(300))
    ),
)
PATIENTS: tuple[Patient, ...] = (*HEADS, *DATA, *ARCHITECTURE, *RUNS)
