"""What goes on inside a sentence, as panels: agreement, who receives which loss, codes, layers that are mixed, a jigsaw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..core import Mask, Outcome, Picture
from ..core.words import label
from ..data import image, images
from ..grammar.collapse import Collapse, collapse, in_use
from .recipe_lab_jigsaw import is_jigsaw, jigsaw_panel
from .recipe_lab_spectra import spectra_panels
from .recipe_lab_views import Panel, carried, everywhere, map_panel, outcome_shape

SAMPLE = 6  # pictures by which features and codes are judged: the one on display and bundled ones
TOLD = 1e-3  # how far rows of chances may be from summing to 1
BARS = 256


@dataclass(frozen=True, eq=False)
class Sample:
    """Some pictures (B, 3, height, width) as the model takes them, the one on display first."""

    images: Tensor

    @classmethod
    def of(cls, model: Any, picture: Picture) -> Sample:
        shown = model.prepare(picture)
        others = [model.prepare(image(name)) for name in images()[: SAMPLE + 1]]
        differ = [each for each in others if not torch.equal(each, shown)]
        return cls(torch.cat([shown, *differ[: SAMPLE - 1]]))


def inside(model: Any, shown: Tensor, outcome: Outcome, sample: Sample) -> Iterator[Panel]:
    """Whatever of it this sentence has."""
    yield from agreement_panel(model, shown, outcome)
    yield from receives_panel(model, outcome)
    yield from scales_panels(model, outcome)
    yield from groups_panel(model, outcome)
    if is_jigsaw(model):
        yield jigsaw_panel(model, shown, outcome)
    else:
        yield from codes_panels(model, shown, outcome)
        yield from usage_panel(model, outcome, sample)
    yield from shares_panel(model)
    yield from spectra_panels(model, outcome)


def health(model: Any, sample: Sample) -> Collapse | None:
    """Whether its encoder's features, and the prototypes of its teacher if there are any, have collapsed; None where not known."""
    encoder = model.encoder
    try:
        features = encoder(encoder.embed(sample.images))[:, encoder.prefix :]
        truth = model.target(sample.images, Mask.none(model.grid).to(sample.images.device).expand(len(sample.images)))
    except (
        TypeError,
        ValueError,
        RuntimeError,
        AttributeError,
        KeyError,
    ):  # a recipe that uses its words in a way of its own
        return None
    known = isinstance(truth, Tensor) and not is_jigsaw(model) and _chances(truth) and torch.isfinite(truth).all()
    if not torch.isfinite(features).all() or features.ndim != 3:
        return None
    return collapse(features, truth if known else None)


def told_of(found: Collapse | None, *, trained: bool) -> dict[str, Any]:
    """The same as JSON takes it; {} for None. Not `trained` here: features that tell only places, and prototypes that tell nothing,
    are how weights begin."""
    if found is None:
        return {}
    codes = None if found.codes is None else [found.codes, found.count]
    why = [words for name, words in found.why.items() if trained or name not in ("content", "codes")]
    return {
        "rank": found.rank,
        "most": found.most,
        "spread": found.spread,
        "content": found.content,
        "codes": codes,
        "why": why,
    }


# --- panels ---


def agreement_panel(model: Any, shown: Tensor, outcome: Outcome) -> Iterator[Panel]:
    """Cosine of what the student guesses and what the teacher says, patch by patch; by the model's own word where it has one."""
    meaning = "cosine of the student's guess and the teacher's answer at each patch: 1 the same direction, 0 unrelated"
    if callable(getattr(model, "agreement", None)):
        values = model.agreement(shown, outcome.mask)[0].detach().float().cpu()
    else:
        guess, truth = outcome.guess[:1].detach().float(), outcome.truth[:1].detach()
        alike = guess.shape == truth.shape and truth.is_floating_point()
        if outcome.view is not None or getattr(model, "teacher", None) is None or not alike:
            return
        if _chances(truth):
            guess, meaning = guess.softmax(-1), meaning.replace("answer", "chances")
        cosine = F.cosine_similarity(guess, truth.float(), dim=-1)[..., None]
        found, known = everywhere(outcome, cosine)
        values = found[0, :, 0].cpu().masked_fill(~known, float("nan"))
    asked, known = outcome.mask.predict[0].cpu(), values.isfinite()
    where, wanted = ("where the loss looks", asked & known) if (asked & known).any() else ("where it is known", known)
    say = f"{where} {float(values[wanted].mean()):+.3f} in the mean" if wanted.any() else ""
    yield map_panel(
        "agreement", "agreement", meaning, values.reshape(outcome_shape(outcome)), "cosine", signed=True, say=say
    )


