import pytest
import timm
import torch
from timm.optim import param_groups_layer_decay

import mimviz as mv
from mimviz.tune import Classifier, layer_decay

SMALL = {"img_size": 16, "patch_size": 4, "embed_dim": 24, "depth": 3, "num_heads": 2, "num_classes": 4}


@pytest.mark.parametrize("options", [{}, {"global_pool": "avg"}, {"global_pool": "avg", "fc_norm": False}])
@pytest.mark.parametrize("decay", [0.65, 1.0])
def test_scales_equal_timm_s(options, decay):
    """Everywhere but at a final norm before pooling: timm counts it to the last block, MAE and mimviz to the head."""
    vit = timm.create_model("vit_tiny_patch16_224", **SMALL, **options)
    theirs = {}
    for group in param_groups_layer_decay(vit, layer_decay=decay):
        theirs |= {id(p): group["lr_scale"] for p in group["params"]}
    expected = {name: theirs[id(p)] for name, p in vit.named_parameters()}
    for name in ("norm.weight", "norm.bias"):
        if name in expected:
            assert expected[name] == pytest.approx(decay)
            expected[name] = 1.0
    assert layer_decay(vit, decay) == pytest.approx(expected)


def test_scales_equal_mae_s_rule():
    """Layers numbered as in MAE's fine-tuning: embedding 0, block i is i + 1, all above is depth + 1."""
    vit = timm.create_model("vit_tiny_patch16_224", **SMALL)

    def number(name):
        if name in ("cls_token", "pos_embed") or name.startswith("patch_embed"):
            return 0
        return int(name.split(".")[1]) + 1 if name.startswith("blocks") else 4

    assert layer_decay(vit, 0.75) == pytest.approx({n: 0.75 ** (4 - number(n)) for n, _ in vit.named_parameters()})


def test_register_tokens_belong_to_the_embedding_and_a_wrapper_changes_nothing():
    vit = timm.create_model("vit_tiny_patch16_224", **SMALL, reg_tokens=2)
    plain, wrapped = layer_decay(vit, 0.5), layer_decay(Classifier(vit, steps=2), 0.5)
    assert plain["reg_token"] == plain["cls_token"] == 0.5**4
    assert wrapped == {f"encoder.vit.{name}": scale for name, scale in plain.items()}


def test_fit_multiplies_the_learning_rate_of_each_parameter():
    """The first step of Adam is the learning rate itself, wherever there is a gradient."""
    vit = timm.create_model("vit_tiny_patch16_224", **SMALL)
    model = Classifier(vit, steps=1)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    batch = (torch.randn(4, 3, 16, 16), torch.tensor([0, 1, 2, 3]))
    scales = layer_decay(model, 0.5)
    list(mv.fit(model, [batch], steps=1, lr=1e-3, warmup=0, weight_decay=0, scales=scales))
    moved = {name: float((p.detach() - before[name]).abs().max()) for name, p in model.named_parameters()}
    assert moved == pytest.approx({name: 1e-3 * scale for name, scale in scales.items()}, rel=0.01)


def test_bad_inputs():
    vit = timm.create_model("vit_tiny_patch16_224", **SMALL)
    for wrong in (0, 1.1):
        with pytest.raises(ValueError, match="at most 1"):
            layer_decay(vit, wrong)
    with pytest.raises(ValueError, match=r"no parameters named blocks\.0"):
        layer_decay(torch.nn.Linear(2, 2), 0.5)
    with pytest.raises(ValueError, match="no such parameter"):
        next(mv.fit(Classifier(vit, steps=1), [torch.zeros(1, 3, 16, 16)], scales={"head": 0.1}))
