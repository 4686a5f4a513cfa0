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


def fused(family, dtype, gain):
    model = tiny(family, gain=gain).to(dtype)
    for module in model.modules():
        if hasattr(module, "fused_attn"):  # timm leaves it off in Swin
            module.fused_attn = True
    return model


def local(layer):
    return layer.mixing.local if isinstance(layer.mixing, Windowed) else layer.mixing


def layers_of(trace):
    return [*trace.layers, *([trace.pooling] if trace.pooling else [])]


def map_of(layer, found):
    first, second = shaped(layer, found)
    return first if second is None else first - layer.module._compute_lambda().to(found.dtype) * second


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("family", MODELS)
def test_a_map_is_that_of_the_unfused_module_on_the_very_same_input(family, dtype):
    """Sharp attention, two pictures."""
    model = fused(family, dtype, gain=1.5)
    trace = Scene(model, pictures(model)).trace
    assert trace.certificate.exact, str(trace.certificate)
    sharpest = 0.0
    with unfused(model) as (twin, maps), torch.no_grad():
        for layer in layers_of(trace):
            twin.get_submodule(layer.name)(layer.x, **layer.keywords)
            expected = map_of(layer, maps[layer.name])
            torch.testing.assert_close(local(layer).weights(), expected, atol=TOLERANCE[dtype], rtol=0)
            sharpest = max(sharpest, float(expected.max()))
    assert sharpest > 0.5, "even attention would prove little"


@pytest.mark.parametrize(
    ("dtype", "gain", "tolerance"),
    [(torch.float64, 1.5, 1e-9), (torch.float32, 0.5, 1e-6), (torch.bfloat16, 0.5, 1.6e-2)],
    ids=str,
)
@pytest.mark.parametrize("family", MODELS)
def test_maps_and_gradients_of_a_whole_pass_are_those_of_the_unfused_model(family, dtype, gain, tolerance):
    """The other pass rounds otherwise in every layer, so there the last digits differ; float64 leaves room for sharp attention."""
    model = fused(family, dtype, gain)
    images = pictures(model)
    scene = Scene(model, images, target=3)
    layers = layers_of(scene.trace)
    with unfused(model) as (twin, maps), torch.enable_grad():
        logits = twin(images.detach().requires_grad_())
        grads = torch.autograd.grad(logits[:, 3].sum(), [maps[layer.name] for layer in layers])
    torch.testing.assert_close(scene.trace.logits, logits.detach(), atol=10 * tolerance, rtol=10 * tolerance)
    gradients = scene.trace.backward()
    largest = max(1.0, *(float(grad.abs().max()) for grad in grads))
    for layer, grad, by in zip(layers, grads, [*gradients.mixed, gradients.pooling], strict=False):
        torch.testing.assert_close(
            local(layer).weights(), map_of(layer, maps[layer.name].detach()), atol=tolerance, rtol=0
        )
        # of differential attention the gradient by the first map is that by A = first − λ second
        torch.testing.assert_close(
            local(layer).weights_grad(by), shaped(layer, grad)[0], atol=tolerance * largest, rtol=0
        )
