"""Packed files are small, open everywhere, lose no bit, and are no bombs."""

import errno
import os
import zipfile

import keras
import numpy as np
import pytest

from denselab.errors import DataError, ExhaustedError, UsageError
from denselab.sparsity.packing import pack, save_packed
from denselab.training.loading import load_model

layers = keras.layers
WIDTH = 512


def sparse_network(sparsity, width=WIDTH):
    """One square layer with a share of exact zeros, and a small one."""
    random = np.random.default_rng(0)
    model = keras.Sequential(
        [keras.Input((width,)), layers.Dense(width, "elu"), layers.Dense(3, "softmax")]
    )
    weights = [random.normal(size=w.shape).astype("float32") for w in model.get_weights()]
    kept = random.permutation(weights[0].size) >= round(sparsity * weights[0].size)
    weights[0] = np.where(kept.reshape(weights[0].shape), weights[0], 0)
    model.set_weights(weights)
    return model


@pytest.mark.parametrize("sparsity", [0.0, 0.9, 0.999, 1.0])
def test_keras_and_guarded_loading_open_it_and_predict_the_same_bits(sparsity, tmp_path):
    model, path = sparse_network(sparsity), tmp_path / "model.keras"
    save_packed(model, path)
    x = np.random.default_rng(1).normal(size=(5, WIDTH)).astype("float32")
    wanted = model.predict(x, verbose=0)

    for loaded in (keras.saving.load_model(path), load_model(path).model):
        assert loaded.predict(x, verbose=0).tobytes() == wanted.tobytes()


@pytest.mark.parametrize(
    ("sparsity", "bound"), [(0.5, 0.6), (0.9, 0.16), (0.95, 0.09), (0.99, 0.04)]
)
def test_zeros_make_it_small(sparsity, bound, tmp_path):
    model = sparse_network(sparsity)
    model.save(tmp_path / "plain.keras")
    size = save_packed(model, tmp_path / "packed.keras")

    assert size == (tmp_path / "packed.keras").stat().st_size
    # A weight that is left takes about 30 bits, and saying which one it is about 8 where they are rare.
    assert 0.9 * (1 - sparsity) < size / (tmp_path / "plain.keras").stat().st_size < bound


@pytest.mark.parametrize("sparsity", [0.999, 1.0])
def test_no_member_unpacks_to_a_hundred_times_its_size(sparsity, tmp_path):
    path = tmp_path / "model.keras"
    save_packed(sparse_network(sparsity), path)
    members = zipfile.ZipFile(path).infolist()

    assert max(one.file_size / one.compress_size for one in members) <= 90.5


def test_packing_a_file_keeps_all_its_members(tmp_path):
    plain, packed = tmp_path / "plain.keras", tmp_path / "packed.keras"
    sparse_network(0.9).save(plain)
    with zipfile.ZipFile(plain, "a") as archive:
        archive.writestr("denselab.json", '{"recipe": "plain"}')
        before = {name: archive.read(name) for name in archive.namelist()}
    pack(plain, packed)

    with zipfile.ZipFile(packed) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == before


def test_a_file_can_be_packed_in_its_place(tmp_path):
    path = tmp_path / "model.keras"
    sparse_network(0.9).save(path)
    before = path.stat().st_size

    assert pack(path, path) == path.stat().st_size < before / 5


def test_the_same_file_packs_to_the_same_bytes(tmp_path):
    plain = tmp_path / "plain.keras"
    sparse_network(0.999).save(plain)
    for name in ("one.keras", "other.keras"):
        pack(plain, tmp_path / name)

    assert (tmp_path / "one.keras").read_bytes() == (tmp_path / "other.keras").read_bytes()


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"model.h5 does not end in .keras; give a name such as"):
        save_packed(sparse_network(0.5, 8), tmp_path / "model.h5")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nothing", None])
def test_what_is_no_keras_file_is_not_packed(content, tmp_path):
    source = tmp_path / "source.keras"
    if content is not None:
        source.write_bytes(content)

    with pytest.raises(DataError, match=r"source.keras: .*(save the model again|give a file)"):
        pack(source, tmp_path / "packed.keras")
    assert not (tmp_path / "packed.keras").exists()


@pytest.mark.parametrize(
    ("number", "kind", "match"),
    [
        (errno.ENOSPC, ExhaustedError, "free some space"),
        (errno.EACCES, UsageError, "another folder"),
    ],
)
def test_a_failed_write_leaves_what_was_there(number, kind, match, tmp_path, monkeypatch):
    path = tmp_path / "model.keras"
    path.write_bytes(b"old")

    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(kind, match=match):
        save_packed(sparse_network(0.5, 8), path)
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("model.keras", b"old")]
