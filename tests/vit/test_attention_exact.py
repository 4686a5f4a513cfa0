"""Recomputed attention, and the score's gradient by it, against the same modules with the fused kernel off."""

import copy
from contextlib import contextmanager

import pytest
import torch
from attention_families import MODELS, pictures, tiny

from mimviz.vit import Scene
from mimviz.vit.attention import Windowed

TOLERANCE = {
    torch.float32: 1e-6,
    torch.bfloat16: 8e-3,
}  # bfloat16 keeps 8 bits: half a unit in the last place of 1 is 2⁻⁹


@contextmanager
def unfused(model):
    """A copy whose modules keep their post-softmax maps: {name: what went into attn_drop, or what the last softmax made}."""
    model, maps = copy.deepcopy(model), {}
    softmax, last = torch.Tensor.softmax, []

    def kept(*args, **keywords):
        last[:] = [softmax(*args, **keywords)]
        return last[0]

    for name, module in model.named_modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = False
            if not hasattr(module, "attn_drop"):
                module.register_forward_hook(lambda _, args, output, name=name: maps.__setitem__(name, last[0]))
        if name.endswith("attn_drop"):
            name = name.removesuffix(".attn_drop")
            module.register_forward_pre_hook(lambda _, args, name=name: maps.__setitem__(name, args[0]))
    torch.Tensor.softmax = kept
    try:
        yield model, maps
    finally:
        torch.Tensor.softmax = softmax


def shaped(layer, found):
    """(B · windows, heads, Q, K), as the module holds it; of differential attention the first map, its pair beside it."""
    if found.ndim == 5:  # Hiera: (B, heads, units, Q, K)
        return found.transpose(1, 2).flatten(0, 1), None
    if hasattr(layer.module, "_compute_lambda"):
        return found.unflatten(1, (-1, 2)).unbind(2)
    return found, None


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("family", MODELS)
def test_maps_and_gradients_are_those_of_the_unfused_modules(family, dtype):
    model = tiny(family).to(dtype)
    for module in model.modules():
        if hasattr(module, "fused_attn"):  # timm leaves it off in Swin
            module.fused_attn = True
    images = pictures(model)
    scene = Scene(model, images, target=3)
    with unfused(model) as (twin, maps), torch.enable_grad():
        logits = twin(images.detach().requires_grad_())
        layers = [*scene.trace.layers, *([scene.trace.pooling] if scene.trace.pooling else [])]
        grads = torch.autograd.grad(logits[:, 3].sum(), [maps[layer.name] for layer in layers])
    tolerance = TOLERANCE[dtype]
    assert scene.trace.certificate.exact, str(scene.trace.certificate)
    torch.testing.assert_close(scene.trace.logits, logits.detach(), atol=tolerance * 10, rtol=tolerance * 10)
    gradients = scene.trace.backward()
    for layer, grad, by in zip(layers, grads, [*gradients.mixed, gradients.pooling], strict=False):
        mixing = layer.mixing.local if isinstance(layer.mixing, Windowed) else layer.mixing
        expected, less = shaped(layer, maps[layer.name].detach())
        if less is not None:
            expected = expected - layer.module._compute_lambda().to(dtype) * less
        torch.testing.assert_close(mixing.weights(), expected, atol=tolerance, rtol=0)
        # A is the first map less a multiple of the second, so the gradient by the first is the gradient by A
        grad = shaped(layer, grad)[0]
        scale = max(1.0, float(grad.abs().max()))
        torch.testing.assert_close(mixing.weights_grad(by), grad, atol=tolerance * scale, rtol=0)
