"""Names to folders on this machine: the Hugging Face hub, with its own cache, progress bars and resumed downloads."""

from __future__ import annotations

import re
from pathlib import Path

from .here import ENDINGS, here

ID = re.compile(r"(?:hf[-_]hub:|hf://)?(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")
PREFIX = re.compile(r"(hf[-_]hub:|hf://)")
CONFIG = ("config.json", "preprocessor_config.json")
# Safe files first; a pickle is asked for only where a repository has nothing else. Files in subfolders are other models.
STAGES = (
    ("model.safetensors", "model.safetensors.index.json", "model-*-of-*.safetensors"),
    ("*.safetensors",),
    ("pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model-*-of-*.bin"),
    ("*.bin", "*.pth", "*.pt"),
)


def repository(name: str) -> tuple[str, str | None] | None:
    """(repository, revision or None) of a hub id ("facebook/vit-mae-base", "hf-hub:org/model@v1") or of a timm name; else None."""
    if (match := ID.fullmatch(name)) and not name.startswith((".", "~")) and not name.endswith(ENDINGS):
        return match["repo"], match["revision"]
    if "/" in name:
        return None
    import timm

    config = timm.get_pretrained_cfg(name, allow_unregistered=False) if timm.is_model(name) else None
    return (config.hf_hub_id, None) if config is not None and config.hf_hub_id else None


def fetch(repo: str, *, revision: str | None = None) -> Path:
    """The folder with the configuration and the weights of a repository on the hub; what is cached is not downloaded again.

    Raises FileNotFoundError with the list of what is here: no network and not cached, no such repository, or one without weights.
    """
    for patterns in STAGES:
        folder = _snapshot(repo, revision, [*CONFIG, *patterns])
        if any(path.name.endswith(ENDINGS) for path in folder.iterdir()):
            return folder
    names = ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing"
    raise FileNotFoundError(f"{repo} has no weights that torch reads (on this machine: {names}). {here()}")


def _snapshot(repo: str, revision: str | None, patterns: list[str]) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repo, revision=revision, allow_patterns=patterns, ignore_patterns=["*/*"]))
    except Exception as err:  # the hub's own errors, and those of whichever HTTP library it was built on
        partly = Path(getattr(err, "snapshot_path", None) or "nowhere")
        if partly.is_dir() and any(path.name.endswith(ENDINGS) for path in partly.iterdir()):
            return partly  # no network, and another program fetched the weights without, say, preprocessor_config.json
        raise FileNotFoundError(f"{_cause(err, repo, revision)}. {here()}") from err


def _cause(err: Exception, repo: str, revision: str | None) -> str:
    from huggingface_hub import errors

    if isinstance(err, errors.GatedRepoError):
        return f"{repo} is gated: accept its terms on https://huggingface.co/{repo}, then `hf auth login`"
    if isinstance(err, errors.RepositoryNotFoundError):
        return f"the hub has no model {repo!r} that is public (for a private one: `hf auth login`)"
    if isinstance(err, errors.RevisionNotFoundError):
        return f"{repo} has no revision {revision!r}"
    if isinstance(err, errors.HFValidationError):
        return f"{repo!r} is no name that a model can have: {err}"
    if isinstance(err, getattr(errors, "IncompleteSnapshotError", ())):
        return f"{repo} is only partly in the cache, and the hub cannot be reached to fetch the rest"
    offline: BaseException | None = err
    while offline is not None and not isinstance(offline, errors.OfflineModeIsEnabled):
        offline = offline.__cause__
    if offline is not None:
        return f"{repo} is not in the cache, and HF_HUB_OFFLINE forbids to fetch it"
    if isinstance(err, (errors.LocalEntryNotFoundError, ConnectionError)) or "Connect" in type(err).__name__:
        return f"{repo} is not in the cache, and the hub cannot be reached (is there a network?)"
    return f"{repo} could not be fetched from the hub ({type(err).__name__}: {str(err).splitlines()[0] if str(err) else ''})"
