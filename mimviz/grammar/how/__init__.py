"""How hidden patches are kept from the encoder: how(content, mask) → (content, ids or None)."""

from .corrupt import Corrupt
from .drop import Drop
from .fill import Fill
from .keep import Keep
from .mask_token import MaskToken
from .mix import Mix
from .project import Project

__all__ = ["Corrupt", "Drop", "Fill", "Keep", "MaskToken", "Mix", "Project"]