def receives_panel(model: Any, outcome: Outcome) -> Iterator[Panel]:
    """Which losses each patch receives, one number for each combination, 0 for none; nothing where there is only one loss."""
    received = receives(model, outcome)
    if len(received) < 2:
        return
    names, numbers = ["none"], np.zeros(outcome.mask.hidden.shape[1], "<f4")
    stack = np.stack(list(received.values()), 1)
    for combination in sorted({tuple(row) for row in stack} - {(False,) * stack.shape[1]}, reverse=True):
        numbers[(stack == combination).all(1)] = len(names)
        names.append(" + ".join(name for name, has in zip(received, combination, strict=True) if has))
    whole = [name for name in outcome.terms if name not in received]
    say = f"of the whole picture: {', '.join(whole)}" if whole else ""
    meaning = "which loss each patch receives"
    yield numbers_panel("receives", "loss received", meaning, numbers, outcome, tuple(names), say)


def scales_panels(model: Any, outcome: Outcome) -> Iterator[Panel]:
    """The loss of each patch at each scale, where a model has several (LocalMIM): its `losses`, fine to coarse."""
    if not callable(getattr(model, "losses", None)):
        return
    found = (
        model.losses(outcome)[0]
        .detach()
        .float()
        .cpu()
        .masked_fill(~outcome.mask.predict[0].cpu()[:, None], float("nan"))
    )
    for k in range(found.shape[1]):
        meaning = f"the loss of each patch at scale {k + 1} of {found.shape[1]}, the finest first"
        values = found[:, k].reshape(outcome_shape(outcome))
        yield map_panel(f"scale {k + 1}", f"loss, scale {k + 1}", meaning, values, "loss")


def receives(model: Any, outcome: Outcome) -> dict[str, np.ndarray]:
    """{name of a loss: (N,) whether each patch of the first picture receives it}, by the model's own word where it has one."""
    if hasattr(model, "receives"):
        return {name: each[0].cpu().numpy().astype(bool) for name, each in model.receives(outcome).items()}
    asked = torch.zeros_like(outcome.mask.predict[:1]).scatter(
        1, outcome.where[:1].to(outcome.mask.predict.device), True
    )
    return {label(getattr(model.loss, "__name__", model.loss)): (asked & outcome.mask.predict[:1])[0].cpu().numpy()}


def codes_panels(model: Any, shown: Tensor, outcome: Outcome) -> Iterator[Panel]:
    """The code of every patch, and the one that is guessed: a colour for each."""
    true, guessed = codes_of(model, shown, outcome)
    if true is None or guessed is None:
        return
    meaning = "the code of each patch, by its number; numbers that are near need not be alike"
    yield numbers_panel("codes", "codes", meaning, true, outcome)
    asked = outcome.mask.predict[0].cpu().numpy() & np.isfinite(guessed)
    right = int((guessed == true)[asked].sum())
    say = f"{right} of {int(asked.sum())} as in the target" if asked.any() else ""
    yield numbers_panel(
        "guessed", "codes guessed", "the code of the highest score at each patch", guessed, outcome, say=say
    )


