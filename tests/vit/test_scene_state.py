"""The model is left as it was found, whatever state it was found in."""

import gc
import threading
import weakref

import pytest
import torch
from attention_families import pictures, tiny

from mimviz.vit import Scene, edited


def state(model):
    hooks = [
        (name, len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks), len(m._backward_pre_hooks))
        for name, m in model.named_modules()
    ]
    modes = [(name, m.training, getattr(m, "fused_attn", None)) for name, m in model.named_modules()]
    weights = [
        (name, p.requires_grad, None if p.grad is None else p.grad.clone(), p._version)
        for name, p in model.named_parameters()
    ]
    return hooks, modes, weights, {name: buffer.clone() for name, buffer in model.named_buffers()}


def same(first, second):
    assert first[:2] == second[:2]
    for (name, needs, grad, version), (_, needs2, grad2, version2) in zip(first[2], second[2], strict=True):
        assert (needs, version) == (needs2, version2), name
        assert (grad is None) == (grad2 is None) and (grad is None or torch.equal(grad, grad2)), name
    assert all(torch.equal(buffer, second[3][name]) for name, buffer in first[3].items())


def ask_everything(scene):
    trace = scene.trace
    _ = [
        trace.attention[-1],
        trace.attention_grad[0],
        trace.token_grad[-1],
        scene.image_grad,
        trace.certificate,
        trace.maps_grad(0),
    ]
    scene.score(scene.images)


def odd(family="ViT"):
    """In train mode but for one part, one weight frozen, one with a gradient of its own, dropout everywhere."""
    model = tiny(family)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.5
    model.train()
    first, second, *_ = model.parameters()
    first.requires_grad_(False)
    second.grad = torch.ones_like(second)
    list(model.modules())[5].training = False
    return model


@pytest.mark.parametrize("family", ["ViT", "Swin v2", "ConViT", "SigLIP", "Hiera"])
def test_a_model_in_an_odd_state_stays_in_it(family):
    model = odd(family)
    model(pictures(model))  # ConViT keeps a table of its first pass
    before = state(model)
    ask_everything(Scene(model, pictures(model), target=1))
    same(before, state(model))


def test_dropout_of_a_model_in_train_mode_plays_no_part():
    model = odd()
    images = pictures(model)
    first, second = Scene(model, images), Scene(model.eval(), images)
    assert torch.equal(first.trace.logits, second.trace.logits)
    assert torch.equal(first.trace.attention[1], second.trace.attention[1])


@pytest.mark.parametrize("where", ["forward", "backward", "target"])
def test_an_exception_inside_leaves_the_model_as_it_was(where):
    model = odd()

    def fail(*_):
        raise ZeroDivisionError("inside the model")

    before = state(model)
    scene = Scene(model, pictures(model), target=fail if where == "target" else 1)
    if where == "forward":
        handle = model.blocks[1].mlp.register_forward_pre_hook(fail)
        with pytest.raises(ZeroDivisionError):
            _ = scene.trace
    elif where == "backward":
        _ = scene.trace
        handle = model.blocks[1].mlp.register_full_backward_pre_hook(fail)
        with pytest.raises(ZeroDivisionError):
            _ = scene.image_grad
    else:
        with pytest.raises(ZeroDivisionError):
            _ = scene.image_grad
    if where != "target":
        handle.remove()
    same(before, state(model))
    if where != "target":
        ask_everything(scene)  # and the next question is answered
    same(before, state(model))


def test_frozen_models_and_surrounding_modes_change_nothing():
    model = tiny("ViT")
    images = pictures(model)
    plain = Scene(model, images, target=1)
    model.requires_grad_(False)
    frozen = Scene(model, images, target=1)
    with torch.no_grad():
        blind = Scene(model, images, target=1)
        ask_everything(blind)
    with torch.inference_mode():
        inside = Scene(model, images.clone(), target=1)
        ask_everything(inside)
    for other in (frozen, blind, inside):
        torch.testing.assert_close(other.trace.attention_grad[0], plain.trace.attention_grad[0])
        torch.testing.assert_close(other.image_grad, plain.image_grad)
        assert not other.trace.attention[0].is_inference()
    assert inside.score(images.requires_grad_()).requires_grad


