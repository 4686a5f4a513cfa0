"""Why a map says nothing: zero, flat, broken or saturated values, with their cause and what to ask instead."""

from __future__ import annotations

import torch
from torch import Tensor

from .scene import Scene


def explain_flat(scene: Scene, values: Tensor, layer: int | None = None) -> str:
    """What is wrong with a lens's raw `values` (any shape), read at block `layer`, in one sentence; "" when nothing is.

    Found are NaN and infinite values, a map that is zero everywhere, and one that is the same everywhere. Where the score's
    gradient by the patches of that block is zero, as behind the last attention of a ViT that reads its class token alone, the
    sentence names the last block whose patches still reach the score. A map may also be that of a saturated score, which a
    function of the logits, such as a probability close to 1, can be.
    """
    values = values.detach().float()
    broken = ~torch.isfinite(values)
    if broken.any():
        return _broken(scene, int(broken.sum()), values.numel())
    low, high = float(values.min()), float(values.max())
    if high - low > 1e-6 * max(abs(low), abs(high)):
        return _saturated(scene)
    if why := _unreached(scene) if layer is None else _no_gradient(scene, layer):
        return why
    if low == high == 0:
        return "the map is 0 everywhere: the method found nothing of what it looks for, or all of it was negative and cut away"
    return f"the map is flat: every value is {low:.4g}, so it prefers no part of the picture"


def _broken(scene: Scene, count: int, of: int) -> str:
    half = scene.images.dtype in (torch.float16, torch.bfloat16)
    logits = scene.trace.logits
    if isinstance(logits, Tensor) and not torch.isfinite(logits).all():
        cause = "the model's own output is already broken: " + (
            "half precision overflowed, try model.float()" if half else "its weights hold such values, or never loaded"
        )
    else:
        cause = "the method overflowed" + (" in half precision, try model.float()" if half else "")
    return f"{count} of {of} values are NaN or infinite; {cause}"


def _no_gradient(scene: Scene, layer: int) -> str:
    """The sentence for a block whose patches do not reach the score; "" where they do, or where nothing can be asked."""
    try:
        reach = [bool(scene.trace.maps_grad(block).any()) for block in range(len(scene.trace.tokens))]
    except ValueError:  # no score, or a block without a grid: then the gradient is not the matter
        return ""
    asked = layer % len(reach)
    if reach[asked]:
        return ""
    if not any(reach):
        return f"the score does not depend on the picture at all: {_cause(scene)}"
    better = max(block for block, found in enumerate(reach) if found)
    pooled = scene.anatomy.class_tokens and scene.anatomy.pool == "token"
    why = "the head reads the class token alone, and no attention follows" if pooled else "the head does not read them"
    return (
        f"the map is 0 everywhere because the patches of layer {asked} do not reach the score: {why}. "
        f"Ask layer {better} (layer={better - len(reach)})"
    )


def _unreached(scene: Scene) -> str:
    """The sentence for a score whose gradient by the pictures is exactly 0; "" for any other."""
    try:
        reached = bool(scene.image_grad.any())
    except ValueError:  # nothing is asked about
        return ""
    return "" if reached else f"the score does not depend on the picture at all: {_cause(scene)}"


def _cause(scene: Scene) -> str:
    head = [
        name for name, weight in scene.model.named_parameters() if name.startswith(("head", "fc")) and not weight.any()
    ]
    if head:
        return f"the weights {', '.join(head)} are all 0, so the head was never trained"
    return _saturated(scene) or "every gradient is exactly 0"


def _saturated(scene: Scene) -> str:
    """The sentence for a function of the logits that all their differences together move by less than a thousandth."""
    if not callable(scene.target):  # before the trace is asked for: a map of one pass shall not cost two
        return ""
    logits = scene.trace.logits
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        return ""
    with torch.enable_grad():
        logits = logits.detach().float().requires_grad_()
        score = scene.target(logits)
        (slope,) = torch.autograd.grad(score.sum(), logits, allow_unused=True)
    if slope is None:
        return ""
    moved = slope.abs().amax(1) * (logits.amax(1) - logits.amin(1))
    if not bool((moved < 1e-3 * score.detach().abs()).all()):
        return ""
    now, by_one = float(score.detach().flatten()[0]), float(slope.abs().max())
    return (
        f"the target is saturated: it is {now:.7g} and moves by {by_one:.1g} for a logit that moves by 1, as a probability close "
        "to 1 does, so rounding may be all there is to see. Ask for the class, whose score is its logit"
    )
