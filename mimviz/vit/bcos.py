"""B-cos layers: linear maps whose output is scaled by how well the input is aligned with each weight.

Böhle, Fritz, Schiele, B-cos networks, CVPR 2022, arXiv 2205.10268: |cos(x, w)|^(B − 1) · w · x; weights as they are, not of
length 1, and no bias, as B-cosification (Arya et al., NeurIPS 2024, arXiv 2411.00715) has it. With the scale held fixed such a
layer is linear in its input: `held` is its forward for that, which `vit.relevance` uses.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class BCos(nn.Module):
    """b: the exponent B; 1 is the linear map itself. `weight` is shared with whatever it was made of."""

    def __init__(self, weight: Tensor, *, b: float = 2.0) -> None:
        super().__init__()
        if b < 1:
            raise ValueError(f"b is {b}, but at least 1 is wanted: 1 is the plain linear map")
        self.b = float(b)
        self.weight = nn.Parameter(weight)

    def linear(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def length(self, x: Tensor) -> Tensor:
        """Of what each output sees of the input."""
        raise NotImplementedError

    def scale(self, x: Tensor, out: Tensor) -> Tensor | float:
        if self.b == 1:
            return 1.0
        cosine = out.abs() / self.length(x)
        return cosine if self.b == 2 else (cosine + 1e-6) ** (self.b - 1)

    def forward(self, x: Tensor) -> Tensor:
        out = self.linear(x)
        return out * self.scale(x, out)

    def held(self, x: Tensor) -> Tensor:
        """The same value; only the linear map has a slope."""
        out = self.linear(x)
        scale = self.scale(x.detach(), out.detach())
        return out * (scale.detach() if isinstance(scale, Tensor) else scale)

    def extra_repr(self) -> str:
        return f"{tuple(self.weight.shape)}, b={self.b:g}"


class BCosLinear(BCos):
    """(…, in) → (…, out) + shift; `shift` is the logit bias of a last layer, 0 elsewhere."""

    def __init__(self, weight: Tensor, *, b: float = 2.0, shift: float = 0.0) -> None:
        super().__init__(weight, b=b)
        self.out_features, self.in_features = weight.shape
        self.bias, self.shift = None, shift

    def linear(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight)

    def length(self, x: Tensor) -> Tensor:
        return torch.linalg.vector_norm(x, dim=-1, keepdim=True) + 1e-12

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + self.shift

    def held(self, x: Tensor) -> Tensor:
        return super().held(x) + self.shift


class BCosConv2d(BCos):
    """A convolution as `like` is one. six: the input is x and −x side by side, colours and what they lack; its weights are halved,
    so that B = 1 is the convolution itself."""

    def __init__(self, like: nn.Conv2d, *, b: float = 2.0, six: bool = False) -> None:
        weight: Tensor = like.weight.detach()
        super().__init__(torch.cat([weight, -weight], 1) / 2 if six else weight, b=b)
        if like.padding_mode != "zeros":
            raise TypeError(
                f"a convolution pads with {like.padding_mode!r}, but only zeros leave the map linear without terms of its own"
            )
        self.six, self.bias = six, None
        self.kernel_size, self.groups = like.kernel_size, like.groups
        self.out_channels, self.in_channels = like.out_channels, like.in_channels
        self._where: dict[str, Any] = {"stride": like.stride, "padding": like.padding, "dilation": like.dilation}

    def linear(self, x: Tensor) -> Tensor:
        return F.conv2d(self._seen(x), self.weight, groups=self.groups, **self._where)

    def length(self, x: Tensor) -> Tensor:
        squares = self._seen(x).square().unflatten(1, (self.groups, -1)).sum(2)  # (B, groups, H, W)
        ones = squares.new_ones(self.groups, 1, *self.kernel_size)
        sums = F.conv2d(squares, ones, groups=self.groups, **self._where) + 1e-6
        return sums.sqrt().repeat_interleave(self.out_channels // self.groups, 1)

    def _seen(self, x: Tensor) -> Tensor:
        return torch.cat([x, -x], 1) if self.six else x


class UncenteredBatchNorm2d(nn.BatchNorm2d):
    """Batch norm that divides by the deviation and subtracts nothing; no bias. Made of a plain one."""

    def __init__(self, like: nn.BatchNorm2d) -> None:
        super().__init__(like.num_features, eps=like.eps, momentum=like.momentum, affine=like.affine)
        self.load_state_dict(like.state_dict())
        self.bias = None

    def forward(self, input: Tensor) -> Tensor:
        var: Any = self.running_var
        if self.training:
            var = input.var((0, 2, 3), unbiased=False)
            with torch.no_grad():
                self.running_var.lerp_(var, 0.1 if self.momentum is None else self.momentum)  # type: ignore[union-attr]
        scale = (var + self.eps).rsqrt()
        return input * (scale if self.weight is None else scale * self.weight)[:, None, None]
