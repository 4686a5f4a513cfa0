import json

import pytest
import torch

from mimviz.tune import logits_of, read_classes, top


def test_top_k_by_hand():
    logits = torch.tensor([[3.0, 2.0, 1.0], [1.0, 3.0, 2.0], [2.0, 1.0, 3.0], [1.0, 2.0, 3.0]])
    labels = torch.tensor([0, 2, 1, 2])
    assert top(logits, labels, (1, 2, 5)) == [0.5, 0.75, 1.0]


def test_pictures_are_normalized_and_batches_change_nothing():
    images = torch.randint(0, 256, (7, 3, 4, 4), dtype=torch.uint8)
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.25, 0.5)
    ours = logits_of(lambda x: x.flatten(1), images, mean=mean, std=std, batch=3).reshape(7, 3, 4, 4)
    for channel in range(3):
        expected = (images[:, channel] / 255 - mean[channel]) / std[channel]
        torch.testing.assert_close(ours[:, channel], expected)


def test_names_are_short_and_unique(tmp_path):
    rows = ["goldfish, Carassius auratus", "crane, bird", "crane, machine", "tick"]
    file = tmp_path / "classes.json"
    file.write_text(json.dumps(rows))
    assert read_classes(file) == ["goldfish", "bird", "machine", "tick"]
    numbered = [{"label": label, "name": name} for label, name in enumerate(rows)]
    file.write_text(json.dumps(numbered[::-1]))
    assert read_classes(file) == ["goldfish", "bird", "machine", "tick"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello", "no class names"),
        ("[]", "no list of names"),
        ("[1, 2]", "no list of names"),
        ('{"a": 1}', "no list of names"),
        ('[{"name": "a"}]', "label"),
        ('[{"label": 1, "name": "a"}, {"label": 2, "name": "b"}]', "do not count from 0"),
        ('["a", "a"]', "names two classes 'a'"),
    ],
)
def test_files_without_class_names_are_refused(tmp_path, text, message):
    (tmp_path / "classes.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_classes(tmp_path / "classes.json")
