"""Files in the layouts of facebookresearch/mae, microsoft/SimMIM and microsoft/unilm, against their naive twins."""

import published
import pytest
import torch
from timm.models.swin_transformer import SwinTransformer
from torch.nn.functional import conv2d, pixel_shuffle

import mimviz as mv
from mimviz.core import Mask
from mimviz.zoo.load import load_encoder

close = {"atol": 1e-5, "rtol": 1e-5}


@pytest.mark.parametrize(
    ("name", "normalize"),
    [
        ("mae_visualize_vit_base.pth", False),
        ("mae_pretrain_vit_base_full.pth", True),
        ("mae_visualize_vit_large_ganloss.pth", False),
    ],
)
def test_mae(tmp_path, name, normalize):
    state = published.mae()
    torch.save({"model": state}, tmp_path / name)
    ours = mv.load_mim(tmp_path / name)
    images, mask = torch.randn(1, 3, 32, 32), Mask.random(ours.grid, ratio=0.7, seed=1)
    hidden = mask.hidden[0]
    features = published.mae_features(state, images, hidden, 3)
    guess = published.mae_guess(state, features, hidden, 2)
    with torch.no_grad():
        outcome = ours(images, mask)
        torch.testing.assert_close(ours.encoder(*ours.how(ours.encoder.embed(images), mask)), features, **close)
    torch.testing.assert_close(outcome.guess, guess, **close)
    assert float(outcome.loss) == pytest.approx(published.mae_loss(guess, images, hidden, 8, normalize), abs=1e-5)
    assert ours.found.gan == name.endswith("_ganloss.pth") and ours.normalized == normalize


@pytest.mark.parametrize("bias", ["shared", "per block", "table"])
def test_simmim_with_a_vit(tmp_path, bias):
    state = published.simmim(bias)
    torch.save({"model": state, "epoch": 799}, tmp_path / "simmim_pretrain__vit_base.pth")
    ours = mv.load_mim(tmp_path / "simmim_pretrain__vit_base.pth", heads=4)
    images, mask = torch.randn(2, 3, 32, 32), Mask.random(ours.grid, ratio=0.6, batch=2)
    inside = {k.removeprefix("encoder."): v for k, v in state.items()}
    features = published.beit_features(inside, images, mask.hidden, 4)
    picture = published.simmim_picture(state, features)
    with torch.no_grad():
        outcome = ours(images, mask)
        torch.testing.assert_close(ours.encoder(*ours.how(ours.encoder.embed(images), mask)), features, **close)
    torch.testing.assert_close(ours.grid.unpatchify(outcome.guess), picture, **close)
    pixels = mask.hidden.reshape(2, 1, 4, 4).repeat_interleave(8, 2).repeat_interleave(8, 3).float()
    loss = ((images - picture).abs() * pixels).sum() / (pixels.sum() + 1e-5) / 3
    assert float(outcome.loss) == pytest.approx(float(loss), abs=1e-5)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("bias", ["shared", "per block", "table"])
def test_beit(tmp_path, bias, version):
    state = published.beit(bias)
    more = {k.replace("blocks.0.", "cls_pt_layers.0."): v for k, v in state.items() if k.startswith("blocks.0.")}
    torch.save({"model": state | (more if version == 2 else {})}, tmp_path / "beit_base_patch16_224_pt22k.pth")
    ours = mv.load_mim(tmp_path / "beit_base_patch16_224_pt22k.pth", heads=4)
    assert ours.found.format.startswith("BEiT v2" if version == 2 else "BEiT before") and ours.found.target == "tokens"
    images, mask = torch.randn(2, 3, 32, 32), Mask.random(ours.grid, ratio=0.4, batch=2)
    features = published.beit_features(state, images, mask.hidden, 4)
    with torch.no_grad():
        seen = ours.encoder(*ours.how(ours.encoder.embed(images), mask))
        torch.testing.assert_close(seen, features, **close)
        logits = features[:, 1:] @ state["lm_head.weight"].T + state["lm_head.bias"]
        torch.testing.assert_close(ours.decoder(seen, mask), logits, **close)
        codes = torch.randint(20, (2, 16, 1))
        ours.target = lambda images, mask: codes
        loss = ours(images, mask).loss
    naive = -torch.stack([logits[b, n].log_softmax(-1)[codes[b, n, 0]] for b, n in mask.hidden.nonzero()]).mean()
    assert float(loss) == pytest.approx(float(naive), abs=1e-5)


