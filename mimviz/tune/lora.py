"""LoRA: Low-Rank Adaptation of Large Language Models. Hu, Shen, Wallis, Allen-Zhu et al. ICLR 2022. arXiv 2106.09685.

A frozen linear layer W gets an update of rank r, W + α/r · B A, of which only A and B are trained; B starts at zero, so the model
starts as it was. `peft` does it, and knows many other adapters: `adapted` takes any of its configurations. Parameters equal their
closed forms and merged models the unmerged ones (tests/tune/test_adapters.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from torch import nn

from ..grammar import MaskedModel
from ._models import heads, only_head
from .classifier import classifier


def lora(
    model: MaskedModel | nn.Module,
    classes: int,
    *,
    rank: int = 8,
    alpha: float | None = None,
    layers: Sequence[str] = ("qkv",),
    dropout: float = 0.0,
    dora: bool = False,
) -> Any:
    """A copy as a timm model with a fresh head, in which only the head and two thin matrices for every layer are to be trained.

    layers: ends of the names of linear layers, e.g. ("qkv", "proj", "fc1", "fc2"). alpha: `rank` unless told, so that the update is
    B A. dora: split W into length and direction and adapt the direction (Liu et al., DoRA, ICML 2024, arXiv 2402.09353).
    """
    peft = _peft()
    if rank < 1:
        raise ValueError(f"rank is {rank}, but at least 1 is wanted")
    config = peft.LoraConfig(
        r=rank, lora_alpha=rank if alpha is None else alpha, lora_dropout=dropout, use_dora=dora, target_modules=list(layers)
    )  # fmt: skip
    return adapted(model, classes, config)


def adapted(model: MaskedModel | nn.Module, classes: int, config: Any) -> Any:
    """The same with any configuration of peft, e.g. `peft.IA3Config(target_modules=["qkv"], feedforward_modules=[])`.

    The result is a timm ViT like any other: `Classifier` trains it, scenes and widgets read it; `merged` takes the adapters away.
    Raises ValueError where the configuration names layers that the model has not.
    """
    peft = _peft()
    vit = only_head(classifier(model, classes))
    try:
        vit = peft.inject_adapter_in_model(config, vit)
    except ValueError as err:
        said = str(err).splitlines()[0][:200]
        raise ValueError(
            f"layers {sorted(config.target_modules or ())} cannot be adapted in {type(vit).__name__}: {said}"
        ) from err
    for head in heads(vit):
        head.requires_grad_(True)
    return vit


def merged(vit: Any) -> Any:
    """A copy without adapters whose linear layers hold the updates: as fast as before, and with timm's own names of parameters."""
    _peft()
    from peft.tuners.tuners_utils import BaseTunerLayer

    vit = deepcopy(vit)
    for name, layer in [(n, m) for n, m in vit.named_modules() if isinstance(m, BaseTunerLayer)]:
        layer.merge()  # type: ignore[operator]
        owner, _, own = name.rpartition(".")
        setattr(vit.get_submodule(owner), own, layer.get_base_layer())
    vit.__dict__.pop("peft_config", None)
    return vit.requires_grad_(True)


def _peft() -> Any:
    try:
        import peft
    except ImportError as err:
        raise ImportError(
            f"adapters are made by peft, which cannot be imported ({err}): pip install 'mimviz[peft]'"
        ) from err
    return peft
