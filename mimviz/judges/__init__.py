"""One file, one test of a map: judge(scene, heat) → Score. `removal` has the ways of taking patches away."""

from . import removal as removal
from ._agreement import disagreement as disagreement
from ._agreement import spearman as spearman
from ._baselines import EdgeMap as EdgeMap
from ._baselines import RandomMap as RandomMap
from ._board import Board as Board
from ._board import Summary as Summary
from .class_sensitivity import ClassSensitivity
from .completeness_gap import CompletenessGap
from .comprehensiveness import Comprehensiveness
from .conciseness_preciseness import ConcisenessPreciseness
from .deletion import Deletion
from .double_trouble import Cells as Cells
from .double_trouble import DoubleTrouble as DoubleTrouble
from .double_trouble import RemovalAttribution as RemovalAttribution
from .grid_pointing_game import GridPointingGame
from .hallucination import Hallucination
from .infidelity import Infidelity
from .insertion import Insertion
from .mass_inside import MassInside
from .max_sensitivity import MaxSensitivity
from .performance_information import PerformanceInformation
from .planted_feature import PlantedFeature
from .pointing_game import PointingGame
from .randomisation import Randomisation
from .road import ROAD
from .roar import ROAR
from .sufficiency import Sufficiency

__all__ = [
    "Deletion", "Insertion", "Comprehensiveness", "Sufficiency", "ROAD", "Infidelity", "PerformanceInformation",
    "PointingGame", "MassInside", "GridPointingGame", "PlantedFeature",
    "Randomisation", "ClassSensitivity", "MaxSensitivity", "CompletenessGap", "Hallucination", "ConcisenessPreciseness", "ROAR",
]  # fmt: skip

DIAGNOSTICS = ["DoubleTrouble", "RemovalAttribution", "Cells"]
