import socket

import pytest

import mimviz as mv
from mimviz.data import credits, sample


def test_every_bundled_picture_opens_without_a_network(monkeypatch):
    def refuse(*args):
        raise AssertionError("no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert len(mv.images()) >= 10
    assert mv.images()[0] == "astronaut"
    for name in mv.images():
        picture = mv.image(name, 32)
        assert picture.array.shape == (32, 32, 3)
        assert picture.array.std() > 0.02


def test_every_bundled_picture_is_credited():
    assert list(credits()) == mv.images()
    for credit in credits().values():
        assert "scikit-image" in credit
        assert any(word in credit for word in ("CC0", "public domain", "no known copyright"))


def test_an_incomplete_scikit_image_is_said(monkeypatch):
    monkeypatch.setattr(sample, "find_spec", lambda name: None)
    assert mv.images() == []
    with pytest.raises(FileNotFoundError, match=r"'cat' should be at .*reinstall"):
        mv.image("cat")
