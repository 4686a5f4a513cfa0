"""LoRA and its kin through peft: how many parameters, that they start as the model was, and that merging changes nothing."""

import peft
import pytest
import torch
from torch import nn

import mimviz as mv
from mimviz.tune import Classifier, adapted, lora, merged

from .small import batches, masked, normalized, plain, planted, trainable

DEPTH, D, HIDDEN = 2, 24, 96
SHAPES = {"qkv": (D, 3 * D), "attn.proj": (D, D), "fc1": (D, HIDDEN), "fc2": (HIDDEN, D)}
HEAD = 3 * D + 3


def learned(vit):
    return sum(p.numel() for p in vit.parameters() if p.requires_grad) - HEAD


def shaken(vit):
    """Adapters that do something."""
    torch.manual_seed(1)
    with torch.no_grad():
        for p in vit.parameters():
            if p.requires_grad:
                p.add_(torch.randn_like(p) * 0.1)
    return vit.eval()


@pytest.mark.parametrize("layers", [("qkv",), ("qkv", "fc1"), ("qkv", "attn.proj", "fc1", "fc2")])
@pytest.mark.parametrize("rank", [1, 4])
def test_parameters_of_lora(layers, rank):
    """r · (in + out) for each layer; DoRA has a length for each output besides."""
    sizes = [SHAPES[name] for name in layers]
    vit = lora(masked(), 3, rank=rank, layers=layers)
    assert learned(vit) == DEPTH * sum(rank * (i + o) for i, o in sizes)
    assert learned(lora(masked(), 3, rank=rank, layers=layers, dora=True)) == DEPTH * sum(
        rank * (i + o) + o for i, o in sizes
    )


def test_parameters_of_other_adapters():
    """(IA)³ scales every output; LoHa is the product of two updates of rank r; OFT turns blocks by skew-symmetric matrices."""
    ia3 = peft.IA3Config(target_modules=["qkv"], feedforward_modules=[])
    assert learned(adapted(masked(), 3, ia3)) == DEPTH * 3 * D
    loha = peft.LoHaConfig(r=2, target_modules=["fc1"])
    assert learned(adapted(masked(), 3, loha)) == DEPTH * 2 * 2 * (D + HIDDEN)
    oft = peft.OFTConfig(oft_block_size=4, r=0, target_modules=["qkv"])
    assert learned(adapted(masked(), 3, oft)) == DEPTH * (D // 4) * (4 * 3 // 2)


def test_only_adapters_and_head_are_trained_and_the_model_given_stays():
    mim = masked()
    before = {name: p.detach().clone() for name, p in mim.encoder.vit.named_parameters()}
    vit = lora(mim, 3, rank=2)
    names = trainable(vit)
    assert {name.split(".")[-1] for name in names} == {"weight", "bias"} and all(
        "lora" in n or n.startswith("head") for n in names
    )
    start = {name: p.detach().clone() for name, p in vit.named_parameters()}
    list(mv.fit(Classifier(vit, steps=3), batches(), steps=3))
    assert {name for name, p in vit.named_parameters() if not torch.equal(p, start[name])} == names
    assert all(torch.equal(p, before[name]) for name, p in mim.encoder.vit.named_parameters())


def test_it_starts_as_the_model_was():
    vit, images = plain(), normalized(planted(4)[0])
    with_lora = lora(vit, 3, rank=2)
    with_lora.head.load_state_dict(vit.head.state_dict())
    torch.testing.assert_close(with_lora.eval()(images), vit(images))


@pytest.mark.parametrize(
    "options", [{}, {"rank": 3, "alpha": 7, "layers": ("qkv", "attn.proj", "fc1", "fc2")}, {"dora": True}]
)
def test_merged_equals_unmerged(options):
    vit, images = shaken(lora(plain(), 3, **options)), normalized(planted(4)[0])
    whole = merged(vit)
    torch.testing.assert_close(whole(images), vit(images), atol=1e-6, rtol=1e-6)
    assert {type(m) for m in whole.modules()} == {type(m) for m in plain().modules()}
    assert whole.state_dict().keys() == plain().state_dict().keys()
    other = mv.load_vit(
        "vit_tiny_patch16_224",
        pretrained=False,
        img_size=16,
        patch_size=4,
        embed_dim=24,
        depth=2,
        num_heads=2,
        num_classes=3,
    )
    other.load_state_dict(whole.state_dict())
    torch.testing.assert_close(other(images), vit(images), atol=1e-6, rtol=1e-6)


def test_the_update_is_alpha_over_r_times_b_a():
    vit = shaken(lora(plain(), 3, rank=2, alpha=8))
    layer = vit.blocks[1].attn.qkv
    a, b = (part["default"].weight for part in (layer.lora_A, layer.lora_B))
    wanted = layer.base_layer.weight + 8 / 2 * (b @ a)
    torch.testing.assert_close(merged(vit).blocks[1].attn.qkv.weight, wanted)


def test_scenes_read_an_adapted_model_exactly():
    vit = shaken(lora(plain(), 3))
    images = normalized(planted(2)[0])
    scene = mv.Scene(vit, images)
    assert scene.trace.attention[0].shape[-1] == 17
    assert all(layer.certificate.exact for layer in scene.trace.layers)
    assert isinstance(vit.blocks[0].attn.qkv, nn.Module) and vit.blocks[0].attn.qkv.lora_A  # the adapter took part


def test_bad_inputs():
    with pytest.raises(ValueError, match="cannot be adapted in VisionTransformer"):
        lora(masked(), 3, layers=("query",))
    with pytest.raises(ValueError, match="at least 1"):
        lora(masked(), 3, rank=0)
