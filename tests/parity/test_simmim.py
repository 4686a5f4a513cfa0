"""recipes.simmim against transformers.ViTForMaskedImageModeling on the same weights, pictures and mask."""

import pytest
import torch
from hugging_face import vit
from transformers import ViTConfig, ViTForMaskedImageModeling

import mimviz as mv

P = 8


@pytest.mark.parametrize("size", [(32, 32), (24, 48)], ids=["square", "wide"])
def test_loss_and_reconstruction_are_equal(size):
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, patch_size=P,
        image_size=size[0] if size[0] == size[1] else list(size),
        encoder_stride=P, layer_norm_eps=1e-6, initializer_range=0.2,
    )  # fmt: skip
    theirs = ViTForMaskedImageModeling(config).eval()
    encoder = mv.encoder("vit_tiny_patch16_224", img_size=size, patch_size=P, embed_dim=32, depth=2, num_heads=4)
    ours = mv.recipes.simmim(encoder).eval()
    state = theirs.state_dict()
    # PixelShuffle reads channels as (c, p, q), the house as (p, q, c)
    order = torch.arange(3 * P * P).reshape(3, P, P).permute(1, 2, 0).flatten()
    head = {
        "decoder.head.weight": state["decoder.0.weight"][order, :, 0, 0],
        "decoder.head.bias": state["decoder.0.bias"][order],
    }
    ours.load_state_dict(vit(state) | head | {"how.token": state["vit.embeddings.mask_token"]})

    images = torch.randn(2, 3, *size)
    mask = ours.where(images, ours.grid)
    with torch.no_grad():
        b = ours(images, mask)
        guess = ours.grid.unpatchify(b.guess)
    if size[0] == size[1]:  # the oracle's own reshape assumes a square
        with torch.no_grad():
            a = theirs(images, bool_masked_pos=mask.bool_masked_pos)
        torch.testing.assert_close(guess, a.reconstruction, atol=1e-5, rtol=1e-5)
        assert float(b.loss) == pytest.approx(float(a.loss), abs=1e-5)
    else:
        with torch.no_grad():
            tokens = theirs.vit(images, bool_masked_pos=mask.bool_masked_pos).last_hidden_state[:, 1:]
            tokens = tokens.transpose(1, 2).reshape(2, 32, *ours.grid.shape)
            expected = theirs.decoder(tokens)
        torch.testing.assert_close(guess, expected, atol=1e-5, rtol=1e-5)
        pixels = (
            mask.hidden.float().reshape(2, *ours.grid.shape).repeat_interleave(P, 1).repeat_interleave(P, 2)[:, None]
        )
        loss = ((images - expected).abs() * pixels).sum() / (pixels.sum() + 1e-5) / 3
        assert float(b.loss) == pytest.approx(float(loss), abs=1e-5)
