"""The words of a sentence are plain attributes."""

import torch

import mimviz as mv
from mimviz.grammar.how import Drop, MaskToken


def test_a_word_with_weights_gives_way_to_one_without_and_back():
    torch.manual_seed(0)
    encoder = mv.encoder("vit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=48, depth=1, num_heads=3)
    model = mv.recipes.mae(encoder, dim=32, depth=1).eval()
    before = model.reconstruct("cat").loss
    names = set(model.state_dict())
    model.how = MaskToken(encoder.content_width)
    assert set(model.state_dict()) - names == {"how.token"}
    model.how = Drop()
    assert set(model.state_dict()) == names and model.how == Drop()
    assert model.reconstruct("cat").loss == before
