import numpy as np
import pytest

from denselab.errors import DataError
from denselab.study.statistics import DEFAULT_METRIC, read_scores

GOOD = "arm,seed,score\na,0,0.5\na,1,0.25\nb,0,0.75\nb,1,failed\n"


@pytest.fixture
def write(tmp_path):
    def write(content, name="scores.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_scores_are_read_arm_by_arm(write):
    arms = read_scores(write(GOOD))[DEFAULT_METRIC]

    assert {name: dict(arm.scores) for name, arm in arms.items()} == {
        "a": {0: 0.5, 1: 0.25},
        "b": {0: 0.75, 1: None},
    }
    assert arms["a"].rows is None


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\xef\xbb\xbf" + GOOD.encode(), id="BOM"),
        pytest.param(GOOD.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(GOOD.rstrip("\n"), id="no last line break"),
        pytest.param(GOOD + "\n\n", id="blank lines at the end"),
        pytest.param(
            GOOD.replace("arm,seed,score", " arm , seed ,score"), id="blanks in the header"
        ),
        pytest.param(GOOD.replace("a,0,0.5", '"a",0,0.5'), id="quotes"),
        pytest.param(GOOD.replace("a,0,0.5", "\x1b[31ma\x1b[0m,0,5e-1"), id="ANSI escapes"),
    ],
)
def test_harmless_differences_do_not_matter(write, content):
    assert read_scores(write(content)) == read_scores(write(GOOD, "good.csv"))


def test_other_columns_are_left_alone_and_order_does_not_matter(write):
    path = write("score,note,seed,arm\n0.5,x,0,a\n0.25,,1,a\n")

    assert dict(read_scores(path)[DEFAULT_METRIC]["a"].scores) == {0: 0.5, 1: 0.25}


def test_metrics_are_kept_apart(write):
    path = write("arm,seed,metric,score\na,0,loss,1.5\na,0,accuracy,0.5\n")

    found = read_scores(path)

    assert list(found) == ["loss", "accuracy"]
    assert dict(found["loss"]["a"].scores) == {0: 1.5}


def test_scores_of_rows_are_put_in_one_order_and_averaged(write):
    path = write("arm,seed,row,score\na,0,x,1\na,0,y,0\nb,0,y,1\nb,0,x,0\nb,1,x,failed\n")

    arms = read_scores(path)[DEFAULT_METRIC]

    assert dict(arms["b"].scores) == {0: 0.5, 1: None}
    np.testing.assert_array_equal(arms["a"].rows[0], [1, 0])
    np.testing.assert_array_equal(arms["b"].rows[0], [0, 1])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("", "is empty; give a header", id="empty file"),
        pytest.param("\n \n", "is empty; give a header", id="blank lines only"),
        pytest.param("arm,seed,score\n", "has a header and no lines", id="header only"),
        pytest.param(
            "arm,score\na,1\n", "has no column seed, its columns are arm, score", id="missing"
        ),
        pytest.param("a,0,0.5\nb,0,0.5\n", "has no column arm", id="no header"),
        pytest.param(
            "arm,seed,score,score\na,0,1,1\n", "2 columns score; give one", id="column twice"
        ),
        pytest.param("arm;seed;score\na;0;0,5\n", "save it with commas", id="semicolons"),
        pytest.param("arm\tseed\tscore\na\t0\t1\n", "save it with commas", id="tabs"),
        pytest.param(GOOD.encode("utf-16"), "is UTF-16 or no text; save it as UTF-8", id="UTF-16"),
        pytest.param(GOOD.encode("utf-16-le"), "is UTF-16 or no text", id="UTF-16 without BOM"),
        pytest.param(b"arm,seed,score\n\xff,0,1\n", "is not UTF-8 .byte 15.", id="invalid UTF-8"),
        pytest.param(b"\x1f\x8b\x08 gzip", "is not UTF-8", id="gzip"),
        pytest.param("arm,seed,score\na,0,nan\n", "line 2: score nan is not finite", id="NaN"),
        pytest.param("arm,seed,score\na,0,-inf\n", "line 2: score -inf is not finite", id="inf"),
        pytest.param("arm,seed,score\na,0,1e400\n", "score 1e400 is not finite", id="1e400"),
        pytest.param(
            "arm,seed,score\na,0,good\n", "'good' is no number; give one, or", id="a word"
        ),
        pytest.param("arm,seed,score\na,0,\n", "score '' is no number", id="empty score"),
        pytest.param(
            "arm,seed,score\na,0.5,1\n", "seed '0.5' is no whole number", id="half a seed"
        ),
        pytest.param("arm,seed,score\na,,1\n", "seed '' is no whole number", id="empty seed"),
        pytest.param("arm,seed,score\n,0,1\n", "line 2: arm is empty", id="empty arm"),
        pytest.param(
            "arm,seed,score\na,0,1\na,0,2\n",
            "line 3: arm a, seed 0 again, as in line 2",
            id="twice",
        ),
        pytest.param("arm,seed,score\na,0\n", "line 2: has 2 cells, the header has 3", id="ragged"),
        pytest.param("arm,seed,score\na,0,1,2\n", "line 2: has 4 cells", id="too long a line"),
        pytest.param('arm,seed,score\n"a,0,1\n', "no CSV .unexpected end", id="unclosed quote"),
        pytest.param(
            "arm,seed,score\n" + "a" * 200_000 + ",0,1\n", "no CSV .field larger", id="long field"
        ),
        pytest.param(
            "arm,seed,row,score\na,0,x,1\na,1,x,1\na,1,y,1\n",
            "row y is not in every trial",
            id="rows",
        ),
        pytest.param(
            "arm,seed,row,score\na,0,x,1\na,0,y,failed\n",
            "failed in some rows only",
            id="half failed",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(write, content, message):
    with pytest.raises(DataError, match=message) as raised:
        read_scores(write(content))

    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path):
    for path in (tmp_path, tmp_path / "no.csv"):
        with pytest.raises(DataError, match="no such file; give a CSV file with columns arm, seed"):
            read_scores(path)


def test_a_file_far_too_large_is_refused_unread(tmp_path):
    path = tmp_path / "large.csv"
    with path.open("wb") as file:
        file.truncate(2**30)

    with pytest.raises(DataError, match="more than 32 MiB"):
        read_scores(path)
