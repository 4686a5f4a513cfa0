"""mixup and CutMix: two pictures in one, and the labels in the same shares; timm's own `Mixup` does it.

Zhang et al., mixup: Beyond Empirical Risk Minimization, ICLR 2018, arXiv 1710.09412; Yun et al., CutMix: Regularization Strategy to
Train Strong Classifiers with Localizable Features, ICCV 2019, arXiv 1905.04899.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal

from jaxtyping import Float, Int
from timm.data.mixup import Mixup
from torch import Tensor

from ._seeded import seeded


@dataclass(frozen=True)
class Mix:
    """mix(pictures (B, 3, H, W), labels (B,)) → mixed pictures, shares of the `classes` (B, classes). B must be even.

    mixup, cutmix: the α of the Beta distribution that the share is drawn from; 0 leaves one out; of both, a coin (`switch`)
    decides. each: one share for the whole batch, for every pair or for every picture. The draws follow torch's generator, so a
    step of `fit` repeats. Labels are not smoothed here: `Classifier` does.
    """

    classes: int
    _: KW_ONLY
    mixup: float = 0.8
    cutmix: float = 1.0
    switch: float = 0.5
    chance: float = 1.0
    each: Literal["batch", "pair", "elem"] = "batch"

    def __post_init__(self) -> None:
        if self.classes < 2 or min(self.mixup, self.cutmix) < 0 or not self.mixup + self.cutmix > 0:
            raise ValueError(
                f"classes={self.classes}, mixup={self.mixup} and cutmix={self.cutmix}, but at least 2 classes and one "
                "positive α are wanted"
            )

    def __call__(self, images: Float[Tensor, "B C H W"], labels: Int[Tensor, " B"]) -> tuple[Tensor, Tensor]:
        if len(images) % 2:
            raise ValueError(
                f"the batch has {len(images)} pictures, but they are mixed two by two: take an even batch_size"
            )
        mixing = Mixup(
            self.mixup, self.cutmix, prob=self.chance, switch_prob=self.switch, mode=self.each, label_smoothing=0.0,
            num_classes=self.classes,
        )  # fmt: skip
        with seeded():
            return mixing(images.clone(), labels)
