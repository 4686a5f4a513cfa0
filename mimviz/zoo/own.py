"""mimviz's own file: weights in safetensors, in the header the sentence that builds the model. No code is read from a file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from .. import recipes
from ..grammar import MaskedModel
from ..train.checkpoint import publish
from ..vit import encoder

HEADER = "mimviz"


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
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    tensors = {k: v.detach().contiguous().cpu() for k, v in model.state_dict().items()}
    save_file(tensors, part, metadata={HEADER: json.dumps({**asdict(sentence), "card": card})})
    publish(part, path)


def read_own(path: Path) -> MaskedModel:
    """The model of a mimviz file, in eval mode; raises ValueError where the file is something else or damaged."""
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
    model, card = _built(header, path)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as err:
        raise ValueError(f"{path} does not fit the model that it names: {str(err).splitlines()[-1].strip()}") from err
    model.name, model.card = str(card.get("name", path.stem)), card  # type: ignore[assignment]
    return model.eval()


def _built(header: Any, path: Path) -> tuple[MaskedModel, dict]:
    """The untrained model and the card of a file's header; whatever is odd about it is a ValueError."""
    try:
        card = header.pop("card", {})
        card.get("name")
        return Sentence(**header).build(), card
    except (TypeError, AttributeError) as err:
        raise ValueError(
            f"{path} names its model in a way that this version does not know ({err}): update mimviz?"
        ) from err
