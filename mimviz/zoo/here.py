"""What can be had without a network: the models that ship with mimviz, and those in the cache of the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
ENDINGS = (".safetensors", ".bin", ".pth", ".pt")


def bundled() -> list[str]:
    """Names of the models that ship with mimviz."""
    return sorted(path.stem for path in WEIGHTS.glob("*.safetensors"))


def cached() -> list[str]:
    """Ids of the models in the hub's cache that have weights: `mimviz.load_mim` and timm open them without a network."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repos = scan_cache_dir().repos
    except CacheNotFound:
        return []
    return sorted(
        repo.repo_id
        for repo in repos
        if repo.repo_type == "model"
        and any(file.file_name.endswith(ENDINGS) for revision in repo.revisions for file in revision.files)
    )


def here() -> str:
    """Both lists in words, for messages."""
    from huggingface_hub.constants import HF_HUB_CACHE

    found = cached()
    return (
        f"Bundled: {', '.join(bundled()) or 'none'}. "
        f"In the hub's cache ({HF_HUB_CACHE}): {', '.join(found[:12]) or 'none'}"
        + (f" and {len(found) - 12} more" if len(found) > 12 else "")
    )
