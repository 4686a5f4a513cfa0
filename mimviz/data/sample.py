"""The bundled pictures: photographs that come inside the scikit-image package, free to use, credited here."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple


class Sample(NamedTuple):
    file: str
    credit: str


_SAMPLES = {
    "astronaut": Sample("astronaut.png", "Eileen Collins. Photograph: NASA Great Images database, public domain"),
    "cat": Sample("chelsea.png", "Chelsea the cat. Photograph: Stefan van der Walt, CC0"),
    "coffee": Sample("coffee.png", "A cup at Pikolo Espresso Bar. Photograph: Rachel Michetti, CC0"),
    "rocket": Sample("rocket.jpg", "Launch of DSCOVR on Falcon 9. Photograph: SpaceX, public domain"),
    "camera": Sample("camera.png", "A photographer. Photograph: Lav Varshney, CC0"),
    "coins": Sample("coins.png", "Greek coins from Pompeii. Brooklyn Museum, no known copyright restrictions"),
    "clock": Sample("clock_motion.png", "A clock, the camera moving. Photograph: Stefan van der Walt, public domain"),
    "hubble": Sample("hubble_deep_field.jpg", "Hubble eXtreme Deep Field. NASA, HubbleSite, public domain"),
    "retina": Sample(
        "retina.jpg", "Fundus of a left eye. Photograph: Mikael Häggström, CC0, doi:10.15347/wjm/2014.008"
    ),
    "tissue": Sample("ihc.png", "Colonic glands, FHL2 stained. CMMI, no known copyright restrictions"),
    "brick": Sample("brick.png", "Brick wall. CC0Textures, CC0"),
    "grass": Sample("grass.png", "Grass. linolafett on DeviantArt, CC0"),
    "gravel": Sample("gravel.png", "Gravel. CC0Textures, CC0"),
}


def images() -> list[str]:
    """The names of the bundled pictures, each of which `mimviz.image` opens without a network."""
    return [name for name in _SAMPLES if _path(name).is_file()]


def credits() -> dict[str, str]:
    """Name to what it shows, whose it is and under which licence, as scikit-image's documentation has it."""
    return {name: f"{_SAMPLES[name].credit} (from scikit-image)" for name in images()}


def sample_path(name: str) -> Path:
    """The file of a bundled picture; raises FileNotFoundError when scikit-image is incomplete."""
    path = _path(name)
    if not path.is_file():
        raise FileNotFoundError(
            f"bundled picture {name!r} should be at {path}, but is not there: scikit-image is missing or incomplete, "
            "pip install --force-reinstall scikit-image"
        )
    return path


def is_sample(name: str) -> bool:
    return name in _SAMPLES


def _path(name: str) -> Path:
    spec = find_spec("skimage")  # finds the folder without importing the package
    folder = Path(spec.origin).parent if spec and spec.origin else Path("skimage")
    return folder / "data" / _SAMPLES[name].file
