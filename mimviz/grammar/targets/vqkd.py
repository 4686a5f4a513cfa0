"""VQKD: vector-quantized knowledge distillation, a tokenizer whose words tell what a teacher sees (BEiT v2, arXiv 2208.06366)."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ...core import Grid, Mask, drawing, seeded
from ...data import crops
from ..decoders.transformer import Transformer
from .features import colours

Normal = tuple[float, float, float]


class VQKD(nn.Module):
    """target(images, mask) → (B, N, 1), whole numbers: which word of the book looks most the way of each patch (largest cosine).

    A small transformer over patches gives each of them `code` numbers; the nearest of `count` unit vectors takes their place, and
    a second transformer must say from these the `told` numbers of the teacher, up to scale. The book is no parameter: each word
    drifts to the mean of what is given it. Two layers with a tanh lead into the code and out of it, as in microsoft/unilm
    (beit2/modeling_vqkd.py, norm_ema_quantizer.py). The paper's is a ViT-B on ImageNet with 8192 words and CLIP for a teacher;
    `VQKD.made` is a stand-in, frozen once it is made.
    """

    def __init__(self, grid: Grid, told: int, *, count: int = 64, code: int = 32, dim: int = 64, depth: int = 1):
        super().__init__()
        self.grid, self.count, self.decay = grid, count, 0.99
        self.encoder = _net(grid.patch**2 * 3, code, grid, dim, depth)
        self.decoder = _net(code, told, grid, dim, 1)
        self.book: Tensor
        self.register_buffer("book", F.normalize(torch.randn(count, code, generator=seeded(0)), dim=-1))

    @classmethod
    def made(
        cls, grid: Grid, teacher: Callable[[Tensor], Tensor], *, mean: Normal, std: Normal, count: int = 64, steps: int = 80,
        lr: float = 3e-3, seed: int = 0,
    ) -> VQKD:  # fmt: skip
        """Trained in seconds on crops of the bundled pictures; teacher(images) → (B, N, width).

        So short a training wants help that the paper's does not: the teacher's mean is taken off what it says, and for the first
        three quarters of the steps there is no book yet. The same seed gives the same words, whatever was drawn before.
        """
        shift, scale = (torch.tensor(each)[:, None, None] for each in (mean, std))
        pictures = (crops(grid.height, grid.width, each=8, seed=seed).float() / 255 - shift) / scale
        truth = torch.cat([teacher(each) for each in pictures.split(16)])
        truth = truth - truth.mean((0, 1))
        with drawing(seed):
            self = cls(grid, truth.shape[-1], count=count).train()
        optimizer = torch.optim.AdamW(self.parameters(), lr=lr, betas=(0.9, 0.99), weight_decay=1e-4)
        generator, first = seeded(seed), steps * 3 // 4
        for step in range(steps):
            if step == first:
                self.begin(pictures[:: max(len(pictures) * grid.count // 4096, 1)])
            optimizer.param_groups[0]["lr"] = lr * (1 - step / steps)
            at = torch.randint(len(pictures), (max(768 // grid.count, 4),), generator=generator)
            self.loss(pictures[at], truth[at], quantize=step >= first).backward()
            optimizer.step()
            optimizer.zero_grad()
        return self.requires_grad_(False).eval()

    @torch.no_grad()
    def begin(self, images: Float[Tensor, "B 3 H W"], rounds: int = 10) -> VQKD:
        """Begins the book with spherical k-means of what the encoder makes of these pictures."""
        z = self.features(images).flatten(0, 1)
        self.book.copy_(z[torch.arange(self.count) * len(z) // self.count])
        for _ in range(rounds):
            self.book.copy_(self._means(z, (z @ self.book.T).argmax(-1)))
        return self

    def features(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B N C"]:
        """What is looked up in the book: a unit vector for each patch."""
        patches = self.grid.patchify(images).to(self.book.dtype)
        return F.normalize(self.encoder(patches, Mask.none(self.grid).to(images.device).expand(len(images))), dim=-1)

    def forward(self, images: Float[Tensor, "B 3 H W"], mask: Mask | None = None) -> Int[Tensor, "B N 1"]:
        return self.ids(images)[..., None]

    @torch.no_grad()
    def ids(self, images: Float[Tensor, "B 3 H W"]) -> Int[Tensor, "B N"]:
        """The code of every patch, 0..count − 1."""
        return self.look_up(self.features(images))

    def look_up(self, features: Float[Tensor, "B N C"]) -> Int[Tensor, "B N"]:
        """The word at the smallest angle; of features of any length."""
        return (features @ self.book.T).argmax(-1)

    def quantized(self, z: Float[Tensor, "B N C"]) -> tuple[Float[Tensor, "B N C"], Int[Tensor, "B N"]]:
        """Words in the place of unit vectors, and their numbers; a gradient goes straight through, as if nothing had been done."""
        ids = self.look_up(z.detach())
        return z + (self.book[ids] - z).detach(), ids

    def loss(
        self, images: Float[Tensor, "B 3 H W"], truth: Float[Tensor, "B N D"], *, quantize: bool = True
    ) -> Float[Tensor, ""]:
        """1 − cosine of what the words tell and what the teacher says, plus (word − feature)². In training the book follows."""
        z = self.features(images)
        words, ids = self.quantized(z)
        told = self.decoder(words if quantize else z, Mask.none(self.grid).to(images.device).expand(len(images)))
        loss = (1 - F.cosine_similarity(told, truth, dim=-1)).mean()
        if not quantize:
            return loss
        loss = loss + F.mse_loss(z, self.book[ids])
        if self.training:
            means = self._means(z.detach().flatten(0, 1), ids.flatten())
            self.book.copy_(F.normalize(self.book.lerp(means, 1 - self.decay), dim=-1))
        return loss

    def draw(self, rows: Tensor, *, like: Tensor | None = None) -> Float[Tensor, "B R C 3"]:
        """Scores (B, N, count) or codes (B, N, 1); like words have like colours, three principal components of the book."""
        shades = colours(self.book[None])[0]
        return shades[rows.argmax(-1) if rows.shape[-1] > 1 else rows[..., 0].long()].unflatten(1, self.grid.shape)

    def _means(self, z: Tensor, ids: Tensor) -> Tensor:
        """(count, code): the direction of the mean of what each word was given, the word itself where that is nothing."""
        sums = torch.zeros_like(self.book).index_add_(0, ids, z)
        return F.normalize(torch.where(sums.any(-1, keepdim=True), sums, self.book), dim=-1)


def _net(width: int, out: int, grid: Grid, dim: int, depth: int) -> Transformer:
    net = Transformer(width, out, grid, prefix=0, dim=dim, depth=depth)
    net.head = nn.Sequential(nn.Linear(dim, dim), nn.Tanh(), nn.Linear(dim, out))  # type: ignore[assignment]
    return net
