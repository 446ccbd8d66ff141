"""All images of this room, and the order in which they are built."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from images.errors import RecipeError, UnknownImageError
from images.recipe import Recipe

IMAGES = Path(__file__).parent


class Catalogue:
    """The image folders below one folder."""

    def __init__(self, folder: Path = IMAGES) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """Return the names of all images, sorted."""
        return sorted(file.parent.name for file in self._folder.glob("*/Containerfile"))

    def buildable(self) -> list[str]:
        """Return the names of the images that can be built on this machine, sorted."""
        return [name for name in self.names() if not self.recipe(name).missing]

    def recipe(self, name: str) -> Recipe:
        """Read one image.

        Raises:
            UnknownImageError: if there is no such folder.
            RecipeError: if the folder cannot be built.
        """
        names = self.names()
        if name not in names:
            near = get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names) or 'none'}"
            message = f"unknown image {name!r}: {hint}"
            raise UnknownImageError(message)
        return Recipe.read(self._folder / name)

    def in_order(self, names: Iterable[str]) -> list[Recipe]:
        """Return the images and all they stand on, each after its base.

        Raises:
            RecipeError: if images stand on one another in a circle.
        """
        found = self._with_bases(names)
        graph = {name: [recipe.base] if recipe.base else [] for name, recipe in found.items()}
        try:
            return [found[name] for name in TopologicalSorter(graph).static_order()]
        except CycleError as error:
            message = f"images stand on one another in a circle: {' -> '.join(error.args[1])}"
            raise RecipeError(message) from error

    def epoch(self, recipe: Recipe) -> int:
        """Return the time stamp of an image's files, in seconds since 1970."""
        if recipe.settings.date:
            return _midnight(recipe.settings.date)
        return self.epoch(self.recipe(recipe.base)) if recipe.base else 0

    def _with_bases(self, names: Iterable[str]) -> dict[str, Recipe]:
        found: dict[str, Recipe] = {}
        wanted = list(names)
        while wanted:
            name = wanted.pop()
            if name not in found:
                found[name] = recipe = self.recipe(name)
                wanted += [recipe.base] if recipe.base else []
        return found


def _midnight(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp())
