"""Model files, good ones and those that somebody built to do harm."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import pytest


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Members of a small model as Keras saves it."""
    path = tmp_path_factory.mktemp("good") / "model.keras"
    layers = [keras.Input((3,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(2, "softmax")]
    keras.Sequential(layers).save(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def forge(good: dict[str, bytes], tmp_path: Path) -> Callable[..., Path]:
    """Packs the good model again, with one thing changed."""

    def pack(
        *,
        config: Callable[[dict[str, Any]], Any] | None = None,
        weights: Callable[[h5py.File], Any] | None = None,
        members: dict[str, bytes] | None = None,
    ) -> Path:
        changed = dict(good)
        if config is not None:
            table = json.loads(good["config.json"])
            config(table)
            changed["config.json"] = json.dumps(table).encode()
        if weights is not None:
            file = io.BytesIO(good["model.weights.h5"])
            with h5py.File(file, "r+") as opened:
                weights(opened)
            changed["model.weights.h5"] = file.getvalue()
        path = tmp_path / "model.keras"
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in {**changed, **(members or {})}.items():
                archive.writestr(name, content)
        return path

    return pack
