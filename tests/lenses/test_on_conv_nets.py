"""The lenses that need no attention promise on a conv net what they promise on a ViT."""

import ast
import inspect

import pytest
import torch

import mimviz as mv
from mimviz import lenses
from mimviz.core import Heatmap

from .planted_cnn import GRID, PATCH, on_cells, planted_scene
from .test_invariants import state

ELSEWHERE: dict[str, str] = {
    "FullGrad": "every layer is scaled to 0..1, so that layers of faint noise count as much as the one that carries red",
    "Deconvolution": "its backward pass never asks which gates were open; max pooling alone tells it where, not enough here",
}
OF_ATTENTION = {"_tokens", "_residual", "_diff_mask"}  # modules that only lenses of a ViT's tokens import


def reads_attention(name: str) -> bool:
    tree = ast.parse(inspect.getsource(inspect.getmodule(getattr(lenses, name))))  # type: ignore[arg-type]
    return any(isinstance(node, ast.ImportFrom) and node.module in OF_ATTENTION for node in tree.body)


FEWER = {
    "RISE": {"samples": 200, "cells": 4},
    "XRAI": {"steps": 10, "min_size": 60},
    "GuidedIG": {"steps": 10},
    "BlurIG": {"steps": 15},
    "RegionalMultiScale": {"scales": (40,), "samples": 1},
    "WaveletX": {"steps": 15, "samples": 2},
    "ShearletX": {"steps": 15, "samples": 2},
}
saliency = [name for name in lenses.__all__ if not reads_attention(name)]


@pytest.mark.parametrize("name", saliency)
def test_it_points_at_the_planted_cell(name):
    patches = (PATCH, 0, 15)
    scene = planted_scene(*patches)
    before = state(scene.model)
    heat = getattr(lenses, name)(**FEWER.get(name, {}))(scene)
    assert isinstance(heat, Heatmap) and torch.isfinite(heat.values).all() and (heat.signed or heat.min >= 0)
    assert state(scene.model) == before
    if name not in ELSEWHERE:
        assert on_cells(heat).argmax(1).tolist() == list(patches)


def test_the_planted_model_reads_its_cell():
    scene = planted_scene(PATCH)
    row, col = divmod(PATCH, GRID.cols)
    grey = scene.images.clone()
    grey[:, :, row * 32 : row * 32 + 32, col * 32 : col * 32 + 32] = 0
    with torch.no_grad():
        assert mv.Scene(scene.model, grey, target=1).logits[0, 1] < 0.3 * scene.logits[0, 1]
