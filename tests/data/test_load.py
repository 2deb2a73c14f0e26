"""Data sets by name, and what happens to a name that is none."""

import pytest

from denselab.data import load, names, summary
from denselab.errors import DataError


def test_the_names_are_known_and_sorted():
    assert names() == ("breast_cancer", "cifar10", "digits", "wine")


@pytest.mark.parametrize("name", names())
def test_every_name_has_a_summary_in_one_line(name):
    assert "classes" in summary(name)
    assert "\n" not in summary(name)


@pytest.mark.parametrize("use", [load, summary])
@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("cifra10", "cifar10"), ("digit", "digits"), ("breast-cancer", "breast_cancer")],
)
def test_a_name_with_a_slip_is_put_right(use, wrong, meant):
    with pytest.raises(DataError, match=f"unknown data set '{wrong}'; did you mean '{meant}'") as e:
        use(wrong)
    assert e.value.exit_code == 2


def test_a_name_like_no_other_gets_the_list():
    with pytest.raises(
        DataError, match=r"unknown data set 'xyzzy'; there are breast_cancer, cifar"
    ):
        load("xyzzy")


def test_what_does_not_come_with_scikit_learn_is_handed_the_options(tmp_path):
    with pytest.raises(DataError, match="offline forbids the download"):
        load("cifar10", offline=True)
    with pytest.raises(DataError, match=f"no CIFAR-10 in {tmp_path}"):
        load("cifar10", data_dir=tmp_path)
