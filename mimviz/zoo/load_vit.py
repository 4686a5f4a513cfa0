"""Names and files to timm models."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import timm
import torch
from torch import Tensor, nn

from ..vit import anatomy
from ..vit.create import check_name, create
from . import hub
from .formats import encoder, recognise
from .here import ENDINGS, WEIGHTS, bundled, here
from .own import CONFIG, HEADER, _harmless, holds_vit, read_own, read_vit
from .safe import Weights, read

DESCRIBED = (*CONFIG, "num_classes", "classifier", "first_conv", "pool_size", "fixed_input_size", "label_names")


def load_vit(
    name_or_path: str | os.PathLike,
    *,
    architecture: str | None = None,
    pretrained: bool = True,
    device: str | None = None,
    **keywords: Any,
) -> Any:
    """A timm model in eval mode whose `pretrained_cfg` is the data config of its weights: what `Scene` and `Encoder` take.

    name_or_path: a bundled name ("tiny-classifier"), any name of timm ("vit_base_patch16_224.mae"), a model of timm's on the
    Hugging Face hub ("timm/vit_base_patch16_224.mae", "hf-hub:org/model@revision"), a file, or a folder with its config.json.
    Of a masked model, and of a ViT of transformers, it is the encoder (with its head, if any) as a timm model. architecture:
    timm's name for a file that does not say whose weights it holds. `pretrained=False` draws random weights. keywords: timm's
    own, such as `img_size`, `dynamic_img_size` or `num_classes` (a new head, or 0 for none).

    Raises FileNotFoundError with the list of what is here: no such name, or no network; TypeError for a family that mimviz
    cannot read, with the reason; ValueError for a file that is damaged, would run code or does not fit its architecture.
    """
    name = os.fspath(name_or_path)
    if name in bundled() or _is_path(name):
        path = WEIGHTS / f"{name}.safetensors" if name in bundled() else Path(name)
        model: Any = _from_path(path, architecture, pretrained, keywords)
    elif architecture is not None:
        raise ValueError(
            f"architecture is {architecture!r}, but {name!r} is no file here: it goes with a file of weights"
        )
    elif timm.is_model(name):
        model = _from_timm(name, pretrained, keywords)
    elif (there := hub.repository(name)) is not None:
        model = _from_hub(name, *there, pretrained, keywords)
    else:
        known = [*bundled(), *timm.list_models(pretrained=True), *timm.list_models()]
        close = get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f"did you mean one of {', '.join(close)}? " if close else ""
        raise FileNotFoundError(f"{name!r} is no bundled model, no file and no name of timm; {hint}{here()}")
    anatomy(model)
    model.eval()
    model.name = getattr(model, "name", Path(name).stem if _is_path(name) else name)
    return model.to(device) if device else model


def _is_path(name: str) -> bool:
    """A name of timm is that name, also where a folder is called so."""
    return name.endswith(ENDINGS) or (Path(name).expanduser().exists() and not timm.is_model(name))


def _from_path(path: Path, architecture: str | None, pretrained: bool, keywords: dict[str, Any]) -> nn.Module:
    if not pretrained:
        raise ValueError(
            f"pretrained is False, but {path.name} is opened for its weights: name a model of timm instead"
        )
    weights = read(path)
    if HEADER in weights.header:
        if odd := [*(["architecture"] if architecture else []), *keywords]:
            raise ValueError(f"{weights.file.name} says itself how its model is built: {odd[0]} cannot be chosen")
        return _own(weights.file)
    if architecture is None:
        return _described(weights, keywords)
    _check(architecture, keywords)
    return _filled(architecture, weights, {}, keywords, heads=_heads(architecture, weights.tensors))


def _own(file: Path) -> nn.Module:
    """mimviz's own classifier, or the encoder of its masked model, with the name and the card of the file."""
    if holds_vit(file):
        return read_vit(file)
    mim: Any = read_own(file)
    vit = mim.encoder.vit
    vit.name, vit.card = mim.name, mim.card
    return vit


def _from_timm(name: str, pretrained: bool, keywords: dict[str, Any]) -> nn.Module:
    check_name(name)
    if not pretrained:
        return create(name, **keywords)
    config = timm.get_pretrained_cfg(name, allow_unregistered=False)
    if config is None or not (config.hf_hub_id or config.url):
        tags = timm.list_models(f"{name.partition('.')[0]}.*", pretrained=True)
        offered = f"there are {', '.join(tags)}" if tags else "pretrained=False draws random ones"
        raise FileNotFoundError(f"timm has no weights {name!r}; {offered}")
    _check(name, keywords)  # before gigabytes are fetched for nothing
    weights = read(hub.fetch(config.hf_hub_id)) if config.hf_hub_id else _downloaded(str(config.url))
    return _filled(name, weights, {}, keywords, heads=[config.num_classes])


