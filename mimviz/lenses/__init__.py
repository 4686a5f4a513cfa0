"""One file, one lens: `lens(scene) → Heatmap`. `DIAGNOSTICS` are called the same way and return numbers about heads and layers."""

from ._attribute import attribute as attribute
from ._attribute import to_quantus as to_quantus
from ._bcosify import BCosTuning as BCosTuning
from ._bcosify import bcosify as bcosify
from ._comet import CometLearner as CometLearner
from ._diff_mask import DiffMaskLearner as DiffMaskLearner
from ._ltx import LTXLearner as LTXLearner
from ._tap import tap as tap
from .ablation_cam import AblationCAM
from .attention import Attention
from .bcos import BCos
from .blur_ig import BlurIG
from .chefer import Chefer
from .comet import COMET
from .convit import Gates as Gates
from .decompose import Decompose as Decompose
from .decompose import DirectEffect
from .deconvolution import Deconvolution
from .deeplift import DeepLIFT
from .diff_mask import DiffMask
from .distance import MeanAttentionDistance
from .eigen_cam import EigenCAM
from .entropy import Entropy
from .feature_ablation import FeatureAblation
from .flow import Flow
from .full_grad import FullGrad
from .grad_cam import GradCAM
from .grad_cam_plus_plus import GradCAMPlusPlus
from .gradient import Gradient
from .gradient_shap import GradientSHAP
from .guided_backprop import GuidedBackprop
from .guided_ig import GuidedIG
from .input_x_gradient import InputXGradient
from .integrated_gradients import IntegratedGradients
from .layer_cam import LayerCAM
from .legrad import LeGrad
from .lrp import LRP
from .ltx import LTX
from .norm_grad import NormGrad
from .occlusion import Occlusion
from .offset_heads import OffsetHeads as OffsetHeads
from .overfocus import Diversification as Diversification
from .overfocus import Overfocus
from .regional import RegionalMultiScale
from .rise import RISE
from .rollout import Rollout
from .salient_relevance import SalientRelevance
from .score_cam import ScoreCAM
from .shearlet_x import ShearletX
from .similarity import LayerSimilarity as LayerSimilarity
from .sink import AttentionSink
from .smoothgrad import SmoothGrad, SmoothGradSquared, VarGrad
from .textspan import TextSpan as TextSpan
from .token_norm import TokenNorm
from .token_tm import TokenTM
from .unip import AttentionPatterns as AttentionPatterns
from .var import VAR as VAR
from .visual_summaries import CrispMask
from .wavelet_x import WaveletX
from .xrai import XRAI

__all__ = [
    "Attention", "Rollout", "Flow", "Chefer", "LeGrad", "TokenTM", "DirectEffect", "Entropy", "MeanAttentionDistance",
    "TokenNorm", "AttentionSink", "Overfocus",
    "Gradient", "InputXGradient", "IntegratedGradients", "SmoothGrad", "VarGrad", "SmoothGradSquared", "GradientSHAP",
    "DeepLIFT", "Occlusion", "FeatureAblation", "GuidedBackprop", "Deconvolution", "GradCAM", "GradCAMPlusPlus",
    "LayerCAM", "ScoreCAM", "AblationCAM", "EigenCAM", "RISE", "GuidedIG", "BlurIG", "XRAI", "FullGrad", "NormGrad",
    "RegionalMultiScale", "LRP", "SalientRelevance", "WaveletX", "ShearletX", "BCos",
    "LTX", "DiffMask", "COMET", "CrispMask",
]  # fmt: skip

DIAGNOSTICS = [
    "OffsetHeads", "LayerSimilarity", "AttentionPatterns", "Decompose", "TextSpan", "Gates", "Diversification", "VAR",
]  # fmt: skip
