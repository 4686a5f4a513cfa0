"""How a judge takes patches away: removal(scene, hidden) → what the model says without them.

Each word has `outputs(scene, hidden)`: hidden (K, B, rows, cols), True = taken away → (K · B, classes), and
`pictures(scene, hidden)` → (K · B, 3, H, W), what the model really got, or the nearest picture of it (`exact` says which).
"""

from .drop import Drop
from .fill import Fill
from .inpaint import Inpaint
from .layers import Layers
from .linear import Linear

__all__ = ["Drop", "Fill", "Inpaint", "Layers", "Linear"]
