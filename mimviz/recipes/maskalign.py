"""Stare at What You See: Masked Image Modeling without Reconstruction. Xue et al. CVPR 2023. arXiv 2211.08887.

Nothing hidden is ever predicted: what the student makes of the visible patches shall be what a frozen teacher makes of them in the
whole picture. Since the two see different things, no layer is tied to a layer: each of the teacher's last five gets its own learned
mixture of all of the student's ("dynamic alignment"), `mixing()`. A class token that attends says which patches are likely to be
seen. Equal to the authors' code on the same weights (OpenDriveLab/maskalign, models_pretrain.py, as its command says; a naive twin
is in tests/recipes/test_maskalign.py): layer-normed targets, twice smooth L1 with β = 1, the class token as one more row, 70 %
hidden. CLIP is the authors' teacher; here it is a frozen copy of the encoder, as it is, unless one is given.
"""

from __future__ import annotations

from torch import Tensor, nn

from ..core import Mask
from ..grammar import Frozen
from ..grammar.aligned import Aligned
from ..grammar.decoders import Alignment
from ..grammar.how import Drop
from ..grammar.losses import SmoothL1
from ..grammar.targets import Layers
from ..grammar.targets.features import Norm
from ..grammar.where import Attention, Attentive, Highest
from ..vit import Encoder
from ..vit.recording import recording


class MaskAlign(Aligned):
    scale = 2.0

    def outputs(self, images: Tensor, mask: Mask) -> list[Tensor]:
        """(B, prefix + K, width) of every block of the student, the visible patches in order."""
        with recording(self.encoder.vit, self.encoder.anatomy, layers=range(len(self.encoder.anatomy.blocks))) as trace:
            trace.ids = mask.keep_ids
            self.encode(images, mask)
        return [block.output for block in trace.blocks]  # type: ignore[misc]

    def tokens(self, images: Tensor, mask: Mask) -> Tensor:
        return self.decoder.rows(self.outputs(images, mask))  # type: ignore[operator]

    def mixing(self) -> Tensor:
        """(targets, layers): how much each block of the student (column) says to each of the teacher's last ones (row)."""
        return self.decoder.weights.detach()  # type: ignore[return-value]

    @property
    def shares(self) -> Tensor:
        """The same, as views ask for it."""
        return self.mixing()

    @property
    def layers(self) -> tuple[int, ...]:
        """Numbers of the columns' blocks."""
        return tuple(range(len(self.encoder.anatomy.blocks)))


def maskalign(
    encoder: Encoder, *, ratio=0.7, top=5, norm: Norm = "layer", attentive=True, teacher: nn.Module | None = None
) -> MaskAlign:
    """top: how many of the teacher's last blocks are targets, all where there are fewer. norm: of each. attentive: or random masks.

    teacher: a timm model or Encoder. Raises TypeError for an encoder whose blocks do not all put out the same tokens.
    """
    if len(encoder.anatomy.stages) > 1 or encoder.whole or encoder.anatomy.prefix_from:
        raise TypeError(f"dynamic alignment mixes all blocks, but those of this {encoder.anatomy.family} are not alike")
    frozen = Frozen(encoder if teacher is None else teacher, student=encoder)
    if attentive and not frozen.encoder.anatomy.attentions:
        raise TypeError(f"a {frozen.encoder.anatomy.family} attends to nothing: give attentive=False, or another teacher")
    blocks = len(frozen.encoder.anatomy.blocks)
    target = Layers(frozen, top=min(top, blocks), each=norm, whole="none")
    decoder = Alignment(
        encoder.width, frozen.width, prefix=encoder.prefix, layers=len(encoder.anatomy.blocks), targets=target.top, blocks=blocks
    )  # fmt: skip
    return MaskAlign(
        encoder, where=Attentive(Attention(frozen), ratio) if attentive else Highest(ratio), how=Drop(), target=target,
        decoder=decoder, loss=SmoothL1(1.0), teacher=frozen, name="maskalign",
    )  # fmt: skip
