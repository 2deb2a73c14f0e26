import numpy as np
import pytest

from denselab.errors import UsageError


@pytest.fixture(scope="module")
def fitted(regressor, plane):
    return regressor(n_ensemble=3).fit(*plane)


def fresh_rows(rows=3000):
    stream = np.random.default_rng(7)
    x = stream.normal(size=(rows, 3))
    return x, 1000 + 50 * (x @ [1.0, -2.0, 0.5] + 0.5 * stream.normal(size=rows))


def test_a_plane_is_found_in_its_own_units(fitted):
    # Noise leaves 1 - 0.25 / 5.5 to explain.
    assert fitted.score(*fresh_rows()) > 0.9


def test_the_deviation_is_that_of_the_members(fitted, plane):
    X = plane[0][:5]
    mean, deviation = fitted.predict(X, return_std=True)
    singles = []
    for member in fitted.members_:
        one = _with_members(fitted, [member])
        singles.append(one.predict(X))
    np.testing.assert_allclose(mean, np.mean(singles, axis=0), rtol=1e-6)
    np.testing.assert_allclose(deviation, np.std(singles, axis=0), rtol=1e-3)


def _with_members(model, members):
    import copy

    one = copy.copy(model)
    one.members_ = members
    return one


def test_intervals_cover_new_rows_as_often_as_stated(fitted):
    X, y = fresh_rows()
    lower, upper = fitted.predict_interval(X, coverage=0.9)
    # 160 calibration rows: coverage is Beta(145, 16), of deviation 0.0235.
    assert abs(((lower <= y) & (y <= upper)).mean() - 0.9) < 5 * 0.0235


def test_intervals_are_wider_where_the_members_disagree(fitted):
    near, far = np.zeros((1, 3)), np.full((1, 3), 4.0)
    widths = [np.subtract(*fitted.predict_interval(X)[::-1])[0] for X in (near, far)]
    spreads = [fitted.predict(X, return_std=True)[1][0] for X in (near, far)]
    assert spreads[1] > spreads[0]
    assert widths[1] > widths[0]


def test_one_network_without_draws_has_intervals_of_one_width(regressor, plane):
    model = regressor(n_ensemble=1).fit(*plane)
    lower, upper = model.predict_interval(plane[0])
    np.testing.assert_allclose(upper - lower, (upper - lower)[0], rtol=1e-9)


def test_one_network_without_draws_has_no_deviation(regressor, plane):
    model = regressor(n_ensemble=1).fit(*plane)
    with pytest.raises(UsageError, match="set n_ensemble to 2 or more, or n_draws"):
        model.predict(plane[0], return_std=True)


def test_draws_have_a_deviation(regressor, plane):
    model = regressor(n_ensemble=1, dropout=0.2, n_draws=20).fit(*plane)
    once = model.predict(plane[0], return_std=True)
    again = model.predict(plane[0], return_std=True)
    assert (once[1] > 0).all()
    assert np.array_equal(once, again)


@pytest.mark.parametrize("coverage", [0, 1, 1.5, "high"])
def test_a_coverage_is_a_probability(fitted, plane, coverage):
    with pytest.raises(UsageError, match=r"give a probability such as 0\.9"):
        fitted.predict_interval(plane[0], coverage=coverage)


def test_few_rows_have_no_intervals(regressor, plane):
    model = regressor().fit(plane[0][:99], plane[1][:99])
    with pytest.raises(UsageError, match="fit on 100 rows or more"):
        model.predict_interval(plane[0])
    assert np.isfinite(model.predict(plane[0])).all()


def test_curves_are_as_long_as_the_longest_member(fitted):
    assert len(fitted.loss_curve_) == len(fitted.validation_curve_) == fitted.n_iter_
    assert fitted.n_iter_ == max(len(member.trace["loss"]) for member in fitted.members_)
    assert fitted.loss_curve_[0] == pytest.approx(
        np.mean([member.trace["loss"][0] for member in fitted.members_])
    )
