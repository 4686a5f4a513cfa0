"""How each family mixes its tokens: one file for one family, each reads q, k and v off the module's own input."""

from .convit import Gated
from .mixing import Mixing
from .read import READERS, is_read, read, reader_of
from .reader import PROJECTIONS, Reader, Said
from .windows import Windowed

__all__ = ["PROJECTIONS", "READERS", "Gated", "Mixing", "Reader", "Said", "Windowed", "is_read", "read", "reader_of"]
