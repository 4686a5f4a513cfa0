"""Pictures in: files, arrays, folders, Parquet and bundled samples to values and training batches."""

from .batches import Batches
from .folder import load_images, read_folder
from .parquet import Pictures, read_parquet

__all__ = ["Batches", "Pictures", "load_images", "read_folder", "read_parquet"]
