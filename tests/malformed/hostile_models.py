"""Security cases of model files: what would run, be fetched, or fill the memory when it is loaded."""

import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

PREDICT = "predict m.keras digits"
DENSE = "layers/dense/vars/0"

Change = Callable[[Any], object]


@cache
def good() -> dict[str, bytes]:
    """Members of a small model of digits as Keras saves it."""
    import keras

    layers = [keras.layers.Dense(4, "relu"), keras.layers.Dense(10, "softmax")]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "m.keras")
        keras.Sequential([keras.Input((64,)), *layers]).save(path)
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}


def forged(
    *,
    config: Change | None = None,
    weights: Change | None = None,
    members: dict[str, bytes] | None = None,
):
    """Packs the good model again with one thing changed."""

    def build(folder: Path) -> None:
        import h5py

        changed = dict(good())
        if config is not None:
            table = json.loads(changed["config.json"])
            config(table["config"]["layers"][1])
            changed["config.json"] = json.dumps(table).encode()
        if weights is not None:
            file = io.BytesIO(changed["model.weights.h5"])
            with h5py.File(file, "r+") as opened:
                weights(opened)
            changed["model.weights.h5"] = file.getvalue()
        with zipfile.ZipFile(folder / "m.keras", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in {**changed, **(members or {})}.items():
                archive.writestr(zipfile.ZipInfo(name), content, compress_type=_packing(content))

    return build


def _packing(content: bytes) -> int:
    return zipfile.ZIP_DEFLATED if len(content) > 2**20 else zipfile.ZIP_STORED


def stands_for(name: str, module: str | None, config: dict[str, object]) -> Change:
    """Puts another object in the place of a layer."""
    place = {"class_name": name, "module": module, "registered_name": name, "config": config}

    def change(layer: dict[str, Any]) -> None:
        layer.update({key: value for key, value in place.items() if key != "module"})
        layer["module"] = module
        if module is None:
            del layer["module"]

    return change


CODE = {
    "class_name": "__lambda__",
    "config": {"value": "4wAAAAA=", "defaults": None, "closure": None},
}


def activation(name: str, module: str) -> Change:
    function = {"class_name": "function", "config": name, "module": module, "registered_name": name}
    return lambda layer: layer["config"].update(activation=function)


def named(name: str) -> Change:
    return lambda layer: layer["config"].update(name=name)


def external(file: Any) -> None:
    import h5py

    file["layers/dense/vars/9"] = h5py.ExternalLink("/etc/passwd", "/")


def soft(file: Any) -> None:
    import h5py

    file["layers/dense/vars/9"] = h5py.SoftLink("/layers/dense_1")


def virtual(file: Any) -> None:
    import h5py

    layout = h5py.VirtualLayout((64, 4), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (64, 4))
    del file[DENSE]
    file.create_virtual_dataset(DENSE, layout)


def sparse(file: Any) -> None:
    del file[DENSE]
    file.create_dataset(DENSE, (2**28,), "f4", chunks=(2**20,))


def not_a_number(file: Any) -> None:
    file[DENSE][...] = np.full((64, 4), np.nan, "f4")


def twice(folder: Path) -> None:
    import warnings

    forged()(folder)
    with warnings.catch_warnings(), zipfile.ZipFile(folder / "m.keras", "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("config.json", b"{}")


def encrypted(folder: Path) -> None:
    forged()(folder)
    content = bytearray((folder / "m.keras").read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (folder / "m.keras").write_bytes(content)


def nothing(folder: Path) -> None:
    """What is wrong was typed."""


def layer(name: str, **config: object):
    """A file with another layer in the place of a Dense."""
    return forged(config=stands_for(name, "keras.layers", config))


def function(name: str, module: str):
    """A file whose Dense has another function for its activation."""
    return forged(config=activation(name, module))


def member(name: str, content: bytes = b"x"):
    """A file with a member more."""
    return forged(members={name: content})


CODE_OF_NO_MODULE = forged(config=stands_for("Lambda", None, {"function": CODE}))
MANY_UNITS = forged(config=lambda layer: layer["config"].update(units=10**9))
LAMBDA, FOREIGN = "Lambda layers", "TorchModuleWrapper, TFSMLayer"
LOOKUP, LINKS = "StringLookup of /etc/passwd or http", "h5 links: external, soft, virtual"
GADGETS = "gadgets (`get_file`, `load_model`, `enable_unsafe_deserialization`)"
SLIP, DOUBLE = "zip slip, backslash, `..` layer", "duplicate or encrypted members"
UNSAFE = "enable_unsafe_deserialization"
BLANKS = bytes(2**23)

CASES = (
    (LAMBDA, "module", PREDICT, 5, "a Lambda layer", layer("Lambda", function=CODE)),
    (LAMBDA, "no module", PREDICT, 5, "older than Keras 3", CODE_OF_NO_MODULE),
    (GADGETS, "1", PREDICT, 5, "'get_file'", function("get_file", "keras.utils")),
    (GADGETS, "2", PREDICT, 5, "'load_model'", function("load_model", "keras.saving")),
    (GADGETS, "3", PREDICT, 5, f"'{UNSAFE}'", function(UNSAFE, "keras.config")),
    (FOREIGN, "1", PREDICT, 5, "'TorchModule", layer("TorchModuleWrapper", module="gAQ=")),
    (FOREIGN, "2", PREDICT, 5, "'TFSMLayer'", layer("TFSMLayer", filepath="/tmp/m")),
    (LOOKUP, "file", PREDICT, 5, "'StringL", layer("StringLookup", vocabulary="/etc/passwd")),
    (LOOKUP, "http", PREDICT, 5, "'StringL", layer("StringLookup", vocabulary="http://a.org")),
    (LINKS, "external", PREDICT, 5, "link to another place", forged(weights=external)),
    (LINKS, "soft", PREDICT, 5, "link to another place", forged(weights=soft)),
    (LINKS, "virtual", PREDICT, 5, "in another file", forged(weights=virtual)),
    ("sparse 1 GiB weights", "", PREDICT, 5, "bytes|scattered", forged(weights=sparse)),
    ("units = 1e9", "", PREDICT, 5, "asks for 'units'", MANY_UNITS),
    (SLIP, "slip", PREDICT, 5, "has a member", member("../canary")),
    (SLIP, "backslash", PREDICT, 5, "has a member", member("..\\canary")),
    (SLIP, "layer", PREDICT, 5, "leads to another place", forged(config=named("../../x"))),
    (DOUBLE, "duplicate", PREDICT, 5, "two members of one name", twice),
    (DOUBLE, "encrypted", PREDICT, 5, "encrypted", encrypted),
    ("asset bomb", "asset", PREDICT, 5, "has a member", member("assets/a.txt", BLANKS)),
    ("asset bomb", "ours", PREDICT, 5, "of 8,388,608 bytes", member("denselab.json", BLANKS)),
    ("NaN weights", "", PREDICT, 2, "NaN|no numbers|finite", forged(weights=not_a_number)),
    ("hf://", "model", "predict hf://somebody/model digits", 5, "is an address", nothing),
    ("hf://", "https", "evaluate https://a.org/m.keras digits", 5, "is an address", nothing),
)
