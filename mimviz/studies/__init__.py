"""One file, one study: a question that a paper asks of many pictures or many trainings, to be asked again of your own."""

from ._noises import Drawn, Dropout, Gaussian, Masked
from .linear_denoisers import Alignment, Denoiser, alignment, denoiser
from .pca_cut import PCACut, Probed, probing

__all__ = [
    "Alignment", "Denoiser", "Drawn", "Dropout", "Gaussian", "Masked", "PCACut", "Probed", "alignment", "denoiser", "probing",
]  # fmt: skip
