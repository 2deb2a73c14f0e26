import numpy as np
import pytest
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from denselab.errors import DataError, UsageError
from denselab.uncertainty import fit_conformal_intervals, fit_conformal_sets

SPLITS = 20


def wrong_model(rows=4000):
    """Probabilities of a model that is too sure, and labels from other ones."""
    random = np.random.default_rng(0)
    logits = random.normal(0, 1.5, size=(rows, 6))
    chances = softmax(logits, axis=1)
    labels = (chances.cumsum(1) < random.uniform(size=(rows, 1))).sum(1)
    return softmax(3 * logits, axis=1), labels


def halves(rows):
    for seed in range(SPLITS):
        order = np.random.default_rng(seed).permutation(rows)
        yield order[: rows // 2], order[rows // 2 :]


@pytest.mark.parametrize("coverage", [0.8, 0.95])
@pytest.mark.parametrize("method", ["lac", "aps"])
def test_sets_cover_within_a_point_of_nominal_over_twenty_splits(method, coverage):
    probabilities, labels = wrong_model()
    covered = []
    for fit, new in halves(len(labels)):
        fitted = fit_conformal_sets(
            probabilities[fit], labels[fit], coverage=coverage, method=method
        )
        covered.append(fitted.sets(probabilities[new])[np.arange(len(new)), labels[new]].mean())
    assert len(new) >= 2000
    assert np.mean(covered) == pytest.approx(coverage, abs=0.01)


@pytest.mark.parametrize("coverage", [0.8, 0.95])
@pytest.mark.parametrize("scaled", [False, True], ids=["equally wide", "scaled"])
def test_intervals_cover_within_a_point_of_nominal_over_twenty_splits(scaled, coverage):
    random = np.random.default_rng(0)
    spread = random.uniform(0.1, 3, size=4000)
    targets = spread * random.standard_t(4, size=4000)
    predictions = np.full(4000, 0.3)
    covered = []
    for fit, new in halves(4000):
        scale = spread if scaled else None
        fitted = fit_conformal_intervals(
            predictions[fit],
            targets[fit],
            coverage=coverage,
            scale=None if scale is None else scale[fit],
        )
        low, high = fitted.intervals(predictions[new], scale=None if scale is None else scale[new])
        covered.append(((low <= targets[new]) & (targets[new] <= high)).mean())
    assert np.mean(covered) == pytest.approx(coverage, abs=0.01)


def test_sets_cover_digits_within_a_point_over_twenty_splits(digits):
    x = np.concatenate([digits.calibration_x, digits.test_x])
    labels = np.concatenate([digits.calibration_y, digits.test_y])
    probabilities = digits.members[0].predict(x, verbose=0)
    covered = []
    for seed in range(SPLITS):
        order = np.random.default_rng(seed).permutation(len(labels))
        fit, new = order[:-2000], order[-2000:]
        fitted = fit_conformal_sets(probabilities[fit], labels[fit], coverage=0.9)
        covered.append(fitted.sets(probabilities[new])[np.arange(2000), labels[new]].mean())
    assert np.mean(covered) == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize(("coverage", "rank"), [(0.1, 1), (0.5, 5), (0.8, 8), (0.89, 9), (0.9, 9)])
def test_the_threshold_is_the_score_of_the_right_rank(coverage, rank):
    scores = np.arange(1.0, 10.0)
    fitted = fit_conformal_intervals(np.zeros(9), scores[::-1].copy(), coverage=coverage)
    assert fitted.threshold == rank


def test_too_few_rows_for_the_coverage_leave_everything_open():
    low, high = fit_conformal_intervals(np.zeros(9), np.ones(9), coverage=0.95).intervals([1.0])
    assert (low[0], high[0]) == (-np.inf, np.inf)
    probabilities = np.array([[0.9, 0.1]] * 3)
    assert fit_conformal_sets(probabilities, np.zeros(3, int)).sets(probabilities).all()


def test_sets_of_the_adaptive_method_by_hand():
    """With a share u of its own probability, a class scores the sum before it plus u p."""
    fitted = fit_conformal_sets(np.full((5000, 2), 0.5), np.zeros(5000, int), method="aps")
    # Ties are broken by class number: class 0 scores u / 2, uniform up to a half.
    assert fitted.threshold == pytest.approx(0.45, abs=0.005)


def test_the_same_seed_gives_the_same_sets():
    probabilities, labels = wrong_model(200)
    first, second, other = (
        fit_conformal_sets(probabilities, labels, method="aps", seed=seed).sets(probabilities)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


def test_sharper_predictions_make_smaller_sets():
    probabilities, labels = wrong_model()
    blurred = 0.5 * probabilities + 0.5 / 6
    for method in ("lac", "aps"):
        sizes = [
            fit_conformal_sets(table, labels, method=method).sets(table).sum(1).mean()
            for table in (probabilities, np.full_like(probabilities, 1 / 6), blurred)
        ]
        assert sizes[0] < sizes[1]


class Given(ClassifierMixin, BaseEstimator):
    """A classifier whose inputs are its predictions."""

    def fit(self, x, y):
        self.classes_ = np.arange(x.shape[1])
        return self

    def predict_proba(self, x):
        return x

    def predict(self, x):
        return x.argmax(1)


class GivenValue(RegressorMixin, BaseEstimator):
    def fit(self, x, y):
        self.fitted_ = True
        return self

    def predict(self, x):
        return x[:, 0]


def test_sets_are_those_of_mapie():
    classification = pytest.importorskip("mapie.classification", reason="MAPIE is the oracle")
    probabilities, labels = wrong_model(500)
    oracle = classification.SplitConformalClassifier(
        Given().fit(probabilities, labels), confidence_level=0.9, conformity_score="lac"
    )
    oracle.conformalize(probabilities[:250], labels[:250])
    _, sets = oracle.predict_set(probabilities[250:])
    ours = fit_conformal_sets(probabilities[:250], labels[:250]).sets(probabilities[250:])
    np.testing.assert_array_equal(ours, sets[:, :, 0])


def test_intervals_are_those_of_mapie():
    regression = pytest.importorskip("mapie.regression", reason="MAPIE is the oracle")
    random = np.random.default_rng(0)
    x = random.normal(size=(500, 1))
    y = x[:, 0] + random.normal(size=500)
    oracle = regression.SplitConformalRegressor(GivenValue().fit(x, y), confidence_level=0.9)
    oracle.conformalize(x[:250], y[:250])
    _, ends = oracle.predict_interval(x[250:])
    ours = fit_conformal_intervals(x[:250, 0], y[:250]).intervals(x[250:, 0])
    np.testing.assert_allclose(np.stack(ours, axis=1), ends[:, :, 0])


@pytest.mark.parametrize("coverage", [0, 1, 90])
def test_a_coverage_out_of_range_is_refused(coverage):
    with pytest.raises(UsageError, match=r"such as 0\.9"):
        fit_conformal_intervals(np.zeros(3), np.zeros(3), coverage=coverage)


def test_an_unknown_method_is_refused():
    with pytest.raises(UsageError, match="one of lac, aps"):
        fit_conformal_sets(np.ones((3, 1)), np.zeros(3, int), method="raps")


@pytest.mark.parametrize(
    ("scale", "remedy"), [(np.zeros(3), "small constant"), (np.ones(2), "one value a row")]
)
def test_a_scale_that_makes_no_sense_is_refused(scale, remedy):
    with pytest.raises(DataError, match=remedy):
        fit_conformal_intervals(np.zeros(3), np.zeros(3), scale=scale)


def test_a_scale_missing_at_prediction_is_asked_for():
    fitted = fit_conformal_intervals(np.zeros(30), np.zeros(30), scale=np.ones(30))
    with pytest.raises(UsageError, match="predict the same way"):
        fitted.intervals(np.zeros(2))


def test_labels_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="with at least one example"):
        fit_conformal_sets(np.full((3, 2), 0.5), np.zeros(2, int))
