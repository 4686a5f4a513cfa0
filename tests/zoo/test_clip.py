"""CLIP pairs as transformers makes them: the same embeddings, texts as classes of every lens, labels of heads."""

import json
from dataclasses import replace

import pytest
import torch

import mimviz as mv
from mimviz.lenses import Chefer, Decompose, DirectEffect, TextSpan
from mimviz.lenses.textspan import head_texts
from mimviz.zoo.clip import load_clip

WORDS = ("cat", "dog", "car", "sea")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A random CLIP and a tokenizer of letters and four words."""
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

    made = tmp_path_factory.mktemp("clip")
    letters = [chr(each) for each in range(ord("a"), ord("z") + 1)]
    firsts, merged = [word[:2] for word in WORDS], [f"{word}</w>" for word in WORDS]
    vocabulary = [
        *letters,
        *[f"{each}</w>" for each in letters],
        *dict.fromkeys(firsts),
        *merged,
        "<|startoftext|>",
        "<|endoftext|>",
    ]
    merges = [f"{a} {b}" for a, b in dict.fromkeys(map(tuple, firsts))] + [
        f"{word[:2]} {word[2]}</w>" for word in WORDS
    ]
    (made / "vocab.json").write_text(json.dumps({name: i for i, name in enumerate(vocabulary)}))
    (made / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    CLIPTokenizer.from_pretrained(made).save_pretrained(made)
    end = len(vocabulary) - 1
    torch.manual_seed(0)
    text = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48,
            "vocab_size": len(vocabulary),
            "max_position_embeddings": 12, "bos_token_id": end - 1, "eos_token_id": end, "pad_token_id": end}  # fmt: skip
    vision = {
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "image_size": 32,
        "patch_size": 8,
    }
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 1.0 if parameter.ndim == 1 else 0.0, 0.2)
    torch.nn.init.constant_(model.logit_scale, 2.0)
    model.save_pretrained(made)
    (made / "preprocessor_config.json").write_text(
        json.dumps({"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.25, 0.3]})
    )
    return made


@pytest.fixture(scope="module")
def pair(folder):
    return load_clip(folder)


@pytest.fixture
def images():
    return torch.randn(6, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_logits_are_transformers(folder, pair, images):
    from transformers import CLIPModel, CLIPTokenizer

    theirs, texts = CLIPModel.from_pretrained(folder).eval(), ["a cat", "dog", "the sea and a car"]
    tokens = CLIPTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
    expected = theirs(pixel_values=images, **tokens)
    torch.testing.assert_close(pair.texts(texts), expected.text_embeds, rtol=1e-4, atol=1e-5)
    embeds = pair.vit(images)
    torch.testing.assert_close(
        torch.nn.functional.normalize(embeds, dim=-1), expected.image_embeds, rtol=1e-4, atol=1e-5
    )
    logits = pair.classifier(texts)(images) / embeds.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(logits, expected.logits_per_image, rtol=1e-4, atol=1e-4)


def test_texts_in_parts_and_in_a_template(pair, monkeypatch):
    words = [*WORDS, "cat"]
    whole = pair.texts(words, template="a {}")
    torch.testing.assert_close(whole[0], whole[4])
    assert torch.allclose(whole.norm(dim=-1), torch.ones(5)) and not torch.allclose(whole, pair.texts(words))
    torch.testing.assert_close(whole, pair.texts([f"a {each}" for each in words]))
    monkeypatch.setattr("mimviz.zoo.clip.BATCH", 2)
    torch.testing.assert_close(whole, pair.texts(words, template="a {}"), rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="texts is 'cat', but a list of at least one text is wanted"):
        pair.texts("cat")


def test_texts_are_classes_of_every_lens(pair):
    model = pair.classifier(WORDS)
    assert model.patch_embed.proj.weight is pair.vit.patch_embed.proj.weight and model.head is not pair.vit.head
    scene = mv.Scene(model, mv.image("cat"), target="sea")
    assert scene.names == list(WORDS) and scene.anatomy.mean == (0.4, 0.5, 0.6) and scene.trace.certificate.exact
    by_number = mv.Scene(model, mv.image("cat"), target=3)
    torch.testing.assert_close(Chefer()(scene).values, Chefer()(by_number).values)
    terms = Decompose()(scene)
    assert terms.error < 1e-4
    heat = DirectEffect()(scene).values
    spread = sum(terms.patches(layer).sum(1) @ model.head.weight[3] for layer in range(3))  # (1, tokens)
    torch.testing.assert_close(heat.flatten(1), spread[:, 1:], rtol=1e-3, atol=1e-5)


def test_heads_are_named_by_texts(pair, images):
    terms = Decompose()(mv.Scene(pair.vit, images, target=0))
    total = terms.start + terms.mlps.sum(1) + terms.heads.sum((1, 2))
    torch.testing.assert_close(pair.project(total), pair.vit(images).detach(), rtol=1e-3, atol=1e-4)
    directions = pair.texts(WORDS)
    back = directions @ torch.linalg.pinv(pair.vit.head.weight.detach()).T  # (T, C): features that project to the texts
    planted = terms.heads.clone()
    planted[:, 2, 1] = torch.randn(6, 1) * 3 * back[2] + 0.1 * torch.randn(6, 1) * back[1]
    found = head_texts(
        replace(terms, heads=planted), directions, WORDS, project=pair.project, start_layer=-2, span=TextSpan(count=2)
    )
    assert sorted(found) == [(layer, head) for layer in (1, 2) for head in range(4)]
    assert found[2, 1].texts[0] == "car" and found[2, 1].explained[0] > 0.9
    with pytest.raises(IndexError, match=r"start_layer is 3, but there are 3: 0\.\.2"):
        head_texts(terms, directions, WORDS, project=pair.project, start_layer=3)


def test_what_is_no_pair_is_refused(tmp_path):
    from transformers import ViTConfig

    ViTConfig().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="holds a 'vit' model, but a CLIP pair"):
        load_clip(tmp_path)
