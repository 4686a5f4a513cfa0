"""The learning rate grows with the batch: MAE's `blr` (He et al., CVPR 2022, appendix A.1; Goyal et al., arXiv 1706.02677)."""

from __future__ import annotations


def scaled_lr(blr: float, batch: int, *, of: int = 256) -> float:
    """lr = blr · batch / 256. `batch`: pictures in one step of the optimizer, over all devices and accumulated parts.

    MAE fine-tunes with blr 1e-3, probes with 0.1 (LARS) and pre-trains with 1.5e-4 (tables 8 to 10; its code fine-tunes ViT-B with
    5e-4). `recipes.mae(…, blr="paper")` and `tune.Classifier(…, blr="paper")` let `fit` warn of an `lr` that is far from it.
    """
    if not blr > 0 or batch < 1 or of < 1:
        raise ValueError(f"blr={blr}, batch={batch} and of={of}, but all must be positive")
    return blr * batch / of
