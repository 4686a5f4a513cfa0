"""How each family mixes its tokens: one file for one family, each reads q, k and v off the module's own input."""

from .mixing import Mixing
from .plain import read_plain
from .read import READERS, is_read, read

__all__ = ["READERS", "Mixing", "is_read", "read", "read_plain"]
