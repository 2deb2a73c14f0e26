import pytest

from denselab.errors import UsageError
from denselab.study.statistics import ACCURACY, LOG_LOSS, Question

FAMILY = (("b", "a"), ("c", "b"))


def test_the_level_is_shared_by_the_family():
    assert Question(ACCURACY, FAMILY, region=0.5).contrast_level == pytest.approx(0.02)


def test_default_regions_are_half_a_point_and_a_hundredth_of_a_nat():
    assert (ACCURACY.region, ACCURACY.unit, ACCURACY.higher_is_better) == (0.5, "points", True)
    assert (LOG_LOSS.region, LOG_LOSS.unit, LOG_LOSS.higher_is_better) == (0.01, "nats", False)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"contrasts": ()}, "give at least one pair"),
        ({"region": -0.1}, "give the largest difference that does not matter"),
        ({"region": float("nan")}, "give the largest difference that does not matter"),
        ({"level": 0.0}, r"such as 0\.04"),
        ({"level": 1.0}, r"such as 0\.04"),
        ({"test_fraction": 0.0}, r"such as 0\.2"),
        ({"test_fraction": 1.0}, r"such as 0\.2"),
    ],
    ids=str,
)
def test_numbers_that_make_no_sense_are_refused(wrong, message):
    with pytest.raises(UsageError, match=message):
        Question(**{"measure": ACCURACY, "contrasts": FAMILY, "region": 0.5, **wrong})
