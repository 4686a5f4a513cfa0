"""mimviz's own files: weights in safetensors, in the header what builds the model. No code is read from a file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import timm
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from .. import recipes
from ..grammar import MaskedModel
from ..train.checkpoint import publish
from ..vit import encoder

HEADER = "mimviz"
CONFIG = ("mean", "std", "input_size", "interpolation", "crop_pct", "crop_mode")  # of timm's pretrained_cfg


@dataclass(frozen=True)
class Sentence:
    """Which recipe over which encoder: all that is needed to build an untrained model.

    `Sentence("mae", "vit_tiny_patch16_224", {"img_size": 64, "patch_size": 8}, {"normalize": False}).build()`
    """

    recipe: str
    encoder: str
    encoder_options: dict[str, Any] = field(default_factory=dict)
    recipe_options: dict[str, Any] = field(default_factory=dict)

    def build(self) -> MaskedModel:
        """The model with fresh weights; raises ValueError for a recipe or an encoder that there is not."""
        if self.recipe not in recipes.__all__:
            raise ValueError(f"there is no recipe {self.recipe!r}; there are {', '.join(recipes.__all__)}")
        return getattr(recipes, self.recipe)(encoder(self.encoder, **self.encoder_options), **self.recipe_options)


def save_mim(path: str | Path, model: MaskedModel, sentence: Sentence, **card) -> None:
    """Writes the model whole or not at all; `card` (JSON-able: data, command, seed, scores …) travels in the header."""
    _write(Path(path), model, {**asdict(sentence), "card": card})


def read_own(path: Path) -> MaskedModel:
    """The masked model of a mimviz file, in eval mode; raises ValueError where the file is something else or damaged."""
    tensors, header = _read(path)
    if isinstance(header, dict) and "vit" in header:
        raise ValueError(f"{path} holds a classifier without a decoder: open it with mimviz.load_vit")
    model, card, sentence = _built(header, path)
    _fill(model, tensors, path)
    model.name, model.card = str(card.get("name", path.stem)), card  # type: ignore[assignment]
    model.sentence = sentence  # type: ignore[assignment]
    return model.eval()


def save_vit(
    path: str | Path, vit: nn.Module, name: str, options: dict[str, Any], *, classes: list[str], card: dict[str, Any]
) -> None:
    """Writes a timm model whole or not at all, so that `read_vit` opens it with its classes and its own normalization.

    name, options: what `timm.create_model` builds it with, `num_classes` among the options. `card` (JSON-able) travels along.
    """
    want = getattr(vit, "num_classes", None)
    if len(classes) != want or len(set(classes)) != want:
        raise ValueError(f"{len(set(classes))} different class names are given, but the model has {want} classes")
    config = {key: value for key, value in vit.pretrained_cfg.items() if key in CONFIG}  # type: ignore[union-attr]
    _write(Path(path), vit, {"vit": name, "options": options, "config": config, "classes": classes, "card": card})


def read_vit(path: str | Path) -> Any:
    """The timm model of a file that `save_vit` has written, in eval mode, with `.classes` (names), `.name`, `.card`.

    `.built` are the name and the keywords with which timm builds it; its `pretrained_cfg` holds its own mean, std, input_size and
    interpolation. Raises ValueError where the file is something else or damaged.
    """
    path = Path(path)
    tensors, header = _read(path)
    if isinstance(header, dict) and "recipe" in header:
        raise ValueError(f"{path} holds a masked model: open it with mimviz.load_mim")
    try:
        card, classes, config = header["card"], [str(each) for each in header["classes"]], header["config"]
        name, options = str(header["vit"]), _harmless(header["options"], path)
        if not timm.is_model(name):
            raise ValueError(f"{path} holds a {name!r}, which this version of timm does not know: update timm?")
        model: Any = timm.create_model(name, **options)
        model.name, model.card, model.classes = str(card.get("name", path.stem)), card, classes
        model.built = name, options
        model.pretrained_cfg = {**model.pretrained_cfg, **{key: config[key] for key in CONFIG if key in config}}
    except (TypeError, AttributeError, KeyError, RuntimeError) as err:
        raise ValueError(
            f"{path} names its model in a way that this version does not know ({err}): update mimviz?"
        ) from err
    if len(classes) != model.num_classes:
        raise ValueError(f"{path} names {len(classes)} classes, but its model has {model.num_classes}")
    _fill(model, tensors, path)
    return model.eval()


def holds_vit(path: str | Path) -> bool:
    """Whether this is a file of a classifier that `save_vit` has written; False for names and for all other files."""
    try:
        with safe_open(str(path), framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(HEADER, "null"))
    except (SafetensorError, OSError, ValueError):
        return False
    return isinstance(header, dict) and "vit" in header


def _write(path: Path, model: nn.Module, header: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    tensors = {k: v.detach().contiguous().cpu() for k, v in model.state_dict().items()}
    save_file(tensors, part, metadata={HEADER: json.dumps(header)})
    publish(part, path)


def _read(path: Path) -> tuple[dict, Any]:
    """The tensors and the header of a mimviz file."""
    try:
        with safe_open(str(path), framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(HEADER, "null"))
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as err:
        cause = (
            "was the copy or the download cut off?"
            if path.suffix == ".safetensors"
            else "this version opens safetensors only"
        )
        raise ValueError(f"{path} is no readable safetensors file ({err}): {cause}") from err
    if header is None:
        beside = path.with_name("model.safetensors")
        hint = (
            f"open {beside} beside it"
            if beside.is_file() and beside != path
            else "it opens what mimviz train has written"
        )
        raise ValueError(f"{path} holds {len(tensors)} tensors but does not say which model they belong to: {hint}")
    return tensors, header


def _fill(model: nn.Module, tensors: dict, path: Path) -> None:
    try:
        model.load_state_dict(tensors)
    except RuntimeError as err:
        raise ValueError(f"{path} does not fit the model that it names: {str(err).splitlines()[-1].strip()}") from err


def _harmless(options: Any, path: Path) -> dict[str, Any]:
    """timm's keywords out of a file's header, without those that would make timm open or download something else."""
    if odd := sorted({"checkpoint_path", "pretrained_cfg", "pretrained_cfg_overlay", "cache_dir"} & set(options)):
        raise ValueError(f"{path} asks timm for {odd[0]}, which could open any file: nothing was loaded")
    return {key: value for key, value in options.items() if key != "pretrained"}  # the weights are in this file


def _built(header: Any, path: Path) -> tuple[MaskedModel, dict, Sentence]:
    """The untrained model and the card of a file's header; whatever is odd about it is a ValueError."""
    try:
        card = header.pop("card", {})
        card.get("name")
        sentence = Sentence(**header)
        sentence = replace(sentence, encoder_options=_harmless(sentence.encoder_options, path))
        return sentence.build(), card, sentence
    except (TypeError, AttributeError) as err:
        raise ValueError(
            f"{path} names its model in a way that this version does not know ({err}): update mimviz?"
        ) from err
