"""One file, one study: a question that a paper asks of many pictures or many trainings, to be asked again of your own."""

from ._held_out import MaskedLoss
from ._noises import Drawn, Dropout, Gaussian, Masked
from ._tiny import tiny_simmim
from ._trainings import Trained
from .data_scaling import DataScaling, Progress
from .linear_denoisers import Alignment, Denoiser, alignment, denoiser
from .pca_cut import PCACut, Probed, probing

__all__ = [
    "Alignment", "DataScaling", "Denoiser", "Drawn", "Dropout", "Gaussian", "Masked", "MaskedLoss",
    "PCACut", "Probed", "Progress", "Trained", "alignment", "denoiser", "probing", "tiny_simmim",
]  # fmt: skip
