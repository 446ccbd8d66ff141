import datetime
import re

import pytest

from images.catalogue import IMAGES, Catalogue
from images.errors import RecipeError, UnknownImageError


def test_images_come_after_what_they_stand_on(image, catalogue: Catalogue):
    image("top", "cloison.local/middle")
    image("middle", "cloison.local/bottom")
    image("bottom")
    image("other")
    assert [recipe.name for recipe in catalogue.in_order(["top"])] == ["bottom", "middle", "top"]


def test_an_image_asked_for_twice_is_built_once(image, catalogue: Catalogue):
    image("bottom")
    image("one", "cloison.local/bottom")
    image("two", "cloison.local/bottom")
    names = [recipe.name for recipe in catalogue.in_order(["one", "two", "one"])]
    assert sorted(names) == ["bottom", "one", "two"]
    assert names[0] == "bottom"


def test_a_circle_is_named(image, catalogue: Catalogue):
    image("hen", "cloison.local/egg")
    image("egg", "cloison.local/hen")
    with pytest.raises(RecipeError, match=r"stand on one another in a circle: .*hen"):
        catalogue.in_order(["hen"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("jupyterlap", "unknown image 'jupyterlap': did you mean jupyterlab?"),
        ("postgres", "unknown image 'postgres': there are jupyterlab, pause"),
        ("../jupyterlab", "unknown image '../jupyterlab'"),
    ],
)
def test_an_unknown_image_is_refused_with_a_hint(image, catalogue: Catalogue, name: str, message: str):
    image("jupyterlab")
    image("pause")
    with pytest.raises(UnknownImageError, match=message):
        catalogue.in_order([name])


def test_what_lacks_a_file_that_no_registry_has_cannot_be_built_here(image, catalogue: Catalogue):
    image("free")
    image("bought", image_yaml="needs: [server_txt]\n")
    assert (catalogue.names(), catalogue.buildable()) == (["bought", "free"], ["free"])
    image("bought", image_yaml="needs: [server.txt]\n", server_txt="x")
    assert catalogue.buildable() == ["bought", "free"]


def test_files_are_dated_by_the_nearest_date_below(image, catalogue: Catalogue):
    image("bottom", image_yaml="date: 2026-11-22\n")
    image("middle", "cloison.local/bottom")
    image("top", "cloison.local/middle", image_yaml="date: 2026-12-01\n")
    midnight = datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC).timestamp()
    assert catalogue.epoch(catalogue.recipe("middle")) == midnight
    assert catalogue.epoch(catalogue.recipe("top")) == midnight + 9 * 86400


def test_files_are_dated_1970_without_a_date(image, catalogue: Catalogue):
    image("bottom")
    assert catalogue.epoch(catalogue.recipe("bottom")) == 0


@pytest.mark.parametrize("name", Catalogue().names())
def test_each_image_of_this_room_can_be_read(name: str):
    assert [recipe.name for recipe in Catalogue().in_order([name])][-1] == name


@pytest.mark.parametrize("file", sorted(IMAGES.glob("*/requirements.txt")), ids=lambda file: file.parent.name)
def test_python_packages_are_pinned_with_hashes_and_without_addresses(file):
    text = file.read_text()
    assert "://" not in text
    packages = re.split(r"\n(?=\S)", text.strip())
    assert all(re.match(r"[a-z0-9-]+(\[[a-z]+\])?==\S+ \\\n +--hash=sha256:[0-9a-f]{64}", each) for each in packages)
