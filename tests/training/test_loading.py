"""Security cases of model files: nothing that a file holds runs, is fetched, or fills the memory."""

import json
import resource
import runpy
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import h5py
import jax
import keras
import numpy as np
import pytest

import denselab.components
import denselab.uncertainty
from denselab.data import hold_out_calibration, hold_out_test, load
from denselab.errors import DataError, UnsafeFileError
from denselab.recipes import load_recipe
from denselab.training import train_recipe
from denselab.training.loading import load_model

DENSE = "layers/dense/vars/0"


@pytest.fixture
def canary(tmp_path):
    """A file that a payload would write; it must never be there."""
    return tmp_path / "canary"


@pytest.fixture
def refused(canary, monkeypatch):
    """Loads a file that must be refused before Keras makes anything of it."""
    reached = []
    monkeypatch.setattr(keras.saving, "deserialize_keras_object", lambda *a, **k: reached.append(a))

    def check(path, *, match, kind=UnsafeFileError):
        with pytest.raises(kind, match=match) as caught:
            load_model(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)
        assert reached == []
        assert not canary.exists()

    return check


def layer(table, place=1):
    return table["config"]["layers"][place]


def stands_for(class_name, module, config, **more):
    """Puts another object in the place of a layer."""

    def change(table):
        layer(table).update(class_name=class_name, module=module, config=config, **more)

    return change


def payload(canary):
    """A function that writes the canary; Keras wants to see its source when it saves it."""
    source = canary.with_suffix(".py")
    source.write_text(f"function = lambda x: [open({str(canary)!r}, 'w').close(), x][1]\n")
    return runpy.run_path(str(source))["function"]


def code(canary):
    """What Keras saves of it."""
    with pytest.warns(UserWarning, match="lambda"):
        return keras.saving.serialize_keras_object(payload(canary))


def lambda_model(canary, path):
    layers = [keras.layers.Lambda(payload(canary), output_shape=(3,)), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((3,)), *layers])
    model.save(path)
    return path


# Models that are as they should be


def test_a_model_of_keras_comes_back_with_its_weights(forge):
    path = forge()
    x = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")

    loaded = load_model(path)

    expected = keras.saving.load_model(path).predict(x, verbose=0)
    assert np.array_equal(loaded.model.predict(x, verbose=0), expected)
    assert loaded.description is None


LAYERS = {
    "dense": [
        keras.layers.Flatten(),
        keras.layers.Dense(3, "gelu", kernel_regularizer="l2", kernel_constraint="non_neg"),
        keras.layers.BatchNormalization(),
        keras.layers.PReLU(),
        keras.layers.AlphaDropout(0.1),
    ],
    "images": [
        keras.layers.Conv2D(2, 3, padding="same"),
        keras.layers.MaxPooling2D(),
        keras.layers.SpatialDropout2D(0.2),
        keras.layers.GlobalAveragePooling2D(),
    ],
    "sequences": [
        keras.layers.Reshape((16, 1)),
        keras.layers.Bidirectional(keras.layers.LSTM(2, return_sequences=True)),
        keras.layers.TimeDistributed(keras.layers.Dense(2)),
        keras.layers.GRU(2),
    ],
    "denselab": [
        keras.layers.Flatten(),
        denselab.components.MixUp(alpha=0.2),
        denselab.components.RReLU(),
        denselab.components.MCDropout(0.1),
        denselab.components.MCAlphaDropout(0.1),
    ],
}


@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
def test_plain_layers_of_every_kind_load(tmp_path, layers):
    model = keras.Sequential([keras.Input((4, 4, 1)), *layers])
    model.compile("adam", "mse")
    model.save(tmp_path / "model.keras")

    loaded = load_model(tmp_path / "model.keras").model

    for came, expected in zip(loaded.weights, model.weights, strict=True):
        assert np.array_equal(came.numpy(), expected.numpy())


def test_a_model_in_a_model_loads(tmp_path):
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.5), keras.layers.Dense(2)])
    x = keras.Input((3,))
    model = keras.Model(x, keras.layers.Add()([inner(x), keras.layers.Dense(2)(x)]))
    denselab.uncertainty.to_mc(model).save(tmp_path / "model.keras")

    loaded = load_model(tmp_path / "model.keras").model

    assert sum(len(layer.weights) > 0 for layer in loaded.stochastic_model.layers) == 2


