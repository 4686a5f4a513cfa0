"""Fine-tuning Image Transformers using Learnable Memory. Sandler, Zhmoginov, Vladymyrov, Jackson. CVPR 2022. arXiv 2203.15243.

Every layer gets a few learned tokens to look at, dropped behind it; with a class token and a head of their own they teach a frozen
ViT a new task. An attention mask hides them from all old tokens, so the old task's logits stay what they were, and any number of
tasks share one pass (section 3.3, figure 4). Equal to tokens written out one by one (tests/tune/test_memory.py).
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ..grammar import MaskedModel
from ..vit import anatomy
from ._models import vit_of
from .classifier import Prediction


class Memory(nn.Module):
    """`Memory(vit, 10)` for `fit`; afterwards `model(images)` are the new logits, `model.all(images)` the old and every task's.

    classes: of the new task; several tasks, taught apart, are joined with `beside`. tokens: memory of each layer (5 in most of the
    paper's tables; 0 leaves the class token and the head). masked: old tokens see neither memory nor the new class token. Without
    it there is no new class token: all tokens see the memory, and the head reads what it ever read (section 3.1).
    """

    wants_labels = True

    def __init__(
        self,
        model: MaskedModel | nn.Module,
        classes: int,
        *,
        tokens: int = 5,
        masked: bool = True,
        smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        self.vit: Any = vit_of(model).requires_grad_(False)
        if (family := anatomy(self.vit).family) != "VisionTransformer" or self.vit.attn_pool is not None:
            raise TypeError(f"{family} cannot be given memory: a plain ViT of timm (VisionTransformer) is wanted")
        if masked and self.vit.cls_token is None:
            raise TypeError("this ViT has no class token whose copy could learn the new task: masked=False")
        if tokens < 0 or classes < 2:
            raise ValueError(f"tokens={tokens} and classes={classes}, but at least 0 tokens and 2 classes are wanted")
        self.masked, self.smoothing = masked, smoothing
        self.tasks = nn.ModuleList([_Task(self.vit, classes, tokens, masked)])

    def forward(self, images: Float[Tensor, "B 3 H W"], labels: Int[Tensor, " B"] | None = None) -> Prediction | Tensor:
        """The first task's logits (B, classes), or, with labels (B,), a Prediction that `fit` learns from."""
        logits = self.all(images)[1]
        return logits if labels is None else Prediction(logits, labels, self.smoothing)

    def all(self, images: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        """Logits of the old task, if the model has a head, then of every new one, in one pass."""
        vit, tasks = self.vit, self._tasks
        x = vit.norm_pre(vit._pos_embed(vit.patch_embed(images)))  # (B, prefix + N, width)
        old = x.shape[1]
        if self.masked:
            x = torch.cat([x, *(task.token.expand(len(x), -1, -1) for task in tasks)], 1)
        kept = x.shape[1]
        mask = self._mask(old, x.device)
        for index, block in enumerate(vit.blocks):
            memory = [task.memory[index].expand(len(x), -1, -1) for task in tasks]
            x = block(torch.cat([x, *memory], 1), attn_mask=mask)[:, :kept]
        x = vit.norm(x)
        heads_read = [
            vit.fc_norm(x[:, old + i]) if self.masked else vit.forward_head(x, pre_logits=True)
            for i in range(len(tasks))
        ]
        return [vit.forward_head(x[:, :old]), *(task.head(each) for task, each in zip(tasks, heads_read, strict=True))]

    @property
    def _tasks(self) -> list[Any]:
        return list(self.tasks)

    def beside(self, other: Memory) -> Memory:
        """This with the tasks of another memory of the same ViT behind its own: figure 4 of the paper."""
        if other.vit is not self.vit or not (self.masked and other.masked):
            raise ValueError(
                "tasks stand beside each other only over one and the same ViT, each masked from the others"
            )
        joined = Memory(self.vit, 2, tokens=0, smoothing=self.smoothing)
        joined.tasks = nn.ModuleList([*self.tasks, *other.tasks])
        return joined

    def _mask(self, old: int, device: torch.device) -> Tensor | None:
        """(M, M), True = attend: old tokens see old ones; a new class token sees these, itself and its own memory."""
        if not self.masked:
            return None
        owner = [-1] * old + list(range(len(self.tasks)))
        for i, task in enumerate(self._tasks):
            owner += [i] * task.memory.shape[2]
        whose = torch.tensor(owner, device=device)
        return (whose[None, :] == -1) | (whose[:, None] == whose[None, :])


class _Task(nn.Module):
    """Memory (depth, 1, tokens, width), a class token and a head: all that is learnt."""

    def __init__(self, vit: Any, classes: int, tokens: int, masked: bool) -> None:
        super().__init__()
        device, width = vit.pos_embed.device, vit.embed_dim
        self.memory = nn.Parameter(torch.randn(len(vit.blocks), 1, tokens, width, device=device) * 0.02)
        self.head = nn.Linear(width, classes, device=device)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        if masked:  # a copy of the old one, with its position
            place = 0 if vit.no_embed_class else vit.pos_embed[:, :1]
            self.token = nn.Parameter(vit.norm_pre(vit.cls_token + place).detach().clone())
