"""The same pictures without a browser."""

from .answers import show_answers, show_hardest
from .attention import show_heads
from .masks import show_influence, show_many, show_search, show_sweep
from .outcome import show_heatmap, show_outcome, show_picture
from .scaling import show_scaling
from .survey import show_survey
from .targets import show_sees, show_target_spaces

__all__ = [
    "show_answers", "show_hardest", "show_heads", "show_heatmap", "show_influence", "show_many", "show_outcome", "show_picture",
    "show_scaling", "show_search", "show_sees", "show_survey", "show_sweep", "show_target_spaces",
]  # fmt: skip