def _from_hub(name: str, repo: str, revision: str | None, pretrained: bool, keywords: dict[str, Any]) -> nn.Module:
    try:
        weights = read(hub.fetch(repo, revision=revision))
    except FileNotFoundError as err:
        close = get_close_matches(repo.rpartition("/")[2], timm.list_models(pretrained=True), n=2, cutoff=0.6)
        hint = f". Names of timm that are near: {', '.join(close)}" if close else ""
        said = str(err) if ":" in name else f"{name!r} is no file or folder here, and {err}"
        raise FileNotFoundError(said + hint) from err
    return _described(weights, keywords, pretrained=pretrained)


def _described(weights: Weights, keywords: dict[str, Any], *, pretrained: bool = True) -> nn.Module:
    """A model whose config.json says, in timm's way, how it is built; else the encoder of a layout that mimviz knows."""
    config = weights.config
    if not isinstance(name := config.get("architecture"), str):
        if not pretrained:
            raise ValueError(
                f"pretrained is False, but {weights.file.parent.name} says in no way of timm's how it is built"
            )
        return _recognised(weights, keywords)
    described = {**(config.get("pretrained_cfg") or {}), **config}  # what stands outside comes first
    own = {key: described[key] for key in DESCRIBED if described.get(key) is not None}
    built = {**_harmless(config.get("model_args") or {}, weights.file), **keywords}
    _check(name, built)
    if not pretrained:
        return create(name, **built)
    heads = [own["num_classes"]] if "num_classes" in own else _heads(name, weights.tensors)
    return _filled(name, weights, own, built, heads=heads)


def _recognised(weights: Weights, keywords: dict[str, Any]) -> Any:
    """The encoder of a checkpoint of Hugging Face, SimMIM, BEiT …, whose layout says everything that timm has to know."""
    reading = recognise(weights)
    if reading.vit is None or reading.found.format.endswith("in timm's names"):
        raise ValueError(
            f"{weights.file} holds {len(weights.tensors)} tensors, but nothing says to which model of timm they belong, nor how "
            "its pictures are normalized: name it, e.g. load_vit(path, architecture='vit_base_patch16_224')"
        )
    if odd := [key for key in keywords if key != "num_classes"]:
        raise ValueError(f"{weights.file} says itself how its model is built: {odd[0]} cannot be chosen")
    vit: Any = encoder(reading)
    if keywords.get("num_classes", vit.num_classes) != vit.num_classes:
        vit.reset_classifier(keywords["num_classes"])
    return vit


def _check(name: str, keywords: dict[str, Any]) -> None:
    """Builds the model without weights or memory, to hear what mimviz has against it."""
    with torch.device("meta"):
        anatomy(create(name, **keywords))


def _filled(
    name: str, weights: Weights, described: dict[str, Any], keywords: dict[str, Any], *, heads: list[int]
) -> nn.Module:
    """Every tensor in its place, renamed and resized as timm does it. A head of another size than that of the weights comes
    after.

    heads: numbers of classes that the weights may have, the likeliest first. ValueError where none of them fits.
    """
    own, failed = {key: value for key, value in keywords.items() if key != "num_classes"}, None
    for classes in heads:
        overlay = {
            **described,
            "num_classes": classes,
            "state_dict": dict(weights.tensors),
            "source": "",
            "custom_load": False,
        }
        try:
            model: Any = create(name, pretrained=True, pretrained_cfg_overlay=overlay, num_classes=classes, **own)
            break
        except (RuntimeError, KeyError) as err:
            failed = failed or err
    else:
        said = " ".join(line.strip() for line in str(failed).splitlines()[1:3]) or str(failed)
        raise ValueError(f"{weights.file} does not fit {name}: {said[:300]}") from failed
    model.pretrained_cfg = {key: value for key, value in model.pretrained_cfg.items() if key != "state_dict"}
    model.default_cfg = model.pretrained_cfg
    wanted = keywords.get("num_classes", classes)
    if wanted != classes:
        model.reset_classifier(wanted)
    elif described.get("label_names") and len(described["label_names"]) == classes:
        model.classes = list(described["label_names"])
    return model


def _heads(name: str, tensors: dict[str, Tensor]) -> list[int]:
    """How many classes a file may have: as its head says; else none, or as many as what timm has under that name."""
    config: Any = timm.get_pretrained_cfg(name)
    heads = [config.classifier] if isinstance(config.classifier, str) else list(config.classifier or ())
    rows = [len(tensors[f"{head}.weight"]) for head in heads if f"{head}.weight" in tensors]
    return rows[:1] or [0, config.num_classes]


def _downloaded(url: str) -> Weights:
    """The few weights of timm that are on no hub, in torch's own cache; timm unwraps what is in them."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path))
        except OSError as err:
            raise FileNotFoundError(f"{url} cannot be fetched ({err}): is there a network? {here()}") from err
    try:
        return Weights(path, torch.load(path, map_location="cpu", weights_only=True))
    except UnpicklingError as err:
        raise ValueError(f"{path} would run code when opened, and only tensors and plain values are read") from err