def codes_of(model: Any, shown: Tensor, outcome: Outcome) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Numbers of the true and of the guessed code at each patch (N,), NaN where there is none; None where there are no codes."""
    truth = outcome.truth
    if truth.is_floating_point() and not _chances(truth):
        return None, None
    best = outcome.guess.argmax(-1, keepdim=True)
    if hasattr(model.target, "ids"):
        true = model.target.ids(shown)[0].cpu().numpy().astype("<f4")
    else:
        true = _scattered(outcome, truth.argmax(-1, keepdim=True) if truth.is_floating_point() else truth)
    return true, _scattered(outcome, best)


def usage_panel(model: Any, outcome: Outcome, sample: Sample) -> Iterator[Panel]:
    """How often each code is right, and how often it is guessed, over some pictures; the most frequent first."""
    if codes_of(model, sample.images[:1], outcome)[0] is None:
        return
    mask = carried(outcome.mask[0], model.grid).to(sample.images.device).expand(len(sample.images))
    found = model(sample.images, mask)
    count = found.guess.shape[-1]
    truth = found.truth if found.truth.is_floating_point() else F.one_hot(found.truth[..., 0].long(), count)
    guess = F.one_hot(found.guess.argmax(-1), count)
    shares = torch.stack([each.double().flatten(0, 1).mean(0) for each in (truth, guess)]).cpu()
    shares = shares[:, shares[0].argsort(descending=True, stable=True)]
    say = f"in effect {in_use(truth):.1f} of {count}; guessed {in_use(guess):.1f}"
    if count > BARS:
        shares = F.adaptive_avg_pool1d(shares, BARS)
    meaning = (
        f"share of each code over {len(sample.images)} pictures, the most frequent first; line: how often it is guessed"
    )
    yield map_panel(
        "usage", "codes in use", meaning, shares.float(), "share", figure="bars", say=say, names=(str(count),)
    )


def groups_panel(model: Any, outcome: Outcome) -> Iterator[Panel]:
    """Patches that share one target, where a model joins them (DTM): its `groupings` of the truth, the last of them."""
    if not callable(getattr(model, "groupings", None)):
        return
    numbers = model.groupings(outcome.truth[:1])[-1][0].cpu().numpy().astype("<f4")
    say = f"{len(np.unique(numbers))} groups of {len(numbers)} patches"
    yield numbers_panel("groups", "groups", "patches of one colour share their target", numbers, outcome, say=say)


def shares_panel(model: Any) -> Iterator[Panel]:
    """How much of each layer of the encoder goes into each block of the decoder, where that is learned."""
    shares = getattr(model, "shares", None)
    if not isinstance(shares, Tensor):
        shares = getattr(getattr(model, "decoder", None), "mixing", None)
    if not isinstance(shares, Tensor):
        return
    rows = shares.detach().float().reshape(-1, shares.shape[-1])
    numbers, depth = getattr(model, "layers", None), len(model.encoder.anatomy.blocks)
    names: tuple[str, ...] = ()
    if numbers is not None and len(numbers) == rows.shape[1]:
        names = tuple(str(each + 1) for each in numbers)
    elif rows.shape[1] == depth + 1:  # what goes into the first block, too
        names = ("input", *(str(each + 1) for each in range(depth)))
    meaning = "weight of each layer of the encoder (columns, the first left) in each block of the decoder, or of the teacher (rows)"
    yield map_panel(
        "shares", "layers mixed", meaning, rows, "weight", figure="matrix", names=names, signed=bool((rows < 0).any())
    )


def numbers_panel(
    key: str,
    caption: str,
    meaning: str,
    numbers: np.ndarray,
    outcome: Outcome,
    names: tuple[str, ...] = (),
    say: str = "",
) -> Panel:
    """numbers: (N,), NaN where there is none."""
    return map_panel(
        key,
        caption,
        meaning,
        numbers.reshape(outcome_shape(outcome)),
        "code" if not names else "",
        figure="numbers",
        names=names,
        say=say,
    )


# --- inside ---


def _chances(truth: Tensor) -> bool:
    """Whether rows are probabilities."""
    if not truth.numel() or not truth.is_floating_point() or truth.shape[-1] < 2:
        return False
    return bool((truth >= 0).all()) and float((truth.sum(-1) - 1).abs().max()) < TOLD


def _scattered(outcome: Outcome, rows: Tensor) -> np.ndarray:
    values, known = everywhere(outcome, rows)
    return values[0, :, 0].cpu().float().masked_fill(~known, float("nan")).numpy()
