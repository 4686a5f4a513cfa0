"""What all files of masked autoencoders have in common (He et al., CVPR 2022): a ViT encoder and a light transformer decoder."""

from __future__ import annotations

from torch import Tensor, nn

from ... import recipes
from ...core import Grid
from ...grammar import MaskedModel
from ...vit import Encoder
from ..found import Finding, Stack
from ..shapes import shape, stack

PUBLISHED = {768: "base", 1024: "large", 1280: "huge"}


def decoder(tensors: dict[str, Tensor], grid: Grid, file: str, heads: int | None) -> tuple[Stack, str]:
    """The decoder of tensors in the house's names (`decoder.…`), and how its heads were guessed."""
    blocks, guess = stack(tensors, file, prefix="decoder.", heads=heads, each=32)
    out = shape(tensors, "decoder.head.weight", file, 2)[0]
    if out != grid.patch**2 * 3:
        raise ValueError(
            f"{file} predicts {out} numbers for a patch of {grid.patch} x {grid.patch} pixels, but {grid.patch**2 * 3} are wanted: "
            "it is a variant of MAE that mimviz does not know"
        )
    if blocks.hidden != 4 * blocks.width:
        raise ValueError(f"{file} has a decoder with an MLP of {blocks.hidden}, but 4 x {blocks.width} is wanted")
    return blocks, f"decoder: {guess}" if guess else ""


def model(
    encoder: Encoder, found: Finding, positions: Tensor | None, *, normalize: bool, ratio: float = 0.75, eps: float = 1e-6
) -> MaskedModel:
    """The untrained masked autoencoder; its decoder has the `positions` (1, 1 + N, dim) of the file, or MAE's own."""
    assert isinstance(found.decoder, Stack)
    dim, depth, heads = found.decoder.width, found.decoder.depth, found.decoder.heads
    made = recipes.mae(encoder, ratio=ratio, normalize=normalize, dim=dim, depth=depth, heads=heads)
    for module in made.decoder.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = eps
    if positions is not None:
        table: Tensor = made.decoder.positions  # type: ignore[assignment]
        if positions.shape != table.shape:
            raise ValueError(
                f"{found.file}: the decoder's positions have shape {tuple(positions.shape)}, but {tuple(table.shape)} is wanted"
            )
        table.copy_(positions)
    return made


def instead(width: int | None) -> str:
    """Which files to get where one has no decoder."""
    size = PUBLISHED.get(width or 0)
    if size is None:
        return "take the file of the same training that also holds decoder_embed, decoder_blocks and mask_token"
    return (
        f"with a decoder there are 'facebook/vit-mae-{size}' on the Hugging Face hub, "
        f"mae_visualize_vit_{size}.pth (predicts pixels) and mae_pretrain_vit_{size}_full.pth (normalized patches) of "
        "https://dl.fbaipublicfiles.com/mae/"
    )
