"""What a frozen model knows of pictures: a row of numbers for each, computed once and remembered by picture and by model."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from torch import Tensor

from ..core import Picture
from ..vit import Encoder, evaluating
from ..vit.fingerprint import fingerprint
from ._models import vit_of

Pool = Literal["avg", "token", "both"]
KEPT = 4  # models whose rows stay in memory, the last ones asked
_rows: OrderedDict[str, dict[bytes, np.ndarray]] = OrderedDict()


@dataclass(frozen=True, eq=False)
class Features:
    """features(pictures) → float32 (N, D): tokens after the final norm, averaged over the patches, the class token, or both.

    pictures: uint8 (N, 3, height, width) of the model's own size, or a list of Pictures of any size.
    A picture that the same weights have seen is not computed again. folder: remember across sessions, too.
    """

    model: Any
    _: KW_ONLY
    pool: Pool = "avg"
    batch: int = 32
    folder: str | Path | None = None

    def __call__(self, pictures: Tensor | list[Picture]) -> np.ndarray:
        encoder = Encoder(vit_of(self.model))
        if self.pool not in ("avg", "token", "both"):
            raise ValueError(f"pool is {self.pool!r}, but 'avg', 'token' or 'both' is wanted")
        if self.pool != "avg" and not encoder.anatomy.class_tokens:
            raise ValueError(f"pool is {self.pool!r}, but this {encoder.anatomy.family} has no class token: take 'avg'")
        images = as_images(pictures, encoder)
        known = self._known(name := f"{fingerprint(encoder.vit)}-{self.pool}")
        keys = [hashlib.blake2b(each.numpy().tobytes(), digest_size=16).digest() for each in images]
        missing = list({key: at for at, key in enumerate(keys) if key not in known}.values())
        for at in range(0, len(missing), self.batch):
            ids = missing[at : at + self.batch]
            known |= zip((keys[i] for i in ids), self._compute(encoder, images[ids]), strict=True)
        if missing and self.folder is not None:
            _write(Path(self.folder) / f"{name}.safetensors", known)
        return np.stack([known[key] for key in keys])

    @torch.no_grad()
    def _compute(self, encoder: Encoder, images: Tensor) -> np.ndarray:
        device = next(encoder.parameters()).device
        mean, std = (torch.tensor(x, device=device).view(3, 1, 1) for x in (encoder.mean, encoder.std))
        with evaluating(encoder.vit):
            tokens = encoder(
                encoder.embed((images.to(device).float() / 255 - mean) / std)
            ).float()  # (B, prefix + N, width)
        average, token = tokens[:, encoder.prefix :].mean(1), tokens[:, 0]
        rows = {"avg": average, "token": token, "both": torch.cat([token, average], dim=-1)}[self.pool]
        return rows.cpu().numpy()

    def _known(self, name: str) -> dict[bytes, np.ndarray]:
        if name not in _rows:
            file = Path(self.folder or "") / f"{name}.safetensors"
            _rows[name] = _read(file) if self.folder is not None and file.is_file() else {}
        _rows.move_to_end(name)
        while len(_rows) > KEPT:
            _rows.popitem(last=False)
        return _rows[name]


def rows_of(X: Any, probe: Any) -> np.ndarray:
    """(N, D): rows of features as they are, or those of pictures as `probe` (its model, pool, batch and folder) reads them."""
    if isinstance(X, np.ndarray) and X.ndim == 2:
        return X
    features: Any = Features(probe.model, pool=probe.pool, batch=probe.batch, folder=probe.folder)
    return features(X)


def as_images(pictures: Any, encoder: Encoder) -> Tensor:
    """uint8 (N, 3, height, width), fitted to the model where they are Pictures. TypeError for what is neither."""
    pictures = getattr(pictures, "images", pictures)
    height, width = encoder.grid.height, encoder.grid.width
    if isinstance(pictures, Tensor) and pictures.dtype == torch.uint8 and pictures.ndim == 4:
        return pictures.cpu()
    if isinstance(pictures, (list, tuple)) and pictures and all(isinstance(each, Picture) for each in pictures):
        fitted = [each.fit(height, width).array for each in pictures]
        return torch.from_numpy((np.stack(fitted) * 255).round().astype(np.uint8)).permute(0, 3, 1, 2)
    what = f"{pictures.dtype} {tuple(pictures.shape)}" if isinstance(pictures, Tensor) else type(pictures).__name__
    raise TypeError(
        f"pictures are {what}, but uint8 (N, 3, {height}, {width}) or a list of Pictures is wanted: mimviz.data.dataset reads"
    )


def _read(file: Path) -> dict[bytes, np.ndarray]:
    held = load_file(file)
    return {key.tobytes(): row for key, row in zip(held["pictures"], held["rows"], strict=True)}


def _write(file: Path, known: dict[bytes, np.ndarray]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(file.name + ".part")
    keys = np.frombuffer(b"".join(known), np.uint8).reshape(len(known), -1)
    save_file({"pictures": keys, "rows": np.stack(list(known.values()))}, part)
    part.replace(file)
