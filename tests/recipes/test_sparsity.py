import pytest

from denselab.errors import UsageError
from denselab.recipes import load_recipe

LATE = ["training.early_stopping=false", "training.restore_best=false"]


def test_a_sparse_recipe_has_only_the_fields_of_its_method():
    recipe = load_recipe("plain", settings=[*LATE, "sparsity.method=l1", "sparsity.strength=0.5"])
    assert recipe.sparsity.foreign() == {"begin", "prunings"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["sparsity.method=gradual"], "would end with weights from before the zeros"),
        ([*LATE, "sparsity.method=gradual", "sparsity.begin=0.8"], "must be below end = 0.7"),
        ([*LATE, "sparsity.method=magnitude", "sparsity.share=1.0"], "sparsity.share"),
        ([*LATE, "sparsity.method=magnitude", "sparsity.share=90"], "sparsity.share"),
        ([*LATE, "sparsity.method=magnitude", "sparsity.share=-0.1"], "sparsity.share"),
        (
            [*LATE, "sparsity.method=magnitude", "sparsity.strength=1.0"],
            "means nothing when method is magnitude",
        ),
        (["sparsity.share=0.5"], "means nothing when method is none"),
        ([*LATE, "training.swa_start=0.5", "sparsity.method=l1"], "no swa_start"),
        ([*LATE, "sparsity.method=structured"], "needs starts_from"),
    ],
)
def test_what_cannot_end_sparse_is_refused(settings, message):
    with pytest.raises(UsageError, match=message):
        load_recipe("plain", settings=settings)


def test_a_recipe_that_trains_nothing_cannot_become_sparse():
    with pytest.raises(UsageError, match="needs a training; set weights_from to none"):
        load_recipe("mc_dropout", settings=[*LATE, "sparsity.method=magnitude"])
