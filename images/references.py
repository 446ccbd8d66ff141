"""Names by which a cluster asks for the images of this room, known without building them."""

from images.builder import Builder
from images.catalogue import Catalogue
from images.progress import Progress
from images.recipe import REGISTRY
from images.store import Store, reference


def image_reference(name: str, prefix: str = REGISTRY) -> str:
    """Reference of an image in its present form.

    Args:
        name: a folder of this room.
        prefix: registry host and path where the cluster finds it.

    Raises:
        ImageError: there is no such image.
    """
    content = Builder(Catalogue(), Store(), Progress()).hashes([name])[name]
    return reference(name, content).replace(REGISTRY, prefix, 1)
