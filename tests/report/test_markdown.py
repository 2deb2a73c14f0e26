import re

import pytest

from denselab.report import contents_of, markdown_of, write_pictures
from denselab.report.pictures import file_name

HOSTILE = "a|b <script>alert(1)</script> [x](javascript:1) `c` *d* &lt;"


def test_it_says_what_the_page_says(make_study):
    text = markdown_of(contents_of(make_study()))

    assert text.startswith("# toy: batch\\_norm helps: +")
    assert "\n## Contrasts\n" in text
    assert "\n| arm | against | verdict | n |" in text
    assert "denselab compare toy" in text


def test_every_row_of_a_table_has_as_many_cells_whatever_names_hold(make_study, about):
    text = markdown_of(contents_of(make_study(models={HOSTILE: 0.8}, about=about(command=HOSTILE))))
    tables = [block for block in text.split("\n\n") if block.startswith("| ")]

    assert len(tables) > 5
    for table in tables:
        cells = {line.replace("\\|", "").count("|") for line in table.splitlines()}
        assert len(cells) == 1
    assert "<script>" not in text
    assert not re.search(r"(?<!\\)\]\(javascript", text)


def test_pictures_are_drawn_and_shown_where_they_are(make_study, tmp_path):
    contents = contents_of(make_study())
    pictures = write_pictures(contents, tmp_path / "pictures")
    text = markdown_of(contents, pictures={name: path.name for name, path in pictures.items()})

    assert "contrasts" in pictures
    for path in pictures.values():
        assert path.read_bytes().startswith(b"\x89PNG")
        assert f"](<{path.name}>)" in text


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a\x00b", "..", "x" * 300])
def test_names_of_arms_make_no_path(name):
    made = file_name(f"methods-{name}")

    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz-")
    assert len(made) <= 100
