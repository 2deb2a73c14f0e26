import errno
import json

import keras
import pytest

from denselab.data import hold_out_test, load

TINY = ["--depth", "1", "--width", "4", "--epochs", "3", "--out", "out"]
TRAIN = ["train", "wine", "--recipe", "plain", *TINY]


def test_a_model_is_left_that_takes_raw_inputs_and_gives_probabilities(denselab, folder):
    answer = denselab(*TRAIN, "--json")

    assert answer.code == 0
    result = json.loads(answer.out)
    assert result["model"] == "out/model.keras"
    assert [path.name for path in (folder / "out").iterdir()] == ["model.keras"]
    model = keras.saving.load_model(folder / "out" / "model.keras")
    data = hold_out_test(load("wine"))
    right = model.predict(data.test_x, verbose=0).argmax(axis=1) == data.test_y
    assert right.mean() == pytest.approx(result["test"]["accuracy"])


def test_scores_are_printed(denselab):
    answer = denselab(*TRAIN)

    first, *rest = answer.out.splitlines()
    assert first.startswith("plain on wine, seed 0: 3 epochs in ")
    assert rest[0].startswith("test accuracy ")
    assert rest[1].startswith("validation accuracy ")
    assert rest[2] == "model: out/model.keras"


def test_a_recipe_that_shares_weights_gets_them(denselab, folder):
    answer = denselab("train", "wine", "--recipe", "mc_dropout", *TINY)

    assert answer.code == 0
    assert "mc_dropout on wine, seed 0: nothing to train, weights shared" in answer.out
    assert (folder / "out" / "model.keras").is_file()


def test_a_training_that_diverges_ends_with_3_and_leaves_nothing(denselab, folder):
    answer = denselab(
        *TRAIN, "--set", "optimizer.name=sgd", "--set", "optimizer.learning_rate=1e30"
    )

    assert answer.code == 3
    assert "the loss was no number any more" in answer.out
    assert list(folder.iterdir()) == []


def test_a_model_that_is_there_is_not_replaced(denselab, folder):
    (folder / "out").mkdir()
    (folder / "out" / "model.keras").write_bytes(b"mine")

    answer = denselab(*TRAIN)

    assert answer.code == 2
    assert "out/model.keras is there already" in answer.err
    assert (folder / "out" / "model.keras").read_bytes() == b"mine"


def test_a_full_disk_ends_with_6_and_leaves_no_model(denselab, folder, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("keras.Model.save", full)

    answer = denselab(*TRAIN)

    assert answer.code == 6
    assert "the disk is full" in answer.err.splitlines()[-1]
    assert list(folder.rglob("*.keras")) == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["wine", "--recipe", "plian", "--out", "out"], "did you mean plain?"),
        (["wine", "--recipe", "plain,one_cycle", "--out", "out"], "is no recipe of the ladder"),
        (["wne", "--recipe", "plain", "--out", "out"], "did you mean 'wine'?"),
        (["wine", "--recipe", "plain", "--out", "file"], "file is a file; name a folder"),
        (["wine", "--recipe", "plain", "--out", "out", "--depth", "0"], "must be at least 1"),
    ],
    ids=["recipe", "two recipes", "data", "out", "depth"],
)
def test_bad_input_is_one_line_and_nothing_is_written(denselab, folder, arguments, expected):
    (folder / "file").touch()

    answer = denselab("train", *arguments)

    assert answer.code == 2
    assert expected in answer.err
    assert answer.err.count("\n") == 1
    assert [path.name for path in folder.iterdir()] == ["file"]
