"""What a masked model made of a picture, as panels: pictures and maps that a browser draws as they come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ..core import Grid, Heatmap, Mask, Outcome, Picture, seeded
from ..grammar.draw import drawn
from ..grammar.where import Attentive
from .reconstruction import encoded

SPREADS = 3
NEAR = 1e-2  # of the picture's own spread: how well pixels must come back from the rows of `embed`


@dataclass(frozen=True)
class Panel:
    """One picture or map. `data` is RGB bytes, JPEG or PNG of a picture, float32 of a map (NaN = no value there).

    `blank` (0 or 1 per patch) says where there is nothing to see; `crop` are rows and columns of `blank`.
    figure: "" a picture or a map; "numbers" whole numbers of patches, coloured one by one, `names` where they have any; "matrix"
    rows × cols that are no places of the picture, `names` of its columns; "spectrum" frequencies, 0 in the middle; "bars" two rows
    of shares; "jigsaw" a picture whose patches move: `moves` [patch, where it lies, where the model puts it].
    """

    key: str
    caption: str
    meaning: str
    data: bytes
    height: int
    width: int
    rows: int
    cols: int
    map: bool = False
    unit: str = ""
    signed: bool = False
    blank: bytes = b""
    hatched: bool = False
    say: str = ""
    figure: Literal["", "numbers", "matrix", "spectrum", "bars", "jigsaw"] = ""
    names: tuple[str, ...] = ()
    moves: tuple[tuple[int, int, int], ...] = ()


def panels(model: Any, images: Tensor, outcome: Outcome, *, exact: bool, seed: int = 0) -> Iterator[Panel]:
    """seen, guess and loss; where `exact` also the score and the target, which change less often."""
    if exact:
        yield from score_panel(model, images, seed)
        yield from target_panel(model, outcome)
    yield from seen_panel(model, images, outcome, exact=exact)
    yield guess_panel(model, outcome, exact=exact)
    yield loss_panel(outcome)


# --- pictures and maps as panels ---


def picture_panel(
    key: str, caption: str, meaning: str, array: np.ndarray, grid: tuple[int, int], *, exact: bool = True, **more: Any
) -> Panel:
    """array: (H, W, 3) in 0..1."""
    picture = Picture(np.clip(np.nan_to_num(array.astype(np.float32)), 0, 1))
    return Panel(key, caption, meaning, encoded(picture, exact=exact), picture.height, picture.width, *grid, **more)


def map_panel(key: str, caption: str, meaning: str, values: Tensor | np.ndarray, unit: str, **more: Any) -> Panel:
    """values: (rows, cols), NaN where there is none."""
    array = np.asarray(values.detach().float().cpu() if isinstance(values, Tensor) else values, dtype="<f4")
    rows, cols = array.shape
    return Panel(key, caption, meaning, array.tobytes(), rows, cols, rows, cols, map=True, unit=unit, **more)


def ranked_panel(heat: Heatmap) -> Panel:
    """What the mask on display was drawn by."""
    meaning = "what the strategy ranks the patches by; the highest are hidden first"
    return map_panel("ranked", "ranked by", meaning, heat.values[0], "score", signed=heat.signed, say=f"{heat.by!r}")


def score_panel(model: Any, images: Tensor, seed: int) -> Iterator[Panel]:
    """What the sentence's own `where` ranks the patches by, where it is such a word."""
    score: Any = getattr(getattr(model, "where", None), "score", None)
    if score is None:
        return
    heat: Heatmap = score(images, model.grid, seeded(seed))
    say = f"{heat.by!r}"
    first = "are seen more often" if isinstance(model.where, Attentive) else "are hidden first"
    meaning = f"what the sentence's own where-word ranks the patches by; the highest {first}"
    yield map_panel("score", "score", meaning, heat.values[0], "score", signed=heat.signed, say=say)


