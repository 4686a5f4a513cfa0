"""What is hidden in tokens: objects, components, outliers, defects. One file, one method: `method(scene)` → what it found."""

from ._probing import Probed
from ._segment import Segment
from .lost import LOST
from .massive import Channel, MassiveChannels
from .outliers import NormModes, Outliers
from .pca import PCA, Components
from .probes import ClassProbe, PixelProbe, PositionProbe
from .register_neurons import RegisterNeurons
from .similarity import NeighbourSimilarity, Similarity
from .sinder import DefectDirections, Defects
from .sinder_repair import Repair, RepairStep
from .tokencut import TokenCut
from .visual_summaries import Region, VisualSummaries

__all__ = [
    "LOST", "TokenCut", "Segment", "PCA", "Components", "Similarity", "NeighbourSimilarity",
    "Outliers", "NormModes", "MassiveChannels", "Channel", "RegisterNeurons",
    "VisualSummaries", "Region",
    "PositionProbe", "PixelProbe", "ClassProbe", "Probed",
    "DefectDirections", "Defects", "Repair", "RepairStep",
]  # fmt: skip
