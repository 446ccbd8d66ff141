"""What can go wrong while describing or building an image."""


class ImageError(Exception):
    """Base of every error of this room; the message says what to do."""


class UnknownImageError(ImageError):
    """No folder of this room has the name that was asked for."""


class RecipeError(ImageError):
    """A `Containerfile` or an `image.yaml` says something that cannot be built here."""


class NotBuiltError(ImageError):
    """The image exists as a folder, but its present content was not built yet."""


class MachineError(ImageError):
    """This machine lacks something that a build needs: a privilege, a package source, a program."""


class CommandError(ImageError):
    """A program that the build runs has failed."""