def test_a_packed_archive_loads(forge, tmp_path):
    with (
        zipfile.ZipFile(forge()) as stored,
        zipfile.ZipFile(tmp_path / "b.keras", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in stored.namelist():
            packed.writestr(name, stored.read(name))

    assert load_model(tmp_path / "b.keras").model.count_params() == 26


# Code


def test_a_lambda_layer_with_code_is_refused(tmp_path, refused, canary):
    path = lambda_model(canary, tmp_path / "model.keras")

    refused(path, match=r"holds code that would run \(a Lambda layer\)")


def test_the_canary_would_fire_if_keras_trusted_the_file(tmp_path, canary):
    path = lambda_model(canary, tmp_path / "model.keras")

    keras.saving.load_model(path, safe_mode=False)(np.ones((1, 3)))

    assert canary.exists()


def test_a_lambda_layer_of_no_module_is_refused(forge, refused, canary):
    def change(table):
        stands_for("Lambda", None, {"function": code(canary)})(table)
        del layer(table)["module"]

    refused(forge(config=change), match="in a format older than Keras 3")


def test_code_inside_a_plain_layer_is_refused(forge, refused, canary):
    def change(table):
        layer(table)["config"]["activation"] = code(canary)

    refused(forge(config=change), match="names '__lambda__' of no module")


def test_code_in_the_arguments_of_a_call_is_refused(tmp_path, refused, canary, forge):
    x = keras.Input((3,))
    keras.Model(x, keras.layers.Dense(2)(x)).save(tmp_path / "f.keras")
    with zipfile.ZipFile(tmp_path / "f.keras") as archive:
        table = json.loads(archive.read("config.json"))
    table["config"]["layers"][1]["inbound_nodes"][0]["kwargs"] = {"mask": code(canary)}

    path = forge(members={"config.json": json.dumps(table).encode()})

    refused(path, match="names '__lambda__' of no module")


GADGETS = {
    "get_file": ("get_file", "keras.utils"),
    "load_model": ("load_model", "keras.saving"),
    "enable unsafe": ("enable_unsafe_deserialization", "keras.config"),
    "by its source": ("load_model", "keras.src.saving.saving_api"),
    "os.system": ("system", "os"),
    "builtins": ("exec", "builtins"),
}


@pytest.mark.parametrize(("name", "module"), GADGETS.values(), ids=GADGETS)
def test_a_function_that_is_no_activation_is_refused(forge, refused, canary, name, module):
    def change(table):
        layer(table)["config"]["activation"] = {
            "class_name": "function",
            "config": name,
            "module": module,
            "registered_name": name,
        }

    refused(forge(config=change), match=f"names the function '{name}'")


@pytest.mark.parametrize(("name", "module"), GADGETS.values(), ids=GADGETS)
def test_a_function_in_the_place_of_a_layer_is_refused(forge, refused, canary, name, module):
    change = stands_for(name, module, {"fname": str(canary), "origin": "x"}, registered_name=name)

    refused(forge(config=change), match=f"holds '{name}' of '{module}'")


FORBIDDEN = {
    "torch": ("TorchModuleWrapper", {"module": "gASVJAAAAAAAAA=="}),
    "TensorFlow": ("TFSMLayer", {"filepath": "/tmp/model"}),
    "JAX": ("JaxLayer", {"call_fn": "x"}),
    "vocabulary file": ("StringLookup", {"vocabulary": "/etc/passwd"}),
    "vocabulary address": ("StringLookup", {"vocabulary": "http://example.org/words"}),
    "numbers from a file": ("IntegerLookup", {"vocabulary": "/etc/passwd"}),
    "text from a file": ("TextVectorization", {"vocabulary": "/etc/passwd"}),
}


@pytest.mark.parametrize(("name", "config"), FORBIDDEN.values(), ids=FORBIDDEN)
def test_a_layer_that_holds_code_or_reads_files_is_refused(forge, refused, name, config):
    path = forge(config=stands_for(name, "keras.layers", config))

    refused(path, match=f"holds '{name}' of 'keras.layers', which is none of the plain layers")


def test_a_class_of_another_package_is_refused(forge, refused):
    change = stands_for("Popen", "subprocess", {"args": "id"})

    refused(forge(config=change), match="holds 'Popen' of 'subprocess'")


def test_a_known_name_registered_as_another_class_is_refused(forge, refused):
    def change(table):
        layer(table)["registered_name"] = "other>Gadget"

    refused(forge(config=change), match="holds 'Dense' of 'keras.layers'")


def test_what_a_model_was_compiled_with_is_not_made(forge):
    def change(table):
        table["compile_config"] = {"optimizer": {"class_name": "__lambda__", "config": {}}}

    assert not load_model(forge(config=change)).model.compiled


def test_a_module_without_a_class_is_refused(forge, refused):
    def change(table):
        layer(table)["config"]["dtype"] = {"module": "os", "config": "float32"}

    refused(forge(config=change), match="names a module without a class")


# Places


@pytest.mark.parametrize("name", ["..", "../../x", "a/b", "a\\b", ".hidden"])
def test_a_layer_whose_name_leads_elsewhere_is_refused(forge, refused, name):
    def change(table):
        layer(table)["config"]["name"] = name

    refused(forge(config=change), match="leads to another place")


@pytest.mark.parametrize(
    "name", ["../canary", "/tmp/canary", "..\\canary", "a/../../canary", "assets/x", "x\0y"]
)
def test_a_member_that_no_model_has_is_refused(forge, refused, name):
    refused(forge(members={name: b"x"}), match="has a member|has more members")


def test_a_member_that_stands_twice_is_refused(forge, refused):
    path = forge()
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", b"{}")

    refused(path, match="two members of one name")


def test_an_encrypted_member_is_refused(forge, refused):
    path = forge()
    content = bytearray(path.read_bytes())
    place = content.index(b"PK\x01\x02")  # Flags stand 8 bytes into an entry of the directory.
    content[place + 8] |= 1
    path.write_bytes(content)

    refused(path, match="encrypted")


@pytest.mark.parametrize(
    "address",
    ["hf://somebody/model", "https://example.org/model.keras", "s3://bucket/model.keras"],
)
def test_an_address_is_refused(address):
    with pytest.raises(UnsafeFileError, match=r"is an address.*give the \.keras file"):
        load_model(address)


def test_an_hdf5_model_is_refused(forge, refused, tmp_path):
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file["x"] = 1

    refused(tmp_path / "old.h5", match=r"is an HDF5 model.*save it as \.keras")


def test_a_saved_model_folder_is_refused(refused, tmp_path):
    (tmp_path / "saved_model.pb").touch()

    refused(tmp_path, match="TensorFlow SavedModel")


# Sizes


def test_a_member_that_unpacks_a_thousandfold_is_refused(forge, refused, good, tmp_path):
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in good.items():
            archive.writestr(name, content)
        archive.writestr("denselab.json", b" " * 2**21)

    refused(path, match="unpacks from")


def test_a_configuration_larger_than_any_is_refused(forge, refused):
    refused(forge(members={"config.json": b"[" * (2**24 + 1)}), match="at most 16,777,216")


def test_a_directory_of_many_members_is_refused_unread(forge, refused):
    path = forge()
    content = bytearray(path.read_bytes())
    content[-14:-10] = struct.pack("<2H", 60_000, 60_000)
    path.write_bytes(content)

    refused(path, match="more members")


def test_a_configuration_nested_too_deep_is_refused(forge, refused):
    deep = b'{"class_name": "Sequential", "config": ' + b"[" * 500_000 + b"]" * 500_000 + b"}"

    refused(forge(members={"config.json": deep}), match="nested deeper")


def test_a_configuration_that_says_a_thing_twice_is_refused(forge, refused):
    text = b'{"class_name": "Sequential", "class_name": "Lambda", "config": {}}'

    refused(forge(members={"config.json": text}), match="same thing twice")


@pytest.mark.parametrize("units", [10**9, 10**30])
def test_units_beyond_any_network_are_refused(forge, refused, units):
    def change(table):
        layer(table)["config"]["units"] = units

    refused(forge(config=change), match="asks for 'units'")


@pytest.mark.parametrize("units", [5_000_000, 16_000_000])
def test_more_weights_than_the_file_holds_are_refused_without_memory(forge, units):
    load_model(forge())  # What is imported once does not count.
    path = forge(config=lambda table: layer(table, 2)["config"].update(units=units))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(UnsafeFileError, match=r"asks for .* weights and holds 26"):
        load_model(path)

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000  # KiB; 4 * 5e6 B


def test_a_layer_that_gives_more_than_fits_is_refused(tmp_path):
    layers = [keras.layers.Flatten(), keras.layers.RepeatVector(2**20)]
    keras.Sequential([keras.Input((3, 2)), *layers]).save(tmp_path / "model.keras")

    with pytest.raises(UnsafeFileError, match="gives 6,291,456 values a row"):
        load_model(tmp_path / "model.keras")


def test_means_spread_over_more_than_fits_take_no_memory(tmp_path):
    layers = [
        keras.layers.RepeatVector(2**14),
        keras.layers.UpSampling1D(2**9),
        keras.layers.Normalization(axis=(1, 2), mean=[0.0], variance=[1.0]),
    ]
    made = []

    def build():
        with keras.StatelessScope(initialize_variables=False):
            made.append(keras.Sequential([keras.Input((8,)), *layers]))
        return ()

    jax.eval_shape(build)  # A test must not take the memory either.
    made[0].save(tmp_path / "model.keras")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(UnsafeFileError, match="gives 67,108,864 values a row"):
        load_model(tmp_path / "model.keras")

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_rows_of_open_size_are_refused(tmp_path):
    keras.Sequential([keras.Input((None, 2)), keras.layers.LSTM(2)]).save(tmp_path / "model.keras")

    with pytest.raises(DataError, match="rows of open size"):
        load_model(tmp_path / "model.keras")


# Weights


def external(file):
    file[DENSE.replace("/0", "/9")] = h5py.ExternalLink("/etc/passwd", "/")


def soft(file):
    file["layers/dense/vars/9"] = h5py.SoftLink("/layers/dense_1")


def hard(file):
    file["layers/dense/vars/9"] = file["layers/dense_1"]


def virtual(file):
    layout = h5py.VirtualLayout((3, 4), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (3, 4))
    del file[DENSE]
    file.create_virtual_dataset(DENSE, layout)


def outside(file):
    del file[DENSE]
    file.create_dataset(DENSE, (3, 4), "f4", external=[("/etc/passwd", 0, 48)])


def sparse(file):
    del file[DENSE]
    file.create_dataset(DENSE, (2**28,), "f4", chunks=(2**20,))


def empty(file):
    del file[DENSE]
    file.create_dataset(DENSE, (2**28,), "f4")


def packed(file):
    del file[DENSE]
    file.create_dataset(DENSE, data=np.zeros((3, 4), "f4"), compression="gzip")


def text(file):
    file["layers/dense/vars/9"] = "a text"


def reference(file):
    file.create_dataset("r", data=file[DENSE].ref, dtype=h5py.ref_dtype)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (external, "a link to another place"),
        (soft, "a link to another place"),
        (hard, "under two names"),
        (virtual, "in another file"),
        (outside, "in another file"),
        (sparse, "bytes of file|packed or scattered"),
        (empty, "bytes of weights"),
        (packed, "packed or scattered"),
        (text, "only plain numbers"),
        (reference, "only plain numbers"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_weights_that_are_not_plain_arrays_are_refused(forge, refused, change, expected):
    refused(forge(weights=change), match=expected)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_named(forge, refused, value):
    def change(file):
        file[DENSE][1, 2] = value

    path = forge(weights=change)

    refused(path, match="1 NaN or infinite weights of 12 in layers/dense/vars/0", kind=DataError)


def test_weights_of_another_shape_are_refused(forge):
    def change(file):
        del file[DENSE]
        file[DENSE] = np.zeros((4, 3), "f4")

    with pytest.raises(DataError, match="do not fit its network"):
        load_model(forge(weights=change))


def test_a_reader_that_dies_is_one_line(forge, monkeypatch, tmp_path):
    script = tmp_path / "dies.py"
    script.write_text("import os; os.abort()")
    monkeypatch.setattr("denselab.training.weights_file._SCRIPT", script)

    with pytest.raises(DataError, match="the HDF5 library died of"):
        load_model(forge())


def test_the_reader_cannot_take_all_memory(tmp_path):
    from denselab.training import hdf5_reader

    script = (
        f"import sys; sys.path.insert(0, {str(Path(hdf5_reader.__file__).parent)!r})\n"
        "import hdf5_reader, numpy\n"
        "hdf5_reader._limit(1000)\n"
        "numpy.ones(2**30)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert "Unable to allocate 8.00 GiB" in done.stderr


# Damage


def test_what_is_not_there_or_no_model_is_one_line(refused, tmp_path):
    (tmp_path / "text.keras").write_text("a text")
    (tmp_path / "empty.keras").touch()
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        archive.writestr("config.json", b"{}")

    refused(tmp_path / "none.keras", match="no such file", kind=DataError)
    refused(tmp_path / "text.keras", match="no .keras file, or a damaged one", kind=DataError)
    refused(tmp_path / "empty.keras", match="no .keras file, or a damaged one", kind=DataError)
    refused(tmp_path / "other.keras", match="model.weights.h5 is missing", kind=DataError)
    refused(tmp_path, match="is a folder", kind=DataError)


def test_a_file_cut_anywhere_is_refused(forge, refused):
    whole = forge().read_bytes()
    path = forge()
    for length in [*range(0, len(whole), 997), len(whole) - 1]:
        path.write_bytes(whole[:length])
        refused(path, match="damaged", kind=DataError)


def test_a_changed_byte_is_found_by_its_checksum(forge, refused):
    path = forge()
    content = bytearray(path.read_bytes())
    content[content.index(b'"units"')] ^= 1
    path.write_bytes(content)

    refused(path, match="is damaged", kind=DataError)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"nonsense", b"[]", b'{"a": 1}', b"1" * 10_000])
def test_a_configuration_that_is_none_is_one_line(forge, refused, content):
    refused(forge(members={"config.json": content}), match="configuration", kind=DataError)


def test_weights_that_are_no_hdf5_are_one_line(forge, refused):
    path = forge(members={"model.weights.h5": b"nothing" * 100})

    refused(path, match="weights that cannot be read", kind=DataError)


# What a model says of itself


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    settings = ["network.depth=2", "network.width=5", "training.epochs=1"]
    data = hold_out_calibration(hold_out_test(load("wine")))
    alpha = train_recipe(load_recipe("alpha_dropout", settings=settings), data, seeds=[3])
    result = train_recipe(
        load_recipe("mc_dropout", settings=settings), data, seeds=[3], source=alpha
    )
    path = tmp_path_factory.mktemp("saved") / "model.keras"
    result.save_model(0, path)
    return path, data


def test_a_model_of_denselab_says_what_it_is(saved):
    path, data = saved

    about = load_model(path).description

    assert (about.recipe, about.seed, about.draws) == ("mc_dropout", 3, 10)
    assert (about.dataset, about.fingerprint) == ("wine", data.fingerprint)
    assert about.class_names == data.class_names
    assert about.feature_names == data.feature_names
    assert about.calibration.held_out
    share = hold_out_calibration(hold_out_test(load("wine")), fraction=about.calibration.fraction)
    assert share.fingerprint == data.fingerprint


def test_keras_opens_it_in_another_process_without_a_word(saved):
    path, _ = saved
    script = (
        "import keras, denselab.components\n"
        f"print(keras.saving.load_model({str(path)!r}).output_shape)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True
    )

    assert (done.stdout, done.stderr) == ("(None, 3)\n", "")


def description(**changes):
    table = {
        "format": 1,
        "recipe": "plain",
        "seed": 0,
        "dataset": "toy",
        "fingerprint": "0" * 64,
        "class_names": ["no", "yes"],
        "draws": 1,
    }
    return {"denselab.json": json.dumps(table | changes).encode()}


def test_names_are_stripped_of_what_a_terminal_would_obey(forge):
    members = description(class_names=["\x1b[31mno\x1b[0m", "y\u202ees\n"], recipe="p\0lain")

    about = load_model(forge(members=members)).description

    assert (about.class_names, about.recipe) == (("no", "yes"), "plain")


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2},
        {"fingerprint": "x"},
        {"draws": 0},
        {"seed": -1},
        {"class_names": ["a" * 501]},
        {"class_names": "no"},
        {"calibration": {"fraction": 2.0, "fingerprint": "0" * 64, "held_out": True}},
        {"recipe": {"a": 1}},
    ],
    ids=str,
)
def test_a_description_that_denselab_never_writes_is_refused(forge, refused, changes):
    path = forge(members=description(**changes))

    refused(path, match="describes itself in denselab.json as denselab never does", kind=DataError)


def test_a_description_that_is_no_json_is_refused(forge, refused):
    path = forge(members={"denselab.json": zlib.compress(b"x" * 100)})

    refused(path, match="describes itself", kind=DataError)
