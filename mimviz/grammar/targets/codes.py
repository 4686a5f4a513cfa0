"""Codes: the number of the word in a code book that a patch comes nearest to (BEiT, ICLR 2022; MAGE, Li et al., CVPR 2023)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ...core import Grid, Mask, seeded
from ...data import image, images

Normal = tuple[float, float, float]


class Codes(nn.Module):
    """target(images, mask) → (B, N, 1), whole numbers. `book` (count, patch² · 3): normalized pixels of each word.

    The papers take the codes of a large trained tokenizer (a VQGAN, DALL-E's). `Codes.by_kmeans` is a small stand-in made in
    seconds: words are means of similar patches of the bundled pictures, and know colours and edges, not things. Another tokenizer
    has this same shape: a module with `count`, called with pictures, and `pixels` and `draw` where its codes can be decoded. With
    `ids(images)` beside them views can show the codes.
    """

    def __init__(self, grid: Grid, book: Float[Tensor, "K D"], *, mean: Normal, std: Normal):
        super().__init__()
        self.grid, self.mean, self.std = grid, mean, std
        self.book: Tensor
        self.register_buffer("book", book)

    @classmethod
    def by_kmeans(
        cls, grid: Grid, *, mean: Normal, std: Normal, count: int = 64, rounds: int = 15, seed: int = 0
    ) -> Codes:
        """k-means (Lloyd) on the patches of the bundled pictures, as they are and mirrored; the same seed gives the same book."""
        fitted = torch.cat([image(name).fit(grid.height, grid.width).tensor(mean=mean, std=std) for name in images()])
        patches = grid.patchify(torch.cat([fitted, fitted.flip(3)])).flatten(0, 1)
        if not 2 <= count <= len(patches):
            raise ValueError(f"count is {count}, but 2..{len(patches)} words can be made of {len(patches)} patches")
        book = patches[torch.randperm(len(patches), generator=seeded(seed))[:count]]
        for _ in range(rounds):
            nearest = torch.cdist(patches, book).argmin(1)
            sums = torch.zeros_like(book).index_add_(0, nearest, patches)
            sizes = nearest.bincount(minlength=count)[:, None]
            book = torch.where(sizes > 0, sums / sizes.clamp(min=1), book)
        return cls(grid, book, mean=mean, std=std)

    @property
    def count(self) -> int:
        """Words in the book."""
        return len(self.book)

    def forward(self, images: Float[Tensor, "B 3 H W"], mask: Mask | None = None) -> Int[Tensor, "B N 1"]:
        return self.ids(images)[..., None]

    @torch.no_grad()
    def ids(self, images: Float[Tensor, "B 3 H W"]) -> Int[Tensor, "B N"]:
        """The code of every patch, 0..count − 1."""
        patches = self.grid.patchify(images).to(self.book.dtype)
        return torch.cdist(patches, self.book[None]).argmin(-1)

    def pixels(
        self, guess: Tensor, images: Tensor, mask: Mask, *, statistics: str = "visible"
    ) -> Float[Tensor, "B N D"]:
        """`words` of the guess."""
        return self.words(guess)

    def words(self, rows: Tensor) -> Float[Tensor, "B N D"]:
        """The words of the highest scores (B, N, count), or of the codes (B, N, 1), on the scale of the images."""
        return self.book[rows.argmax(-1) if rows.shape[-1] > 1 else rows[..., 0].long()]

    def draw(self, rows: Tensor, *, like: Tensor | None = None) -> Float[Tensor, "B H W 3"]:
        """The same as a picture, RGB."""
        shown = self.grid.unpatchify(self.words(rows)).permute(0, 2, 3, 1)
        return (shown * shown.new_tensor(self.std) + shown.new_tensor(self.mean)).clamp(0, 1)

    def leaks(self, statistics: str) -> bool:
        return False

    def note(self, statistics: str) -> str:
        return f"drawn with the {self.count} words of the code book"
