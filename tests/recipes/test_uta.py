"""UTA: its loss by hand, nothing of what is hidden, and a student that knows the texts of its teacher."""

import pytest
import torch
import torch.nn.functional as F

import mimviz as mv
from mimviz.core import Mask
from mimviz.recipes import maskdistill, uta

from .small import GRID, encoder, made
from .test_invariants import smooth

MASK = Mask.random(GRID, ratio=0.5, seed=3, batch=2)


def identity(model):
    torch.nn.init.eye_(model.decoder.head.weight)
    torch.nn.init.zeros_(model.decoder.head.bias)
    return model


def test_the_loss_is_the_papers():
    """−cosine of each visible patch and of the class token to the teacher's of the whole picture, with loops."""
    model, images = made("uta"), smooth(2)
    for p in model.encoder.parameters():
        p.data += 0.02 * torch.randn_like(p)  # the teacher is another model now
    outcome, losses = model(images, MASK), []
    features, student = model.teacher.encoder.vit.forward_features(images), model.encode(images, MASK)
    for b in range(2):
        for row, token in enumerate([0, *(1 + MASK.keep_ids[b]).tolist()]):
            losses.append(-F.cosine_similarity(model.decoder.head(student[b, row]), features[b, token], dim=0))
    torch.testing.assert_close(outcome.loss, torch.stack(losses).mean(), rtol=1e-4, atol=1e-5)
    assert set(outcome.terms) == {"class"} and torch.equal(outcome.mask.predict, ~MASK.hidden)


def test_a_copy_of_the_teacher_that_sees_all_is_perfect():
    model = identity(made("uta")).eval()
    outcome = model(smooth(2), Mask.none(GRID))
    assert outcome.loss.item() == pytest.approx(-1, abs=1e-5)
    assert identity(made("uta"))(smooth(2), MASK).loss > -0.9999, "what is hidden is missed"


def test_there_is_no_mask_token_and_what_the_teacher_says_of_hidden_patches_is_not_asked():
    model = made("uta")
    assert not any(
        "token" in name for name, _ in model.named_parameters() if not name.startswith(("encoder", "teacher"))
    )
    plain, before = model.target.both, model(smooth(2), MASK)

    class Elsewhere:
        def both(self, images):
            whole, patches = plain(images)
            return whole, torch.where(MASK.hidden[..., None], torch.randn_like(patches), patches)

    model.target = Elsewhere()
    assert torch.equal(model(smooth(2), MASK).loss, before.loss)


def test_what_is_seen_are_blocks_and_so_lies_in_the_middle():
    """Where plain blocks hide the middle of a picture and leave its border."""
    grid, images = mv.Grid(12, 12, 8), torch.zeros(200, 3, 96, 96)
    student = mv.encoder("vit_tiny_patch16_224", img_size=96, patch_size=8, embed_dim=48, depth=1, num_heads=3)
    where = uta(student).where
    middle = torch.zeros(12, 12, dtype=torch.bool)
    middle[3:9, 3:9] = True
    torch.manual_seed(0)
    for word, in_the_middle in ((where, True), (where.where, False)):
        mask = word(images, grid)
        assert (mask.hidden.sum(1) == 72).all()
        seen = (~mask.hidden).float().mean(0).reshape(12, 12)
        assert (seen[middle].mean() > seen[~middle].mean() + 0.2) == in_the_middle
        assert (seen[middle].mean() < seen[~middle].mean() - 0.2) != in_the_middle


def test_distinct_from_predicting_hidden_patches():
    """The same teacher, the same mask: MaskDistill's loss lives where UTA's does not, and UTA's encoder sees half the tokens."""
    found, counts = {}, {}
    for recipe, keywords in ((uta, {}), (maskdistill, {"norm": "none", "loss": "cosine"})):
        torch.manual_seed(0)
        model = recipe(encoder("uta"), **keywords)
        block = model.encoder.vit.blocks[0]
        block.register_forward_hook(lambda module, args, out, at=recipe: counts.update({at: out.shape[1]}))
        outcome = model(smooth(2), MASK)
        outcome.loss.backward()
        found[recipe] = (
            outcome,
            torch.cat([p.grad.flatten() for p in model.encoder.parameters() if p.grad is not None]),
        )
    (one, grad), (other, there) = found.values()
    assert not (one.mask.predict & other.mask.predict).any() and (one.mask.predict | other.mask.predict).all()
    assert counts[uta] == 9 and counts[maskdistill] == 17
    assert abs(torch.cosine_similarity(grad, there, dim=0)) < 0.5


def test_a_student_knows_the_classes_of_its_teacher():
    """The rows of a classifier's last layer stand in for texts: chances are softmax of 100 · cosine, with loops."""
    teacher = mv.load_vit("tiny-classifier")
    torch.manual_seed(0)
    model = uta(
        mv.encoder("vit_tiny_patch16_224", img_size=64, patch_size=8, embed_dim=48, depth=1, num_heads=3),
        teacher=teacher,
    )
    images = torch.cat([mv.image(name).fit(64, 64).tensor() for name in ("cat", "coffee", "astronaut")])
    texts = teacher.head.weight.detach()
    found = model.zero_shot(images, texts)
    pooled = model.decoder.head(model.encoder.vit.forward_features(images)[:, 0]).detach()
    for b in range(3):
        cosines = torch.stack([F.cosine_similarity(pooled[b], text, dim=0) for text in texts])
        torch.testing.assert_close(found[b], (100 * cosines).softmax(0), rtol=1e-3, atol=1e-5)
    truth = F.normalize(teacher.forward_features(images)[:, 0], dim=-1) @ F.normalize(texts, dim=-1).T
    before = (found.argmax(1) == truth.argmax(1)).float().mean()
    list(mv.fit(model, [images], steps=40, lr=3e-3, warmup=0))
    after = (model.zero_shot(images, texts).argmax(1) == truth.argmax(1)).float().mean()
    assert after == 1 and before < 1


def test_targets_behind_the_teachers_own_last_layer():
    """As CLIP's texts lie: width and rows are those of the head."""
    teacher = mv.load_vit("tiny-classifier")
    model = uta(encoder("uta"), teacher=teacher, project=True)
    whole, patches = model.target.both(smooth(2))
    features = model.teacher(smooth(2))
    torch.testing.assert_close(whole, teacher.head(features[:, 0]))
    torch.testing.assert_close(patches, teacher.head(features[:, model.teacher.encoder.prefix :]))
    assert model(smooth(2)).guess.shape[-1] == teacher.head.out_features
    with pytest.raises(ValueError, match="head is Identity"):
        uta(encoder("uta"), project=True)