def target_panel(model: Any, outcome: Outcome) -> Iterator[Panel]:
    """What is to be predicted: the picture itself, or the target's rows drawn."""
    truth, known = everywhere(outcome, outcome.truth)
    grid = grid_of(model, outcome)
    if outcome.view is not None:
        array, meaning = outcome.original.array, "what is to be predicted: the pixels of the picture"
        if getattr(model, "normalized", False) and truth.shape[-1] == grid.patch**2 * 3:
            array = _numpy(0.5 + grid.unpatchify(truth)[0].permute(1, 2, 0) / (2 * SPREADS))
            meaning = f"what is to be predicted: each patch minus its mean, over its spread; black is −{SPREADS}, white +{SPREADS}"
        yield picture_panel("target", "target", meaning, array, grid.shape)
        return
    array = drawn(getattr(model, "target", None), truth, grid)[0]
    how = _how_drawn(model)
    meaning = f"what is to be predicted, {how}"
    yield picture_panel("target", "target", meaning, _numpy(array), grid.shape, blank=_bytes(~known), say=how)


def guess_panel(model: Any, outcome: Outcome, *, exact: bool) -> Panel:
    """What the model predicts, drawn as the target is."""
    hidden = outcome.mask.hidden[0]
    if outcome.view is not None:
        array, shape, how = outcome.picture.array, outcome_shape(outcome), outcome.note
        unseen = ~hidden
    else:
        grid = grid_of(model, outcome)
        guess, known = everywhere(outcome, outcome.guess)
        truth, _ = everywhere(outcome, outcome.truth)
        array = _numpy(drawn(getattr(model, "target", None), guess, grid, like=truth)[0])
        shape, how, unseen = grid.shape, _how_drawn(model), ~known | ~outcome.mask.predict[0].cpu()
    meaning = "what the model predicts where the loss looks"
    return picture_panel("guess", "guess", meaning, array, shape, exact=exact, blank=_bytes(unseen), say=how)


def loss_panel(outcome: Outcome) -> Panel:
    """The loss that each patch receives; none where the loss does not look."""
    meaning = "the loss of each patch; blank patches receive none"
    return map_panel("loss", "loss per patch", meaning, everywhere_loss(outcome), "loss")


# --- what the encoder sees ---


def seen_panel(model: Any, images: Tensor, outcome: Outcome, *, exact: bool) -> Iterator[Panel]:
    """What reaches the encoder, as pixels; hatched where a patch is left out."""
    grid: Grid = model.grid
    shown, left_out, say = _seen(model, images, outcome)
    array = _rgb(model.encoder, grid.unpatchify(shown)[0])
    meaning = "what reaches the encoder: the pixels that give the rows which it is handed (before positions)"
    more = {"blank": _bytes(left_out), "hatched": True, "say": say}
    yield picture_panel("seen", "encoder sees", meaning, array, grid.shape, exact=exact, **more)


def _seen(model: Any, images: Tensor, outcome: Outcome) -> tuple[Tensor, Tensor, str]:
    """Patches of pixels (1, N, D), which of them (N,) are left out, and the same in words."""
    grid: Grid = model.grid
    images, mask = images[:, :3], carried(outcome.mask, grid)
    truth, hidden = grid.patchify(images), mask.hidden[0].cpu()
    if hasattr(model, "spoilt"):
        return grid.patchify(model.spoilt(images, mask)), torch.zeros_like(hidden), "every patch, spoilt by how"
    pixels = pixels_of(model.encoder, images)
    try:
        content, ids = model.how(model.encoder.embed(images), mask)
    except (TypeError, ValueError, RuntimeError, AttributeError):  # a recipe that uses its word in a way of its own
        pixels = None
    if pixels is None:
        return truth, hidden, "hidden patches are kept from the encoder"
    if ids is None:
        return pixels(content), torch.zeros_like(hidden), "every patch, as how leaves it"
    rows = pixels(content)
    full = rows.new_zeros(1, grid.count, rows.shape[-1]).scatter(1, ids[:1, :, None].expand_as(rows[:1]), rows[:1])
    return full, hidden, f"{int(hidden.sum())} of {grid.count} patches left out"