def swin_file(model: SwinTransformer) -> dict:
    """A timm Swin in the layout of microsoft/SimMIM: patches are merged at the end of a stage, and masks of windows are stored."""
    state = {}
    for name, tensor in model.state_dict().items():
        parts = name.split(".")
        if parts[0] == "layers" and parts[2] == "downsample":
            name = ".".join(["layers", str(int(parts[1]) - 1), *parts[2:]])
        state[f"encoder.{name}"] = tensor
    masks = {f"encoder.{k}": v for k, v in model.named_buffers() if k.endswith(("attn_mask", "relative_position_index"))}
    assert masks, "of which the size of the pictures is read"
    return state | masks


@pytest.mark.parametrize("told", ["masks", "options"])
def test_simmim_with_a_swin(tmp_path, told):
    torch.manual_seed(0)
    theirs = SwinTransformer(
        img_size=64, patch_size=4, window_size=4, embed_dim=8, depths=(2, 2, 1), num_heads=(1, 2, 4), num_classes=0
    ).eval()
    for parameter in theirs.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    state = swin_file(theirs)
    token, head = torch.randn(1, 1, 8), {"decoder.0.weight": torch.randn(768, 32, 1, 1), "decoder.0.bias": torch.randn(768)}
    content = {"model": state | {"encoder.mask_token": token} | head}
    if told == "options":
        content["config"] = {"DATA": {"IMG_SIZE": 64, "MASK_RATIO": 0.5, "MASK_PATCH_SIZE": 16}}
    torch.save(content, tmp_path / "simmim_pretrain__swin_base.pth")
    ours = mv.load_mim(tmp_path / "simmim_pretrain__swin_base.pth")
    assert ours.grid == mv.Grid(4, 4, 16)
    assert (ours.where.ratio, ours.where.unit) == ((0.5, 1) if told == "options" else (0.6, 2))
    images, mask = torch.randn(2, 3, 64, 64), Mask.random(ours.grid, ratio=0.5, batch=2)
    fine = mask.hidden.reshape(2, 4, 4, 1).repeat_interleave(4, 1).repeat_interleave(4, 2)
    with torch.no_grad():
        x = theirs.norm(theirs.layers(torch.where(fine, token[:, :, None], theirs.patch_embed(images))))
        picture = pixel_shuffle(conv2d(x.permute(0, 3, 1, 2), head["decoder.0.weight"], head["decoder.0.bias"]), 16)
        outcome = ours(images, mask)
        torch.testing.assert_close(ours.encoder(*ours.how(ours.encoder.embed(images), mask)), x.flatten(1, 2), **close)
    torch.testing.assert_close(ours.grid.unpatchify(outcome.guess), picture, **close)
    pixels = mask.hidden.reshape(2, 1, 4, 4).repeat_interleave(16, 2).repeat_interleave(16, 3).expand(-1, 3, -1, -1)
    assert float(outcome.loss) == pytest.approx(float((images - picture).abs()[pixels].mean()), rel=1e-5)


def test_the_encoder_of_a_file_without_a_decoder(tmp_path):
    state = published.mae(decoder=False)
    torch.save({"model": state}, tmp_path / "mae_pretrain_vit_base.pth")
    made = load_encoder(tmp_path / "mae_pretrain_vit_base.pth")
    images = torch.randn(1, 3, 32, 32)
    features = published.mae_features(state, images, torch.zeros(16, dtype=torch.bool), 3)
    with torch.no_grad():
        torch.testing.assert_close(made.vit.forward_features(images), features, **close)
    assert made.mean == (0.485, 0.456, 0.406) and not made.training


def test_the_encoder_of_a_file_with_a_decoder(tmp_path):
    for name, state in (("a", published.mae()), ("b", published.simmim("shared")), ("c", published.beit("table"))):
        torch.save(state, tmp_path / f"{name}.pth")
        whole = mv.load_mim(tmp_path / f"{name}.pth", heads=None if name == "a" else 4, normalize=False).encoder
        alone = load_encoder(tmp_path / f"{name}.pth", heads=None if name == "a" else 4)
        images = torch.randn(1, 3, 32, 32)
        with torch.no_grad():
            assert torch.equal(alone(alone.embed(images)), whole(whole.embed(images)))
    assert load_encoder("tiny").grid == mv.load_mim("tiny").grid
