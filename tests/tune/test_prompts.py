"""Visual prompts: the paper's equations token by token, what is trained, and shallow prompts as registers."""

import pytest
import torch

import mimviz as mv
from mimviz.tune import Classifier, folded, prompted

from .small import SMALL, batches, masked, normalized, plain, planted, trainable

KINDS = [{}, {"reg_tokens": 2}, {"class_token": False, "global_pool": "avg"}, {"no_embed_class": True, "reg_tokens": 1}]


def twin(vit, images, prompts):
    """Equations 4 to 6: [cls, P_i, E_i] through block i; what became of P_i is left behind when there is a P_(i+1)."""
    old = vit.num_prefix_tokens
    x = vit._pos_embed(vit.patch_embed(images))
    front, patches = x[:, :old], x[:, old:]
    current = prompts[0]
    for i, block in enumerate(vit.blocks):
        if i and len(prompts) > 1:
            current = prompts[i]
        p = current.expand(len(x), -1, -1)
        out = block(torch.cat([front, p, patches], 1))
        front, current, patches = out[:, :old], out[:, old : old + p.shape[1]], out[:, old + p.shape[1] :]
    return vit.forward_head(vit.norm(torch.cat([front, patches], 1)))


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("deep", [False, True])
def test_the_pass_equals_the_paper_s(options, deep):
    vit, images = plain(**options), normalized(planted(3)[0])
    made = prompted(vit, 3, tokens=4, deep=deep).eval()
    made.head.load_state_dict(vit.head.state_dict())
    prompts = [block.prompts for block in made.blocks if hasattr(block, "prompts")]
    assert len(prompts) == (2 if deep else 1)
    torch.testing.assert_close(made(images), twin(vit, images, prompts))
    assert not torch.allclose(made(images), vit(images), atol=1e-4)


@pytest.mark.parametrize("deep", [False, True])
def test_parameters_and_what_is_trained(deep):
    mim = masked()
    vit = prompted(mim, 3, tokens=4, deep=deep)
    names = {"head.weight", "head.bias", "blocks.0.prompts"} | ({"blocks.1.prompts"} if deep else set())
    assert trainable(vit) == names
    assert sum(p.numel() for p in vit.parameters() if p.requires_grad) == (2 if deep else 1) * 4 * 24 + 3 * 24 + 3
    start = {name: p.detach().clone() for name, p in vit.named_parameters()}
    list(mv.fit(Classifier(vit, steps=3), batches(), steps=3))
    assert {name for name, p in vit.named_parameters() if not torch.equal(p, start[name])} == names
    assert mim.encoder.prefix == 1 and mim.encoder.vit.reg_token is None


@pytest.mark.parametrize("options", KINDS)
def test_shallow_prompts_are_registers_of_a_model_that_timm_builds(options):
    vit, images = prompted(plain(**options), 3, tokens=4).eval(), normalized(planted(3)[0])
    torch.nn.init.normal_(vit.head.weight)
    registers = options.get("reg_tokens", 0) + 4
    other = mv.load_vit(
        "vit_tiny_patch16_224", pretrained=False, num_classes=3, **SMALL, **options | {"reg_tokens": registers}
    )
    other.load_state_dict(folded(vit).state_dict())
    torch.testing.assert_close(other(images), vit(images))
    torch.testing.assert_close(folded(vit)(images), vit(images))


def test_scenes_see_prompts_as_registers():
    vit = prompted(plain(), 3, tokens=4, deep=True).eval()
    scene = mv.Scene(vit, normalized(planted(2)[0]))
    assert (scene.anatomy.prefix, scene.anatomy.registers) == (5, 4)
    assert scene.trace.attention[1].shape[-2:] == (21, 21)
    assert all(layer.certificate.exact for layer in scene.trace.layers)


def test_a_part_of_the_patches_is_enough_to_train():
    vit = prompted(masked(), 3, tokens=2, deep=True)
    losses = [step.loss for step in mv.fit(Classifier(vit, steps=40, keep=0.5), batches(), steps=40, lr=3e-2)]
    assert losses[-1] < losses[0]


def test_bad_inputs():
    with pytest.raises(ValueError, match="at least one prompt"):
        prompted(masked(), 3, tokens=0)
    with pytest.raises(TypeError, match="plain ViT"):
        prompted(
            mv.load_vit("beit_base_patch16_224", pretrained=False, img_size=32, embed_dim=24, depth=1, num_heads=2), 3
        )
    with pytest.raises(ValueError, match="prompts stand in 2 blocks"):
        folded(prompted(masked(), 3, deep=True))
