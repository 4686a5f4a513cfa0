"""Cluster and Predict Latent Patches for Improved Masked Image Modeling. Darcet et al. TMLR 2025. arXiv 2502.08769.

Nothing but hidden patches teaches here: a slow copy looks at the whole picture, its patches are put into clusters that are learnt
as it goes and kept equally full, and the model says, from one visible block, of which cluster each hidden patch is. The predictor's
queries look at what is seen and never at each other. Read beside facebookresearch/capi (train_capi.py, model.py, data.py and its
default config): temperatures 0.06 and 0.12, three rounds of scaling for each place, momentum 0.999, 65 % hidden, 16 384 clusters.
There 5 % of the hidden patches are asked for and the clusters have an optimizer of their own with half the rate; here all, and one.
Its encoder is not part of the recipe: rotary positions and registers (with places on the border there) are the encoder's affair,
encoder("vit_…", reg_tokens=16). A naive twin is in tests/recipes/test_capi.py.
"""

from __future__ import annotations

from torch import Tensor

from ..core import Mask, Outcome
from ..grammar import EMA, MaskedModel
from ..grammar.decoders import Queries
from ..grammar.decoders.directions import Directions
from ..grammar.how import Drop
from ..grammar.losses import cross_entropy
from ..grammar.targets import Clusters
from ..grammar.targets.clusters import Balance
from ..grammar.where import InverseBlock
from ..vit import Encoder


class CAPI(MaskedModel):
    """Rows of the outcome are the patches to be predicted. The term "clusters" trains the target's layer and nothing else."""

    target: Clusters
    decoder: Queries

    def forward(self, images: Tensor, mask: Mask | None = None) -> Outcome:
        mask = self._mask(images, mask)
        chances, own = self.target.both(images)
        where = mask.predict_ids
        guess = self.decoder.some([self.encode(images, mask)], where)
        truth = chances.gather(1, where[..., None].expand(-1, -1, chances.shape[-1]))
        return Outcome(mask, guess, truth, self.loss(guess, truth).mean(-1), where, None, {"clusters": own})

    def predict(self, images: Tensor, mask: Mask) -> Tensor:
        """Scores (B, N, clusters) of all patches, each as if it were hidden."""
        return self.decoder([self.encode(images, mask)], mask)


def capi(
    encoder: Encoder, *, ratio=0.65, clusters=256, balance: Balance = "position", dim=None, depth=12, heads=None, momentum=0.999,
    end=1.0, steps=1000,
) -> CAPI:  # fmt: skip
    """clusters: how many. balance: see `grammar.targets.Clusters`; small batches want "batch".

    dim, depth, heads: of the predictor, as wide as the encoder unless told. momentum: of the copy, goes to `end` in `steps` steps.
    """
    teacher = EMA(encoder, momentum=momentum, end=end, steps=steps, schedule="cosine")
    target = Clusters(teacher, clusters, balance=balance)
    dim = encoder.width if dim is None else dim
    predictor = Queries(encoder.width, clusters, encoder.grid, dim=dim, depth=depth, heads=heads)
    predictor.head = Directions(dim, clusters, temperature=target.prediction)  # type: ignore[assignment]
    return CAPI(
        encoder, where=InverseBlock(ratio), how=Drop(), target=target, decoder=predictor, loss=cross_entropy, teacher=teacher,
        name="capi",
    )  # fmt: skip
