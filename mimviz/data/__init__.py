"""Pictures in: files, arrays, folders, Parquet and bundled samples to values and training batches."""

from .batches import Batches
from .crops import crops
from .folder import load_images, read_folder
from .open import image
from .parquet import Pictures, read_parquet
from .planted import planted
from .sample import credits, images

__all__ = ["Batches", "Pictures", "credits", "crops", "image", "images", "load_images", "planted", "read_folder", "read_parquet"]
