"""The same question asked of another model, of other pictures, or about another class."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ..vit import Scene, class_index


def anew(scene: Scene, *, model: nn.Module | None = None, images: Tensor | None = None, target: Any = None) -> Scene:
    """A scene like this one; target: None keeps the class of each picture, also where the scene asks for the best one.

    images (M, 3, H, W) are normalized already; where they are fewer or more than the scene's, `target` must fit them.
    """
    images = scene.images if images is None else images
    target = asked(scene) if target is None else target
    made = Scene(scene.model if model is None else model, images.detach(), target=target, normalized=True)
    made.answers = scene.answers if model is None else None
    return made


def asked(scene: Scene) -> Any:
    """What the scene asks about, by number, so that another model is asked the same."""
    if callable(scene.target):
        return scene.target
    if scene.target is None:
        return scene.logits.argmax(-1).tolist()
    many: list[Any] = list(scene.target) if isinstance(scene.target, (list, tuple)) else [scene.target] * len(scene)
    return [class_index(scene.model, each) for each in many]
