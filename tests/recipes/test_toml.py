"""TOML that no file can use to exhaust the reader, and values written so that they come back."""

import math
import tomllib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from denselab.errors import UsageError
from denselab.recipes.toml import SIZE_LIMIT, read_toml, show, write_toml

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXT,
)
CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Nothing here is to fail on a busy machine."""

KEYS = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1)


@CALM
@given(
    st.dictionaries(KEYS, SCALARS | st.dictionaries(KEYS, SCALARS | st.dictionaries(KEYS, SCALARS)))
)
def test_what_is_written_is_read_back(table):
    assert tomllib.loads(write_toml(table)) == table


@CALM
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_comes_back_to_the_last_bit(value):
    back = tomllib.loads(write_toml({"x": value}))["x"]
    assert isinstance(back, float)
    assert back.hex() == value.hex()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(b"#" * (SIZE_LIMIT + 1), "larger than 64 KiB", id="too large"),
        pytest.param(b"a" + b".a" * 30_000 + b" = 1", "longer than 1000", id="endless key"),
        pytest.param(b"a = " + b"[\n" * 30_000, "nested too deeply", id="endless array"),
        pytest.param(b"a" + b".a" * 100 + b" = 1", "deeper than 8", id="deep key"),
        pytest.param(b"a = [[[[[[[[[1]]]]]]]]]", "deeper than 8", id="deep array"),
        pytest.param(b"\xff", "not UTF-8 text .byte 0.; save it as UTF-8", id="not text"),
        pytest.param(b"a = 'b", "not valid TOML", id="not TOML"),
    ],
)
def test_a_file_that_no_recipe_is_is_refused(data, says):
    with pytest.raises(UsageError, match=f"^my.toml: .*{says}"):
        read_toml(data, "my.toml")


def test_a_file_of_the_largest_size_is_read():
    assert read_toml(b"#\n" * (SIZE_LIMIT // 2), "my.toml") == {}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, '"none"'),
        (False, "false"),
        (3, "3"),
        (5e-5, "5e-05"),
        ('a"b', r'"a\"b"'),
        ({"a": 1}, "a table"),
        ([1], "a list"),
        ("x" * 100, '"' + "x" * 56 + "..."),
        (10**5000, "a number of 16610 bits"),
        (math.nan, "nan"),
    ],
    ids=["none", "boolean", "integer", "float", "text", "table", "list", "long", "huge", "nan"],
)
def test_a_value_is_shown_as_a_recipe_file_has_it(value, shown):
    assert show(value) == shown
