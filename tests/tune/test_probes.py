"""Linear probe and nearest neighbours: scikit-learn's manners, features remembered, and the papers' sums."""

import math

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

import mimviz as mv
from mimviz.tune import KNN, Features, LinearProbe, head_only
from mimviz.tune import features as remembered

from .small import batches, is_frozen, masked, normalized, planted, state, trainable


@pytest.fixture(autouse=True)
def _forget():
    remembered._rows.clear()


def counting(vit):
    seen = []
    vit.patch_embed.register_forward_hook(lambda _, args, out: seen.append(len(args[0])))
    return seen


@pytest.mark.parametrize("pool", ["avg", "token", "both"])
def test_features_are_the_tokens_after_the_final_norm(pool):
    mim, (images, _) = masked(), planted(5)
    tokens = mim.encoder.vit.forward_features(normalized(images))
    wanted = {"avg": tokens[:, 1:].mean(1), "token": tokens[:, 0]}
    wanted["both"] = torch.cat([wanted["token"], wanted["avg"]], 1)
    np.testing.assert_allclose(Features(mim, pool=pool, batch=2)(images), wanted[pool].detach(), atol=1e-6)


def test_a_picture_is_computed_once_for_the_same_weights(tmp_path):
    mim, (images, labels) = masked(), planted()
    seen = counting(mim.encoder.vit)
    probe = LinearProbe(mim).fit(images, labels)
    KNN(mim, neighbours=3).fit(images[:9], labels[:9]).score(images, labels)
    probe.score(images.flip(0), labels.flip(0))
    assert sum(seen) == len(images)
    Features(mim)(torch.cat([images[:2], 255 - images[:2], 255 - images[:2]]))
    assert sum(seen) == len(images) + 2  # the new ones, each once
    before = probe.features(images[:4])
    with torch.no_grad():
        mim.encoder.vit.blocks[0].mlp.fc1.weight.normal_()
    changed = Features(mim, folder=tmp_path)(images[:4])
    assert sum(seen) == len(images) + 6
    remembered._rows.clear()  # as in a new session
    np.testing.assert_array_equal(Features(mim, folder=tmp_path)(images[:4]), changed)
    assert sum(seen) == len(images) + 6
    assert not np.allclose(changed, before, atol=1e-3)


def test_the_model_stays_as_it_is():
    mim, (images, labels) = masked().train(), planted()
    before = state(mim)
    LinearProbe(mim).fit(images, labels).predict(images)
    assert is_frozen(before, mim) and mim.training and all(p.grad is None for p in mim.parameters())


def test_manners_of_scikit_learn():
    vit, (images, labels) = masked(), planted(30)
    for estimator in (LinearProbe(vit, C=1.0), KNN(vit, neighbours=3)):
        fresh = clone(estimator)
        assert set(fresh.get_params()) == set(estimator.get_params())
        names = np.array(["left", "right", "below"])[labels]
        made = fresh.fit(images, names)
        assert made is fresh and set(made.predict(images)) <= set(names)
        assert list(made.classes_) == sorted(set(names))
        np.testing.assert_allclose(made.predict_proba(images).sum(1), 1, rtol=1e-6)
        assert made.score(images, names) == pytest.approx((made.predict(images) == names).mean())
        rows = estimator.features(images)
        assert cross_val_score(estimator, rows, labels, cv=3).mean() > 0.5  # rows of features do as well


def test_a_probe_finds_what_is_planted():
    images, labels = planted(60)
    assert LinearProbe(masked()).fit(images[:30], labels[:30]).score(images[30:], labels[30:]) > 0.9


def test_neighbours_vote_as_the_paper_has_it():
    """Twin of section 3.4: w_c = Σ exp(cos(x, x_i) / τ) over the k nearest of class c."""
    rng = np.random.default_rng(0)
    rows, labels, asked = rng.normal(size=(20, 4)), rng.integers(0, 3, 20), rng.normal(size=(5, 4))
    probe = KNN(None, neighbours=6, temperature=0.07).fit(rows, labels)
    for x, predicted, shares in zip(asked, probe.predict(asked), probe.predict_proba(asked), strict=True):
        cosines = [float(x @ r / np.linalg.norm(x) / np.linalg.norm(r)) for r in rows]
        votes = [0.0, 0.0, 0.0]
        for i in sorted(range(20), key=lambda i: -cosines[i])[:6]:
            votes[labels[i]] += math.exp(cosines[i] / 0.07)
        assert predicted == int(np.argmax(votes))
        np.testing.assert_allclose(shares, np.array(votes) / sum(votes), rtol=1e-6)


def test_mae_s_protocol_is_a_batch_norm_without_scale_and_no_penalty():
    rng = np.random.default_rng(0)
    rows, labels = rng.normal(3, [1, 10, 0.1], size=(200, 3)), rng.integers(0, 2, 200)
    probe = LinearProbe(None, protocol="mae", max_iter=5000).fit(rows, labels)
    norm = torch.nn.BatchNorm1d(3, affine=False, eps=1e-6, momentum=None).double()
    normed = norm(torch.tensor(rows))
    np.testing.assert_allclose(probe.head_[0].transform(rows), normed, atol=1e-9)
    theirs = LogisticRegression(C=np.inf, max_iter=5000).fit(normed, labels)
    np.testing.assert_allclose(probe.predict_proba(rows), theirs.predict_proba(normed), atol=1e-6)
    assert probe.converged_
    parted = LinearProbe(None, protocol="mae", max_iter=3).fit(
        rows, rows[:, 0] > 3
    )  # a minimum at infinity: no warning
    assert not parted.converged_


@pytest.mark.parametrize("norm", [False, True])
def test_head_only_trains_the_head_and_nothing_else(norm):
    mim = masked()
    vit = head_only(mim, 3, norm=norm)
    names = trainable(vit)
    assert names == ({"head.1.weight", "head.1.bias"} if norm else {"head.weight", "head.bias"})
    before = {name: p.detach().clone() for name, p in vit.named_parameters()}
    model = mv.tune.Classifier(vit, steps=40)
    list(mv.fit(model, batches(), steps=40, lr=0.1 if norm else 0.01))
    assert {name for name, p in vit.named_parameters() if not torch.equal(p, before[name])} == names
    images, labels = planted(30, seed=1)
    assert (vit(normalized(images)).argmax(-1) == labels).float().mean() > 0.8


def test_bad_inputs():
    images, labels = planted(6)
    with pytest.raises(TypeError, match="uint8"):
        Features(masked())(images.float())
    with pytest.raises(ValueError, match="'avg', 'token' or 'both'"):
        Features(masked(), pool="max")(images)
    with pytest.raises(ValueError, match="no class token"):
        Features(mv.encoder("resnet18", img_size=64), pool="token")(images)
    with pytest.raises(ValueError, match="1 to 6 are possible"):
        KNN(masked()).fit(images, labels)
    with pytest.raises(ValueError, match="'ridge' or 'mae'"):
        LinearProbe(masked(), protocol="sgd").fit(images, labels)
