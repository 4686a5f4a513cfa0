"""Pictures in: files, arrays, folders, Parquet and bundled samples to values and training batches."""

from .batches import Batches
from .crops import crops
from .dataset import Dataset, dataset
from .folder import load_images, read_folder
from .long_tail import long_tail, tail_counts
from .open import image
from .parquet import Pictures, read_parquet
from .planted import planted
from .sample import credits, images
from .survey import Survey

__all__ = [
    "Batches", "Dataset", "Pictures", "Survey",
    "credits", "crops", "dataset", "image", "images", "load_images", "long_tail", "planted", "read_folder",
    "read_parquet", "tail_counts",
]  # fmt: skip
