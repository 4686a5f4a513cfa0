"""Models as ONNX: equal to Python's pictures, smaller, with nothing of the machine in them, refused where they cannot be."""

import base64
import gzip

import numpy as np
import pytest
import torch

import mimviz as mv

from .pages import blocks, carried

pytest.importorskip("onnx", reason="needs mimviz[share]")
from mimviz.share import thinking


def small(recipe=mv.recipes.mae, **options):
    torch.manual_seed(0)
    vit = mv.encoder("vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=2)
    return recipe(vit, **options).eval()


def test_rounding_is_to_the_nearest_and_leaves_zeros():
    values = np.array([1.0, -1.5, 0.1, 3e-20, 0.0], "<f4")
    made = thinking.rounded(values)
    assert np.abs(made / np.where(values == 0, 1, values) - (values != 0)).max() <= 2.0 ** -(thinking.BITS + 1)
    assert not (made.view("<u4") & ((1 << (23 - thinking.BITS)) - 1)).any()


@pytest.mark.parametrize("normalize", [False, True])
def test_the_page_carries_the_model_and_it_answers_as_python_does(normalize):
    import onnxruntime

    mim = small(normalize=normalize, dim=16, depth=1)
    painter = mv.MaskPainter("cat", mim, strategies=["random"])
    page = painter.to_html(model=True)
    brain = carried(page)["widgets"][0]["brain"]
    data = gzip.decompress(base64.b64decode(blocks(page)[brain["block"]]))
    assert b"mimviz" not in data and b".py" not in data
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    mask = mv.Mask.random(mim.grid, ratio=0.5, seed=9)
    images = np.frombuffer(brain["images"], "<f4").reshape(brain["shape"])
    picture, error, loss = session.run(None, {"images": images, "ids": mask.keep_ids.numpy()})
    python = mim.reconstruct(mv.image("cat"), mask)
    assert np.abs(picture - python.picture.array).max() < 1e-3
    assert np.abs(error - python.error.values.numpy().ravel()).max() < 1e-3
    assert float(loss) == pytest.approx(python.loss, rel=1e-2)
    assert "wasm-unsafe-eval" in page and "mimviz-runtime" in blocks(page)
    painter.close()


def test_models_that_cannot_say_so():
    mim = small(mv.recipes.simmim)

    class Draws(type(mim)):
        def predict(self, images, mask):
            return super().predict(images, mask) + torch.rand(1)

    mim.__class__ = Draws
    with pytest.raises(TypeError, match="cannot think in a browser"):
        thinking.masked_brain(mim, mv.image("cat").fit(32, 32))
