"""What a study compares: recipes, with the settings that tuning chose for them, and built models."""

from denselab.recipes import Recipe, apply_settings, weights_source
from denselab.study.hashing import settings_hash
from denselab.study.plan import Plan
from denselab.study.reading import Study
from denselab.study.records import ArmRecord, trials_of
from denselab.study.tuning import TuningRecord, tuning_records

__all__ = ["arms_of", "missing_seeds", "recipes_of", "tuned"]


def arms_of(study: Study) -> tuple[ArmRecord, ...]:
    """Lists what a study compares, in the order of its plan.

    Args:
        study: The study.

    Returns:
        Recipes, then models that the user built.
    """
    recipes = [
        ArmRecord(recipe.name, recipe.title, settings_hash(recipe), recipe)
        for recipe in recipes_of(study)
    ]
    models = [
        ArmRecord(model.name, model.title, model.settings) for model in study.manifest.plan.models
    ]
    return (*recipes, *models)


def recipes_of(study: Study) -> tuple[Recipe, ...]:
    """Lists a study's recipes with the settings that tuning chose, where it has chosen.

    Args:
        study: The study.

    Returns:
        The recipes in the order of the plan.
    """
    plan, records = study.manifest.plan, tuning_records(study)
    return tuple(tuned(recipe, plan, records) for recipe in plan.recipes)


def tuned(recipe: Recipe, plan: Plan, records: dict[str, TuningRecord]) -> Recipe:
    """Gives a recipe the learning rate that was chosen for it.

    Args:
        recipe: A recipe of the plan.
        plan: The plan.
        records: Name of a recipe -> its tuning, as far as there is one.

    Returns:
        The recipe; one that shares weights has the rate of the one that trains them.
    """
    record = records.get(weights_source(recipe, plan.recipes).name)
    if record is None or record.chosen is None:
        return recipe
    return apply_settings(recipe, [f"optimizer.learning_rate={record.chosen!r}"])


def missing_seeds(study: Study) -> dict[str, tuple[int, ...]]:
    """Lists what is still to be trained.

    Args:
        study: The study.

    Returns:
        Name of each arm of the plan -> seeds without a trial.
    """
    return {
        arm.name: tuple(
            seed for seed in study.manifest.plan.seeds if seed not in trials_of(arm, study.trials)
        )
        for arm in arms_of(study)
    }
