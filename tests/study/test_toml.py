"""Manifests as TOML."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from denselab.study.toml import write_toml

KEYS = st.text("abc_", min_size=1, max_size=3)
SCALARS = (
    st.text()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
)
TABLES = st.recursive(
    st.dictionaries(KEYS, SCALARS | st.lists(SCALARS, max_size=3), max_size=3),
    lambda inner: st.dictionaries(
        KEYS, SCALARS | inner | st.lists(inner, min_size=1, max_size=2), max_size=3
    ),
    max_leaves=8,
)


@given(TABLES)
def test_what_is_written_is_read_back(document):
    assert tomllib.loads(write_toml(document)) == document


@pytest.mark.parametrize("text", ["\x7f", '"""', "\\", "\r\n", "ä", "a\x00b"], ids=repr)
def test_odd_text_is_read_back(text):
    assert tomllib.loads(write_toml({"text": text})) == {"text": text}


def test_bytes_that_are_no_text_become_question_marks():
    assert tomllib.loads(write_toml({"text": "a\udcffb"})) == {"text": "a?b"}
