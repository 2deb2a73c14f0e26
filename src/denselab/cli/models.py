"""Which model a command is about: a file, or the best one that a study keeps of a recipe."""

import difflib
from pathlib import Path
from typing import NamedTuple

from denselab.errors import UsageError
from denselab.study import Study, arms_of, is_study, read_file, read_study
from denselab.training import LoadedModel, load_model

__all__ = ["ChosenModel", "chosen_model"]


class ChosenModel(NamedTuple):
    """A model, and where it comes from.

    Attributes:
        path: Its file.
        loaded: What is in it.
        data: Name of the data of the study it is of; None for a file.
    """

    path: Path
    loaded: LoadedModel
    data: str | None = None


def chosen_model(path: Path, recipe: str | None = None) -> ChosenModel:
    """Finds and loads a model.

    Args:
        path: A `.keras` file, or the folder of a study.
        recipe: Which recipe of a study; needed where it keeps models of several.

    Returns:
        The model; of a recipe the member that was best in validation.

    Raises:
        UsageError: If a study keeps no such model, or the recipe of a file is asked for.
        CorruptStudyError: If the model of a study is not as it was written.
        DenselabError: If the file is damaged or unsafe.
    """
    if not is_study(path):
        if recipe is not None:
            raise UsageError(f"--recipe {recipe}: {path} is no study; leave --recipe out")
        return ChosenModel(path, load_model(path))
    study = read_study(path)
    file = _model_of(study, recipe)
    return ChosenModel(file, load_model(file), str(study.manifest.dataset["name"]))


def _model_of(study: Study, recipe: str | None) -> Path:
    models = {(one.recipe, one.settings): one.model for one in study.recipes}
    found = {arm.name: models.get((arm.name, arm.settings)) for arm in arms_of(study)}
    kept = {name: model for name, model in found.items() if model is not None}
    if not kept:
        raise UsageError(f"{study.folder}: keeps no model yet; run its comparison to the end first")
    names = ", ".join(kept)
    if recipe is None and len(kept) > 1:
        raise UsageError(f"{study.folder}: keeps models of {names}; name one with --recipe")
    chosen = next(iter(kept)) if recipe is None else recipe
    if chosen not in kept:
        near = difflib.get_close_matches(chosen, kept, 1)
        hint = f"did you mean {near[0]}?" if near else f"it keeps models of {names}"
        raise UsageError(f"--recipe {chosen}: {study.folder} keeps no model of it; {hint}")
    read_file(study, kept[chosen])  # Which checks that it is as it was written.
    return study.folder / kept[chosen].name
