import threading

import pytest
import timm
import torch
from timm.models.vision_transformer import VisionTransformer

import mimviz as mv
from mimviz.vit.only_read import only_read

SMALL = {"img_size": 48, "num_classes": 5, "depth": 2}


def model(name="vit_tiny_patch16_224", **keywords):
    torch.manual_seed(0)
    made = timm.create_model(name, **{**SMALL, **keywords}).eval()
    for weight in made.parameters():  # layer scales and biases that matter
        torch.nn.init.normal_(weight, std=0.1)
    return made


def scores(net, images, *, short):
    """Logits, their gradient, and how many tokens left the last block."""
    images = images.clone().requires_grad_()
    if not short:
        logits = net(images)
        return logits, torch.autograd.grad(logits[:, 1].sum(), images)[0], None
    with only_read(net):
        count = net.forward_features(images).shape[1]
        logits = net(images)
        return logits, torch.autograd.grad(logits[:, 1].sum(), images)[0], count


@pytest.mark.parametrize(
    ("name", "keywords", "left"),
    [
        ("vit_tiny_patch16_224", {}, 1),
        ("vit_tiny_patch16_224", {"qkv_bias": False, "init_values": 0.5, "qk_norm": True}, 1),
        ("vit_small_patch14_reg4_dinov2", {"img_size": 42}, 5),
        ("deit_tiny_distilled_patch16_224", {}, 2),
        ("vit_tiny_patch16_224", {"global_pool": "avg"}, 10),
        ("vit_tiny_patch16_224", {"attn_layer": "diff"}, 10),
    ],
)
def test_the_output_and_its_gradient_are_those_of_the_whole_block(name, keywords, left):
    net = model(name, **keywords)
    images = torch.randn(2, 3, keywords.get("img_size", 48), keywords.get("img_size", 48))
    whole, by, _ = scores(net, images, short=False)
    found, by_short, count = scores(net, images, short=True)
    assert count == left
    torch.testing.assert_close(found, whole, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(by_short, by, rtol=1e-3, atol=1e-4 * float(by.abs().max()))
    assert net.forward_features(images).shape[1] > left or left == 10
    assert not any("forward" in vars(each) for each in net.modules())


def test_whoever_watches_the_last_block_sees_all_of_it():
    net, images, seen = model(), torch.randn(1, 3, 48, 48), []
    for part in (net.blocks[-1], net.blocks[-1].mlp, net.norm):
        handle = part.register_forward_hook(lambda _, args, output: seen.append(output.shape[1]))
        with only_read(net):
            net(images)
        handle.remove()
    with only_read(net):
        net(images, attn_mask=torch.ones(10, 10, dtype=torch.bool))
    with only_read(net):
        tokens = mv.Scene(net, images, target=0).trace.tokens
    assert seen == [10, 10, 10] and tokens[-1].shape[1] == 10


def test_an_unfused_block_can_still_be_differentiated_twice():
    net, images = model(), torch.randn(1, 3, 48, 48, requires_grad=True)
    for block in net.blocks:
        block.attn.fused_attn = False
    scene = mv.Scene(net, images.detach(), target=1, normalized=True)
    (by,) = torch.autograd.grad(scene.score(images).sum(), images, create_graph=True)
    assert torch.autograd.grad(by.square().sum(), images)[0].any()


def test_passes_of_other_threads_are_whole_and_an_error_leaves_nothing_behind():
    net, images, seen = model(), torch.randn(1, 3, 48, 48), []
    with only_read(net):
        other = threading.Thread(target=lambda: seen.append(net.forward_features(images).shape[1]))
        other.start()
        other.join()
    assert seen == [10]
    with pytest.raises(RuntimeError, match="on purpose"), only_read(net):
        raise RuntimeError("on purpose")
    assert net.forward_features(images).shape[1] == 10
    assert "forward" not in vars(net.blocks[-1])


def test_subclasses_are_left_alone():
    class Reads(VisionTransformer):
        def forward_head(self, x, pre_logits=False):
            return self.head(x[:, 1:].mean(1))

    net = Reads(img_size=48, embed_dim=24, depth=1, num_heads=2, num_classes=5).eval()
    images = torch.randn(1, 3, 48, 48)
    with only_read(net):
        torch.testing.assert_close(net(images), net.head(net.forward_features(images)[:, 1:].mean(1)))


def test_a_scene_scores_as_its_model_does():
    net, images = model(), torch.randn(2, 3, 48, 48)
    scene = mv.Scene(net, images, target=2)
    torch.testing.assert_close(scene.score(images), net(images)[:, 2], rtol=1e-4, atol=1e-5)