def test_a_model_made_in_inference_mode_can_be_looked_at():
    with torch.inference_mode():
        model = tiny("ViT")
    scene = Scene(model, torch.randn(1, 3, 16, 24))
    assert scene.trace.certificate.exact
    with pytest.raises(RuntimeError, match=r"[Ii]nference"):
        _ = scene.image_grad


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision(dtype):
    model = tiny("ViT").to(dtype)
    scene = Scene(model, pictures(model), target=1)
    assert scene.trace.certificate.exact and scene.trace.attention[0].dtype == dtype
    assert torch.isfinite(scene.trace.attention_grad[0]).all()


def test_under_autocast_the_maps_are_those_of_the_pass():
    model = tiny("ViT")
    images = pictures(model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scene = Scene(model, images, target=1)
        _ = scene.trace
    assert scene.trace.certificate.exact and scene.trace.certificate.tolerance == 4e-2
    assert scene.trace.attention[0].dtype != Scene(model, images).trace.layers[0].mixing.q.dtype


def test_gradient_checkpointing_is_no_obstacle():
    model = tiny("ViT")
    images = pictures(model)
    expected = Scene(model, images, target=1)
    model.set_grad_checkpointing(True)
    scene = Scene(model, images, target=1)
    torch.testing.assert_close(scene.trace.attention_grad[1], expected.trace.attention_grad[1])
    assert len(scene.trace.layers) == 3 and model.grad_checkpointing


def test_scenes_leave_nothing_behind():
    model = tiny("ViT")

    def once():
        scene = Scene(model, pictures(model), target=1)
        ask_everything(scene)
        return (
            weakref.ref(scene),
            weakref.ref(scene.trace),
            weakref.ref(scene.trace.layers[0]),
            weakref.ref(scene.trace._gradients()),
        )

    left = [ref for _ in range(5) for ref in once()]
    gc.collect()
    assert not any(ref() for ref in left)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None, "locks and edits hold no model"


def test_a_pass_of_another_thread_is_not_recorded():
    model = tiny("ViT")
    images = pictures(model)
    other = threading.Thread(target=lambda: model(images * 2))

    def beside(*_):
        if threading.current_thread() is threading.main_thread() and not other.ident:
            other.start()
            other.join()

    handle = model.blocks[1].register_forward_pre_hook(beside)
    scene = Scene(model, images)
    assert len(scene.trace.layers) == len(scene.trace.blocks) == 3
    handle.remove()
    torch.testing.assert_close(scene.trace.layers[2].x, Scene(model, images).trace.layers[2].x)


def test_weights_that_change_after_the_pass_are_noticed():
    model = tiny("ViT")
    scene = Scene(model, pictures(model))
    _ = scene.trace
    with torch.no_grad():
        model.blocks[1].attn.qkv.weight.mul_(2)
    assert scene.trace.attention[0].shape[-1] == 25
    with pytest.raises(RuntimeError, match=r"weights of blocks\.1\.attn have changed since this pass.*new Scene"):
        _ = scene.trace.attention[1]


def test_the_certificate_finds_a_reader_that_is_wrong():
    model = tiny("ViT")
    model.blocks[1].attn.scale *= 1.1
    scene = Scene(model, pictures(model))
    certificate = scene.trace.certificate  # the fused kernel takes its scale from the width of a head
    assert not certificate.exact and certificate.name == "blocks.1.attn" and "NOT exact" in str(certificate)
    assert scene.trace.layers[0].certificate.exact and "exact" in str(scene.trace.layers[0].certificate)


def test_a_scene_keeps_to_the_edits_it_was_made_under():
    model = tiny("ViT")
    images = pictures(model)
    before = state(model)
    plain, other = Scene(model, images, target=1), Scene(model, images, target=1)
    _ = plain.trace, plain.image_grad
    with edited(model, heads={0: [0]}):
        torch.testing.assert_close(other.trace.attention[0], plain.trace.attention[0])
        torch.testing.assert_close(other.image_grad, plain.image_grad)
        inside, expected = Scene(model, images, target=1), Scene(model, images, target=1)
        _ = expected.trace, expected.image_grad
    assert not inside.trace.attention[0][:, 0].any()
    torch.testing.assert_close(inside.trace.logits, expected.trace.logits)
    torch.testing.assert_close(inside.image_grad, expected.image_grad)
    assert not torch.allclose(inside.image_grad, plain.image_grad)
    same(before, state(model))
