"""How each family mixes its tokens: one file for one family, each reads q, k and v off the module's own input."""

from .convit import Gated
from .mixing import Mixing
from .read import READERS, is_read, read, reader_of
from .reader import Reader
from .windows import Windowed

__all__ = ["READERS", "Gated", "Mixing", "Reader", "Windowed", "is_read", "read", "reader_of"]
