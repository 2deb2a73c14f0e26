import http.server
import json
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from denselab.data import load, names


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "cache"
    monkeypatch.setenv("DENSELAB_CACHE", str(place))
    return place


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server that answers with bytes that are not CIFAR-10."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"wrong")

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/cifar-10-python.tar.gz"
    monkeypatch.setenv("DENSELAB_CIFAR10_URL", address)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield
    server.shutdown()
    server.server_close()


def test_every_data_set_is_listed(denselab):
    answer = denselab("data", "list")

    assert answer.code == 0
    assert [line.split()[0] for line in answer.out.splitlines()[1:]] == list(names())
    assert list(json.loads(denselab("data", "list", "--json").out)["data"]) == list(names())


def test_without_a_command_there_is_help(denselab):
    answer = denselab("data")

    assert answer.code == 0
    assert "Usage: denselab data" in answer.out


def test_a_description_names_rows_features_and_classes(denselab):
    out = denselab("data", "info", "digits").out

    assert "rows: 1,797; 20 % of them are set apart to test" in out
    assert "features: 64 (float32, 0 to 16, images of 8 x 8 x 1)" in out
    assert "classes: 10: 0 (178), 1 (182)" in out
    assert "careful: 3 of 64 features never change" in out


def test_a_description_in_json_has_the_fingerprint(denselab):
    about = json.loads(denselab("data", "info", "wine", "--json").out)

    assert about["fingerprint"] == load("wine").fingerprint
    assert about["rows"] == {"train": 178, "test": 0}


def test_what_needs_no_download_is_there(denselab):
    answer = denselab("data", "get", "wine", "--json")

    assert json.loads(answer.out)["source"] == "wine, scikit-learn"


def test_offline_says_where_to_put_the_file(denselab, cache):
    answer = denselab("data", "get", "cifar10", "--offline")

    assert answer.code == 2
    assert f"cifar10 is not in {cache / 'cifar10'}" in answer.err


def test_a_file_of_another_hash_is_refused_and_not_kept(denselab, cache, mirror):
    answer = denselab("data", "get", "cifar10")

    assert answer.code == 2
    *progress, error = answer.err.splitlines()
    assert "expected 6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce" in error
    assert all(line.endswith("MB downloaded") for line in progress)
    assert [path.name for path in (cache / "cifar10").iterdir() if path.suffix != ".lock"] == []


def test_a_truncated_archive_is_refused(denselab, folder):
    with tarfile.open(folder / "whole.tar.gz", "w:gz") as archive:
        archive.add(Path(__file__), "cifar-10-batches-py/data_batch_1")
    whole = (folder / "whole.tar.gz").read_bytes()
    (folder / "copy").mkdir()
    (folder / "copy" / "cifar-10-python.tar.gz").write_bytes(whole[: len(whole) // 2])

    answer = denselab("data", "info", "cifar10", "--data-dir", "copy")

    assert answer.code == 2
    assert "copy/cifar-10-python.tar.gz" in answer.err
    assert answer.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["info", "digit"], "unknown data set 'digit'; did you mean 'digits'?"),
        (["get", "cifar10", "--data-dir", "nowhere"], "nowhere does not exist"),
        (["info", "cifar10", "--data-dir", "."], "no CIFAR-10 in ."),
    ],
    ids=["unknown name", "missing folder", "empty folder"],
)
def test_data_that_cannot_be_had_is_one_line_and_exit_code_2(denselab, arguments, expected):
    answer = denselab("data", *arguments)

    assert answer.code == 2
    assert expected in answer.err
    assert answer.err.count("\n") == 1
