"""recipes.beit against transformers.BeitForMaskedImageModeling on the same weights, pictures, mask and codes."""

import pytest
import torch
from hugging_face import beit
from transformers import BeitConfig, BeitForMaskedImageModeling

import mimviz as mv
from mimviz.core import Mask

BIASES = {
    "positions": {},
    "own biases": {"use_relative_position_bias": True},
    "shared biases": {"use_shared_relative_position_bias": True},
}


def pair(**biases):
    torch.manual_seed(0)
    config = BeitConfig(
        vocab_size=64, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, image_size=32,
        patch_size=8, use_mask_token=True, use_absolute_position_embeddings=not biases, layer_norm_eps=1e-6, drop_path_rate=0.0,
        initializer_range=0.2, **biases,
    )  # fmt: skip
    theirs = BeitForMaskedImageModeling(config).eval()
    for parameter in theirs.parameters():  # also what starts at zero or one has to be in its place
        parameter.data += 0.05 * torch.randn_like(parameter)
    encoder = mv.encoder(
        "beit_base_patch16_224", img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=4, global_pool="token",
        use_abs_pos_emb=not biases, use_rel_pos_bias="use_relative_position_bias" in biases,
        use_shared_rel_pos_bias="use_shared_relative_position_bias" in biases,
    )  # fmt: skip
    ours = mv.recipes.beit(encoder).eval()
    ours.load_state_dict(beit(theirs.state_dict()) | {"target.book": ours.target.book})
    return theirs, ours


@pytest.mark.parametrize("biases", BIASES.values(), ids=BIASES)
def test_scores_and_loss_are_equal(biases):
    theirs, ours = pair(**biases)
    images, mask = torch.randn(3, 3, 32, 32), Mask.random(ours.grid, ratio=0.4, seed=2, batch=3)
    labels = ours.target.ids(images)[mask.hidden]
    with torch.no_grad():
        a, b = theirs(images, bool_masked_pos=mask.bool_masked_pos, labels=labels), ours(images, mask)
    torch.testing.assert_close(b.guess, a.logits, atol=1e-5, rtol=1e-5)
    assert float(b.loss) == pytest.approx(float(a.loss), abs=1e-5)
