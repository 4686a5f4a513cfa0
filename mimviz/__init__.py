"""mimviz: hide patches of a picture and see what a masked model makes of it; look into a ViT; train a little, inline.

The public names are listed in `_HOMES` and imported on first use, so `import mimviz` costs milliseconds and loads no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_HOMES = {
    "Grid": "core", "Mask": "core", "Heatmap": "core", "Picture": "core", "Outcome": "core",
    "image": "data", "images": "data",
    "Encoder": "vit", "Scene": "vit", "encoder": "vit",
    "MaskedModel": "grammar",
    "Run": "train", "fit": "train",
    "load_mim": "zoo", "load_vit": "zoo",
    "inspect": "scale", "open_store": "scale",
    "AttentionExplorer": "widgets", "DatasetExplorer": "widgets", "JudgeBoard": "widgets", "MaskPainter": "widgets",
    "RecipeLab": "widgets", "RegisterInspector": "widgets", "SaliencyComparer": "widgets", "Studio": "widgets",
    "TargetExplorer": "widgets", "TrainingMonitor": "widgets", "link": "widgets",
}  # fmt: skip
_PACKAGES = (
    "core", "data", "vit", "lenses", "judges", "discover", "grammar", "recipes", "tune", "train", "studies", "zoo", "scale",
    "plot", "widgets", "share",
)  # fmt: skip

__all__ = [
    "AttentionExplorer", "DatasetExplorer", "Encoder", "Grid", "Heatmap", "JudgeBoard", "Mask", "MaskPainter", "MaskedModel",
    "Outcome", "Picture", "RecipeLab", "RegisterInspector", "Run", "SaliencyComparer", "Scene", "Studio", "TargetExplorer",
    "TrainingMonitor",
    "encoder", "fit", "image", "images", "inspect", "link", "load_mim", "load_vit", "open_store",
    "core", "data", "discover", "grammar", "judges", "lenses", "plot", "recipes", "scale", "share", "studies", "train", "tune",
    "vit", "widgets", "zoo",
]  # fmt: skip


def __getattr__(name: str):
    if name in _HOMES:
        value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    elif name in _PACKAGES:
        value = import_module(f".{name}", __name__)
    else:
        raise AttributeError(f"mimviz has no {name!r}; it has {', '.join(sorted([*_HOMES, *_PACKAGES]))}")
    globals()[name] = value
    return value


def __dir__():
    return sorted([*globals(), *_HOMES, *_PACKAGES])


if TYPE_CHECKING:  # what editors and type checkers see
    from . import (
        core,
        data,
        discover,
        grammar,
        judges,
        lenses,
        plot,
        recipes,
        scale,
        share,
        studies,
        train,
        tune,
        vit,
        widgets,
        zoo,
    )
    from .core import Grid, Heatmap, Mask, Outcome, Picture
    from .data import image, images
    from .grammar import MaskedModel
    from .scale import inspect, open_store
    from .train import Run, fit
    from .vit import Encoder, Scene, encoder
    from .widgets import (
        AttentionExplorer,
        DatasetExplorer,
        JudgeBoard,
        MaskPainter,
        RecipeLab,
        RegisterInspector,
        SaliencyComparer,
        Studio,
        TargetExplorer,
        TrainingMonitor,
        link,
    )
    from .zoo import load_mim, load_vit
