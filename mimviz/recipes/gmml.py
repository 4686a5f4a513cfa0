"""GMML is All you Need. Atito, Awais, Kittler. ICIP 2023. arXiv 2205.14986.

The first of the masked autoencoders for small data: connected groups of patches are spoilt by noise, by zeros or by another
picture's content, the whole picture goes through the ViT, and a light head recovers what was spoilt (L1, there alone). No token
says which patches these are: the encoder has to notice. Rule and shares are read beside the authors' code (Sara-Ahmed/GMML); left
out is its mean of four blocks' tokens in front of the head. The authors spoil half of the pictures with aliens, of at most 0.3 of
the area.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..grammar.corrupted import Corrupted
from ..grammar.decoders import Pointwise
from ..grammar.how import Corrupt
from ..grammar.losses import absolute
from ..grammar.targets import Pixels
from ..grammar.where import Groups
from ..vit import Encoder


def gmml(encoder: Encoder, *, kinds: Sequence[str] = ("noise",), ratio=0.7, largest=0.3, depth=3) -> Corrupted:
    """kinds: "noise", "zeros", "alien" … (see `how.Corrupt`), one at random for each group. ratio: the most that is spoilt.

    largest: side of a group, as a share of the grid's. depth: hidden layers of the head.
    """
    target = Pixels(encoder.grid, normalize=False)
    return Corrupted(
        encoder,
        where=Groups(ratio, largest=largest),
        how=Corrupt(encoder.grid, tuple(kinds)),
        target=target,
        decoder=Pointwise(encoder.width, target.width, prefix=encoder.prefix, depth=depth),
        loss=absolute,
        name="gmml",
    )