def pixels_of(encoder: Any, images: Tensor) -> Any:
    """A function from rows of `encoder.embed` to pixels of their patches; None where the rows cannot be taken back.

    Exact where the rows are pixels, and where one convolution with no overlap has made them and is at least as wide as a patch
    has numbers (else the nearest pixels in the sense of least squares): its pseudo-inverse.
    """
    rows, truth = encoder.embed(images), encoder.grid.patchify(images)
    if rows.shape == truth.shape and torch.allclose(rows, truth, atol=1e-5):
        return lambda content: content
    conv = getattr(getattr(encoder.vit, "patch_embed", None), "proj", None)
    patch = encoder.grid.patch
    if not isinstance(conv, nn.Conv2d) or conv.kernel_size != (patch, patch) or conv.stride != (patch, patch):
        return None
    weight = (
        conv.weight.detach().permute(0, 2, 3, 1).flatten(1).float()
    )  # (width, patch · patch · 3), as patchify orders
    back = torch.linalg.pinv(weight)
    bias = conv.bias.detach().float() if conv.bias is not None else 0.0

    def pixels(content: Tensor) -> Tensor:
        return (content.float() - bias) @ back.T

    wrong = (pixels(rows) - truth).abs().max()
    near = weight.shape[0] < weight.shape[1] or wrong < NEAR * max(float(truth.std()), 1e-3)
    return pixels if near else None


# --- inside ---


def everywhere(outcome: Outcome, rows: Tensor) -> tuple[Tensor, Tensor]:
    """(1, N, D) of the first picture with zeros where there is no row, and which patches (N,) have one."""
    rows = rows[:1].detach()
    where = outcome.where[:1].to(rows.device)
    full = rows.new_zeros(1, outcome.mask.hidden.shape[1], rows.shape[-1])
    known = torch.zeros(full.shape[:2], dtype=torch.bool).scatter(1, where.cpu(), True)
    return full.scatter(1, where[..., None].expand_as(rows), rows), known[0]


def everywhere_loss(outcome: Outcome) -> Tensor:
    """(rows, cols): the loss of each patch of the first picture, NaN where it receives none."""
    losses = torch.full(outcome.mask.hidden.shape, float("nan"))
    losses.scatter_(1, outcome.where.cpu(), outcome.patch_loss.detach().float().cpu())
    losses[~outcome.mask.predict.cpu()] = float("nan")
    return losses[0].reshape(outcome_shape(outcome))


def outcome_shape(outcome: Outcome) -> tuple[int, int]:
    """Rows and columns of the outcome's patches."""
    assert outcome.mask.shape is not None
    return outcome.mask.shape


def grid_of(model: Any, outcome: Outcome) -> Grid:
    """The grid of the outcome's rows: the model's, unless its target is finer or coarser."""
    rows, cols = outcome_shape(outcome)
    grid: Grid = model.grid
    return grid if grid.shape == (rows, cols) else Grid(rows, cols, max(grid.height // rows, 1))


def carried(mask: Mask, grid: Grid) -> Mask:
    """The mask on another grid: a patch is hidden where its middle was."""
    if mask.shape == grid.shape:
        return mask
    rows, cols = mask.array.shape
    at = [((np.arange(n) + 0.5) * have / n).astype(int) for n, have in zip(grid.shape, (rows, cols), strict=True)]
    return Mask.from_array(mask.array[np.ix_(*at)])


def _how_drawn(model: Any) -> str:
    return (
        "drawn by its word"
        if hasattr(getattr(model, "target", None), "draw")
        else "its three principal components as colours"
    )


def _rgb(encoder: Any, image: Tensor) -> np.ndarray:
    mean, std = (torch.tensor(each).reshape(3, 1, 1) for each in (encoder.mean, encoder.std))
    return _numpy((image.cpu().float() * std + mean).permute(1, 2, 0))


def _numpy(array: Tensor) -> np.ndarray:
    return array.detach().float().cpu().numpy()


def _bytes(flags: Tensor) -> bytes:
    return flags.cpu().to(torch.uint8).numpy().tobytes()
