"""How hidden patches are kept from the encoder: how(content, mask) → (content, ids or None)."""

from .drop import Drop
from .fill import Fill
from .mask_token import MaskToken

__all__ = ["Drop", "Fill", "MaskToken"]
