"""All malformed inputs and hostile files by number, through the command that a user would type."""

import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

ROOT = Path(__file__).parents[2]


def contents(folder):
    """Every name below a folder with what it holds."""
    found = {}
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place, name)
            kind = "link" if path.is_symlink() else "folder" if path.is_dir() else "file"
            digest = hashlib.sha256(path.read_bytes()).hexdigest() if kind == "file" else ""
            found[str(path.relative_to(folder))] = (kind, digest)
    return found


def typed(case, request):
    if isinstance(case.command, list):
        return case.command
    models = request.getfixturevalue("models") if "{" in case.command else {}
    return shlex.split(case.command.format(**models))


def test_a_malformed_input_is_one_line_and_leaves_nothing(case, denselab, folder, request):
    arguments = typed(case, request)
    case.build(folder)
    before = contents(folder)

    answer = denselab(*arguments)

    assert (answer.code, answer.out) == (case.code, "")
    assert re.fullmatch(r"denselab: [^\n]+\n", answer.err), answer.err
    assert answer.err[:-1].isprintable()
    assert re.search(case.says, answer.err), answer.err
    assert contents(folder) == before


def labels_of(path):
    """Reads the labels as the file or folder has them."""
    if path.is_dir():
        return [image.parent.name for image in sorted(path.glob("*/*.*g"))]
    if path.suffix == ".npz":
        labels = np.load(path)["y"].tolist()
        return [str(label).lower() if isinstance(label, bool) else str(label) for label in labels]
    frame = pl.read_csv(path) if path.suffix == ".csv" else pl.read_parquet(path)
    return [str(label) for label in frame["y"].to_list()]


def test_what_looks_odd_trains_and_gives_the_right_labels(working, denselab, folder):
    working.build(folder)
    target = [] if working.data == "pets" else ["--target", "y"]
    small = [
        "--ensemble",
        "1",
        "--depth",
        "1",
        "--width",
        "16",
        "--epochs",
        "60",
        "--calibration",
        "0",
    ]

    trained = denselab("train", working.data, *target, *small, "--out", "m")
    rows = ["--rows", "all"] if working.data == "pets" else []
    answer = denselab("predict", "m/model.keras", working.data, *rows, "--draws", "1", "--json")

    assert (trained.code, answer.code) == (0, 0), trained.err + answer.err
    predicted = json.loads(answer.out)["predictions"]
    labels, expected = [row["label"] for row in predicted], labels_of(folder / working.data)
    in_order = labels if working.data != "pets" else sorted(labels)
    assert in_order == expected
    right = np.mean([row["predicted"] == row["label"] for row in predicted])
    assert right > 0.95


SECURITY = {
    "Lambda layers",
    "gadgets (`get_file`, `load_model`, `enable_unsafe_deserialization`)",
    "TorchModuleWrapper, TFSMLayer",
    "StringLookup of /etc/passwd or http",
    "h5 links: external, soft, virtual",
    "sparse 1 GiB weights",
    "units = 1e9",
    "zip slip, backslash, `..` layer",
    "duplicate or encrypted members",
    "asset bomb",
    "NaN weights",
    "hf://",
    "CIFAR pickle gadget",
    "npz pickle",
    "tar symlink, hardlink, device",
    "Parquet and CSV.gz 1000:1",
    "images of 50,000²",
    '`<script>`, `"onload=`, `</script>` in class, column and study names',
    "formula `=cmd` in exported CSV",
    "study name `../x`, `/x`, NUL, 300 characters",
    "world-writable or symlinked study folder",
    "ANSI escapes in labels",
}
"""What was promised, beside the 60 numbers."""


def test_every_number_and_every_security_case_is_in_the_table(numbers, elsewhere):
    assert set(numbers) | {case for case, _ in elsewhere} == set(range(1, 61)) | SECURITY


def test_every_test_that_is_named_elsewhere_is_there(elsewhere):
    for _, place in elsewhere:
        path, test = place.split("::")
        assert f"\ndef {test}(" in (ROOT / path).read_text(encoding="utf-8"), place


def test_the_canary_would_fire_if_it_were_unpickled(folder, hostile):
    hostile.npz_of_canaries("t.npz")(folder)

    np.load("t.npz", allow_pickle=True)["x"]

    assert contents(folder)["canary"] == ("folder", "")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["data", "info", "no_such.csv"], 2, "No such file or directory"),
        (["train", "t.npz", "--target", "y"], 5, "holds Python objects"),
        (["train", "pets"], 5, "far too many pixels"),
        (["train", "digits", "--recipe", "r.toml"], 2, "write 1e-3 without quotes"),
    ],
    ids=["no file", "pickle", "pixels", "recipe"],
)
def test_a_process_of_its_own_says_the_same(arguments, code, says, folder, hostile):
    hostile.npz_of_canaries("t.npz")(folder)
    hostile.huge_picture("png")(folder)
    (folder / "r.toml").write_text('[optimizer]\nlearning_rate = "1e-3"\n')
    before = contents(folder)

    done = subprocess.run(
        [sys.executable, "-c", "from denselab.cli.main import main; main()", *arguments],
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stdout) == (code, "")
    assert re.fullmatch(rf"denselab: [^\n]*{says}[^\n]*\n", done.stderr), done.stderr
    assert contents(folder) == before
