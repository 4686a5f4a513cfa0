"""What is asked of every picture: a row of numbers, its features, and maps."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core import Heatmap, Mask
from ..grammar import MaskedModel
from ..lenses._probing import is_out_of_memory
from ..vit import Encoder, Scene, evaluating
from ..vit.anatomy import Anatomy, anatomy
from ..vit.target import class_index

Pool = Literal["avg", "token"]
RATIO = 0.75  # of the patches, hidden where a masked model is asked for its loss


@dataclass(frozen=True, eq=False)
class Said:
    """Of B pictures: `columns` {name: (B,)} numbers, `arrays` {name: (B, …)} float32."""

    columns: dict[str, np.ndarray]
    arrays: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Asked:
    """`asked(images, labels)`: images uint8 (B, 3, H, W) of the model's own size, labels (B,) its classes, -1 where there is none.

    Columns are `class`, `probability` and `loss` of a classifier (cross-entropy of the label), or `loss` of a masked model (of one
    and the same random mask); `norm_<block>_mean`, `_median` and `_max` of the patches' tokens; `<judge> of <lens>`. Arrays are
    `features/<pool>`, after the final norm, and `heat/<lens>`. target: what lenses ask about, "label", one class or the best one.
    """

    model: nn.Module
    features: tuple[Pool, ...] = ("avg",)
    norms: tuple[int, ...] = (-1,)
    lenses: Mapping[str, Any] = field(default_factory=dict)
    judges: Mapping[str, Any] = field(default_factory=dict)
    target: Any = None
    seed: int = 0

    def __post_init__(self) -> None:
        parts = self.anatomy
        if wrong := [pool for pool in self.features if pool not in get_args(Pool)]:
            raise ValueError(f"features names {wrong[0]!r}, but 'avg' or 'token' is wanted")
        if "token" in self.features and not parts.class_tokens:
            raise ValueError(f"features names 'token', but this {parts.family} has no class token: take 'avg'")
        count = len(parts.blocks)
        if wrong := [layer for layer in self.norms if not -count <= layer < count]:
            raise ValueError(
                f"norms names block {wrong[0]}, but this model has {count}: 0..{count - 1}, or -1 for the last"
            )
        if self.judges and not self.lenses:
            raise ValueError(
                f"judges names {', '.join(self.judges)}, but no lens whose maps they could judge: name some"
            )

        if self.target not in (None, "label") and not callable(self.target):
            class_index(self.seen, self.target)

    @property
    def seen(self) -> nn.Module:
        """What scenes are of: the model, or a masked model's encoder, which then sees every patch."""
        return self.model.encoder if isinstance(self.model, MaskedModel) else self.model

    @property
    def vit(self) -> Any:
        return getattr(self.seen, "vit", self.seen)

    @property
    def anatomy(self) -> Anatomy:
        return self.seen.anatomy if isinstance(self.seen, Encoder) else anatomy(self.seen)

    @property
    def classes(self) -> int:
        """How many the model knows; 0 for none."""
        return 0 if isinstance(self.seen, Encoder) else int(getattr(self.seen, "num_classes", 0) or 0)

    @property
    def columns(self) -> dict[str, str]:
        """{name: type} of what `__call__` tells, in order."""
        predicted = ("class", "probability", "loss") if self.classes else ()
        loss = ("loss",) if isinstance(self.model, MaskedModel) else ()
        norms = [f"norm_{self._number(layer)}_{what}" for layer in self.norms for what in ("mean", "median", "max")]
        scores = [f"{judge} of {lens}" for lens in self.lenses for judge in self.judges]
        return {name: "int64" if name == "class" else "float32" for name in (*predicted, *loss, *norms, *scores)}

    @property
    def arrays(self) -> list[str]:
        return [*(f"features/{pool}" for pool in self.features), *(f"heat/{name}" for name in self.lenses)]

    def __call__(self, images: Tensor, labels: Tensor) -> Said:
        x, labels = self._normalized(images), labels.to(self._device)
        target = labels.tolist() if self.target == "label" else self.target
        last = None if self.lenses else {self._number(layer) for layer in (*self.norms, -1)}
        scene = Scene(self.seen, x, target=target, layers=last, normalized=True)
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a flat map is stored like any other
            columns = self._predicted(scene, labels) | self._loss(x) | self._norms(scene)
            arrays = {f"features/{pool}": self._pooled(scene, pool) for pool in self.features}
            for name, lens in self.lenses.items():
                heat: Heatmap = _named(name, lambda lens=lens: lens(scene))
                arrays[f"heat/{name}"] = heat.values
                for told, judge in self.judges.items():
                    what = f"{told} of {name}"
                    columns[what] = _named(what, lambda judge=judge, heat=heat: judge(scene, heat).value)
        scene.trace.backward = None  # scene and trace hold each other: a batch would stay until the collector comes by
        return Said(_plain(columns), _plain(arrays))

    # --- inside ---

    def _number(self, layer: int) -> int:
        return layer % len(self.anatomy.blocks)

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device

    def _normalized(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) on the model's device; from pinned memory where there is a GPU, which need not wait for it then."""
        device, weights = self._device, next(self.model.parameters())
        if device.type == "cuda":
            images = images.pin_memory().to(device, non_blocking=True)
        mean, std = (torch.tensor(v, device=device).view(3, 1, 1) for v in (self.anatomy.mean, self.anatomy.std))
        return ((images.to(device).float() / 255 - mean) / std).to(weights)

    def _predicted(self, scene: Scene, labels: Tensor) -> dict[str, Tensor]:
        if not self.classes:
            return {}
        logits = scene.logits.float()
        probability, best = logits.softmax(-1).max(-1)
        known = labels >= 0
        loss = F.cross_entropy(logits, labels.clamp_min(0), reduction="none").masked_fill(~known, float("nan"))
        return {"class": best, "probability": probability, "loss": loss}

    def _loss(self, x: Tensor) -> dict[str, Tensor]:
        if not isinstance(self.model, MaskedModel):
            return {}
        with evaluating(self.model):
            mask = Mask.random(self.model.grid, ratio=RATIO, seed=self.seed).to(x.device).expand(len(x))
            outcome = self.model(x, mask)
        predicted = outcome.mask.predict.gather(1, outcome.where).to(outcome.patch_loss)
        return {"loss": (outcome.patch_loss * predicted).sum(1) / predicted.sum(1)}

    def _norms(self, scene: Scene) -> dict[str, Tensor]:
        found = {}
        for layer in self.norms:
            number = self._number(layer)
            norms = scene.trace.maps(number).float().norm(dim=1).flatten(1)  # (B, N)
            told = {"mean": norms.mean(1), "median": norms.median(1).values, "max": norms.amax(1)}
            found |= {f"norm_{number}_{what}": value for what, value in told.items()}
        return found

    def _pooled(self, scene: Scene, pool: Pool) -> Tensor:
        """(B, width) of the last tokens behind the final norm, if the model has one there."""
        norm, last = getattr(self.vit, "norm", None), scene.trace.blocks[-1].layout
        tokens = scene.trace.tokens[-1]
        tokens = norm(tokens) if isinstance(norm, nn.Module) else tokens
        return (tokens[:, last.prefix :].mean(1) if pool == "avg" else tokens[:, 0]).float()


def _named(name: str, work: Any) -> Any:
    """What it makes; an error says whose it is."""
    try:
        return work()
    except Exception as err:
        if is_out_of_memory(err):
            raise
        raise ValueError(f"{name} cannot be asked of this: {err}") from err


def _plain(found: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    return {
        name: (value.float() if value.is_floating_point() else value).detach().cpu().numpy()
        for name, value in found.items()
    }
