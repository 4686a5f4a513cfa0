"""Names to folders: the hub's cache without a network, and a message for each way in which the hub says no."""

from types import SimpleNamespace

import huggingface_hub
import pytest
import torch
from huggingface_hub import errors
from safetensors.torch import save_file

from mimviz.zoo import hub
from mimviz.zoo.here import bundled, cached

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of the hub with one model that has weights, one that has only its configuration, and a dataset."""
    for kind, repo, files in (
        ("models", "someone--mae", ("config.json", "model.safetensors")),
        ("models", "someone--bare", ("config.json",)),
        ("models", "timm--vit_base_patch16_224.mae", ("config.json", "model.safetensors")),
        ("datasets", "someone--pictures", ("data.bin",)),
    ):
        folder = tmp_path / f"{kind}--{repo}"
        snapshot = folder / "snapshots" / COMMIT
        snapshot.mkdir(parents=True)
        (folder / "refs").mkdir()
        (folder / "refs" / "main").write_text(COMMIT)
        for name in files:
            if name.endswith("safetensors"):
                save_file({"a": torch.zeros(1)}, snapshot / name)
            else:
                (snapshot / name).write_text("{}")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.utils._cache_manager.HF_HUB_CACHE", str(tmp_path), raising=False)
    return tmp_path


def test_what_is_cached_is_found_without_a_network(cache):
    folder = hub.fetch("someone/mae")
    assert folder == cache / "models--someone--mae" / "snapshots" / COMMIT
    assert (folder / "model.safetensors").is_file()
    assert hub.fetch("someone/mae", revision=COMMIT) == folder


def test_the_lists(cache):
    assert cached() == ["someone/mae", "timm/vit_base_patch16_224.mae"]
    assert "tiny" in bundled()


def test_no_cache_at_all(cache, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache / "none"))
    monkeypatch.setattr("huggingface_hub.utils._cache_manager.HF_HUB_CACHE", str(cache / "none"), raising=False)
    assert cached() == []


def test_what_is_not_cached_is_refused_with_what_is_here(cache):
    with pytest.raises(FileNotFoundError, match=r"HF_HUB_OFFLINE .* Bundled: tiny.*someone/mae"):
        hub.fetch("someone/else")
    with pytest.raises(FileNotFoundError, match=r"someone/bare has no weights.*config\.json"):
        hub.fetch("someone/bare")


class ConnectError(Exception):
    """As the HTTP library of the hub names it; which library that is has changed."""


def http(kind):
    return kind("said so", response=SimpleNamespace(headers={}, request=None))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (errors.OfflineModeIsEnabled("off"), "HF_HUB_OFFLINE forbids"),
        (errors.LocalEntryNotFoundError("Got: ConnectError"), r"the hub cannot be reached \(is there a network"),
        (ConnectionError("no route"), "the hub cannot be reached"),
        (ConnectError("no route"), "the hub cannot be reached"),
        (http(errors.RepositoryNotFoundError), "the hub has no model 'a/b' that is public"),
        (http(errors.GatedRepoError), r"gated: accept its terms on https://huggingface\.co/a/b"),
        (http(errors.RevisionNotFoundError), "a/b has no revision 'v9'"),
        (errors.HFValidationError("bad name"), "no name that a model can have: bad name"),
        (OSError(28, "No space left on device"), r"could not be fetched.*OSError.*No space left"),
        (http(errors.HfHubHTTPError), r"could not be fetched.*HfHubHTTPError: said so"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_the_hub_says_reaches_the_reader(cache, monkeypatch, error, message):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fails)
    with pytest.raises(FileNotFoundError, match=message) as caught:
        hub.fetch("a/b", revision="v9")
    assert caught.value.__cause__ is error and "someone/mae" in str(caught.value)


@pytest.mark.parametrize("files", [["config.json"], ["config.json", "model.safetensors"]])
def test_what_is_only_partly_cached(cache, monkeypatch, files):
    """No network, and the hub's own list says that something of what was asked for is missing."""

    def fails(*_, **__):
        raise errors.IncompleteSnapshotError("1 file is missing", snapshot_path=str(cache / "partly"))

    (cache / "partly").mkdir()
    for name in files:
        (cache / "partly" / name).write_text("{}")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fails)
    if len(files) == 2:
        assert hub.fetch("a/b") == cache / "partly"
    else:
        with pytest.raises(FileNotFoundError, match="only partly in the cache, and the hub cannot be reached"):
            hub.fetch("a/b")


def test_safe_files_are_asked_for_first(tmp_path, monkeypatch):
    asked = []

    def repository(*there):
        def snapshot_download(repo, *, revision, allow_patterns, ignore_patterns):
            asked.append(allow_patterns)
            for name in huggingface_hub.utils.filter_repo_objects(
                there, allow_patterns=allow_patterns, ignore_patterns=ignore_patterns
            ):
                (tmp_path / name).write_text("x")
            return str(tmp_path)

        return snapshot_download

    everything = ("config.json", "model.safetensors", "other.safetensors", "pytorch_model.bin", "sub/model.safetensors")
    for there, wanted in (
        (everything, {"config.json", "model.safetensors"}),
        (everything[2:], {"other.safetensors"}),
        (everything[3:], {"pytorch_model.bin"}),
        (("mae_visualize_vit_base.pth", "README.md"), {"mae_visualize_vit_base.pth"}),
    ):
        for old in tmp_path.iterdir():
            old.unlink()
        monkeypatch.setattr(huggingface_hub, "snapshot_download", repository(*there))
        hub.fetch("a/b")
        assert {path.name for path in tmp_path.iterdir()} == wanted
    assert not any(".bin" in pattern for pattern in asked[0])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("facebook/vit-mae-base", ("facebook/vit-mae-base", None)),
        ("hf-hub:org/model", ("org/model", None)),
        ("hf_hub:org/model@v1.0", ("org/model", "v1.0")),
        ("vit_base_patch16_224.mae", ("timm/vit_base_patch16_224.mae", None)),
        ("vit_nonsense", None),
        ("runs/model.safetensors", None),
        ("./runs/mine", None),
        ("a/b/c", None),
        ("~/x", None),
    ],
)
def test_names(name, expected):
    assert hub.repository(name) == expected
