"""What a classifier says of a dataset, counted by hand, and drawn."""

import numpy as np
import pytest
import torch

import mimviz as mv
from mimviz.data import Dataset
from mimviz.plot import show_hardest
from mimviz.tune import KNN, Answers, Classifier, LinearProbe, Memory, answers

from .small import masked, normalized, plain, planted

NAMES = ["red", "green", "blue"]


def data(count=12):
    return Dataset(*planted(count), NAMES)


def told(rows, labels):
    images = torch.arange(len(rows), dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 4, 4).contiguous()
    return Answers(np.array(rows), Dataset(images, torch.tensor(labels), NAMES), "mine")


def test_counts_by_hand():
    made = told([[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.2, 0.5, 0.3], [0.1, 0.1, 0.8]], [0, 0, 1, 2])
    assert made.confusion.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert made.accuracy == 0.75 and made.per_class == {"red": 0.5, "green": 1.0, "blue": 1.0}
    assert made.hardest(2) == [1, 2] and made.losses[1] == pytest.approx(-np.log(0.3))
    assert str(made) == "mine: 3 of 4 right (75.0%); worst class 'red' (50.0%)"


def test_every_kind_of_model_answers():
    dataset, vit = data(), plain()
    vit.pretrained_cfg = {**vit.pretrained_cfg, "mean": (0.5,) * 3, "std": (0.5,) * 3}
    wanted = vit(normalized(dataset.images)).softmax(-1).detach()
    for model in (vit, Classifier(vit, steps=1)):
        np.testing.assert_allclose(answers(model, dataset).probabilities, wanted, atol=1e-6)
    memory = Memory(vit, 3)
    np.testing.assert_allclose(answers(memory, dataset).probabilities, 1 / 3, atol=1e-6)  # its head starts at zero
    labels = dataset.labels
    for probe in (LinearProbe(masked()), KNN(masked(), neighbours=3)):
        made = answers(probe.fit(dataset.images, labels), dataset)
        assert made.accuracy == probe.score(dataset.images, labels)
        named = answers(probe.fit(dataset.images, np.array(NAMES)[labels]), dataset)
        np.testing.assert_allclose(named.probabilities, made.probabilities, atol=1e-5)
        some = answers(probe.fit(dataset.images[labels < 2], labels[labels < 2]), dataset)
        assert (some.probabilities[:, 2] == 0).all()


def test_it_is_drawn_beside_what_was_before():
    before, after = (
        told(rows, [0, 1]) for rows in ([[0.2, 0.7, 0.1], [0.1, 0.8, 0.1]], [[0.9, 0.05, 0.05], [0.1, 0.8, 0.1]])
    )
    figure = after.plot(before)
    matrix, *bars = figure.data
    assert np.asarray(matrix.z).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]
    assert [list(bar.x)[:2] for bar in bars] == [[0.0, 1.0], [1.0, 1.0]]
    assert figure.layout.title.text == "right: mine 100.0%, mine 50.0%"
    hard = show_hardest(before, count=2)
    assert len(hard.data) == 2 and hard.data[0].source.startswith("data:image/png")
    assert hard.layout.annotations[0].text == "red<br>said: green (70%)"


def test_bad_inputs():
    unlabelled = Dataset(planted(3)[0], torch.tensor([0, 1, -1]), NAMES)
    with pytest.raises(ValueError, match="without a label"):
        answers(plain(), unlabelled)
    with pytest.raises(ValueError, match="they must be the same"):
        answers(plain(classes=4), data())


def test_tuned_models_go_into_the_widgets_beside_the_original():
    mim = masked()
    with torch.no_grad():
        tuned = mv.tune.lora(mim, 3), mv.tune.prompted(mim, 3, tokens=2), mv.tune.classifier(mim, 3)
    picture = mv.image("cat", 16)
    for vit in tuned:
        vit.eval()
        explorer = mv.AttentionExplorer([mim, vit], picture)
        explorer.wait()
        explorer.close()
        mv.RegisterInspector(vit, picture).close()
        comparer = mv.SaliencyComparer([tuned[2].eval(), vit], picture, methods=["Gradient", "Rollout"])
        comparer.wait()
        assert len(comparer.maps) >= 2
        comparer.close()
