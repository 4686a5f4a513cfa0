"""A heat map in words (Feldhus et al., Saliency Map Verbalization, NLRSE Workshop 2023, arXiv 2210.07222: its templates).

Every number in the text is a share of the map's own mass Σ|v|, so that anyone can recompute it; nothing is written by a model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .heatmap import Heatmap

ROWS, COLS = ("upper", "middle", "lower"), ("left", "centre", "right")
EVEN = 0.1  # below this Gini coefficient a map is called even


@dataclass(frozen=True, eq=False)
class Clause:
    """A sentence about the part of a map that `region` (rows, cols) marks: it holds `share` 0..1 of the mass on `area` 0..1."""

    text: str
    region: np.ndarray
    share: float
    area: float


@dataclass(frozen=True, eq=False)
class Description:
    """`text` is all of it; `clauses` say where; `gini` 0..1: how unequally the mass lies; `covered` 0..1: what all clauses hold."""

    head: str
    clauses: tuple[Clause, ...]
    gini: float
    covered: float

    @property
    def text(self) -> str:
        return " ".join([self.head, *(clause.text for clause in self.clauses)])

    def __str__(self) -> str:
        return self.text


def describe(heat: Heatmap, *, region: np.ndarray | None = None) -> Description:
    """What a map of one picture says, in sentences whose numbers can be recomputed.

    region: boolean (rows, cols) of the map's own size, a part whose mass is wanted. Raises ValueError for several pictures at once
    and for a region of another size.
    """
    if len(heat.values) != 1:
        raise ValueError(f"this heatmap is of {len(heat.values)} pictures: describe one, e.g. describe(heat[0])")
    values = heat.values[0].double().cpu().numpy()
    mass = np.abs(values)
    if region is not None and region.shape != mass.shape:
        raise ValueError(f"region is {region.shape}, but the map is {mass.shape}: one truth value for each of its places")
    drawn = [] if region is None else [_clause(mass, region.astype(bool), "The drawn region")]
    if not mass.any():
        return Description("The map is 0 everywhere.", (), 0.0, 0.0)
    gini = _gini(mass)
    head = f"Values from {values.min():.3g} to {values.max():.3g}."
    if heat.signed:
        head += " " + _sides(mass[values > 0].sum() / mass.sum())
    if gini < EVEN:
        head += f" The mass lies evenly: no part stands out (Gini coefficient {gini:.2f})."
        return Description(head, tuple(drawn), gini, _share(mass, [c.region for c in drawn]))
    half = int(np.searchsorted(np.sort(mass.ravel())[::-1].cumsum(), 0.5 * mass.sum() * (1 - 1e-12))) + 1
    head += f" Half of the mass lies on {_percent(half / mass.size)} of the picture (Gini coefficient {gini:.2f})."
    clauses = (*_ninths(mass), _peak(mass), *drawn)
    return Description(head, clauses, gini, _share(mass, [c.region for c in clauses]))


def _sides(share: float) -> str:
    if share in (0, 1):
        return f"All of the mass speaks {'for' if share else 'against'} the target."
    return f"{_percent(share)} of the mass speaks for the target, the rest against it."


def _ninths(mass: np.ndarray) -> list[Clause]:
    """The ninths of the picture that hold at least a standard deviation more than the mean of all nine, the strongest first."""
    rows, cols = (np.arange(n) * 3 // n for n in mass.shape)
    parts = []
    for r in range(3):
        for c in range(3):
            region = (rows == r)[:, None] & (cols == c)
            parts.append((mass[region].sum() / mass.sum(), place(r, c), region))
    shares = np.array([share for share, _, _ in parts])
    chosen = [part for part in parts if part[0] >= shares.mean() + shares.std() and shares.std() > 0]
    return [_clause(mass, region, f"The {name}") for _, name, region in sorted(chosen, key=lambda part: -part[0])]


def _peak(mass: np.ndarray) -> Clause:
    """The connected area above the 90 % quantile that holds most."""
    from scipy.ndimage import label

    high = mass > np.quantile(mass, 0.9)
    if not high.any():
        high = mass == mass.max()
    areas: np.ndarray = np.empty(mass.shape, int)
    label(high, structure=np.ones((3, 3)), output=areas)
    held = np.array([mass[areas == i].sum() for i in range(1, areas.max() + 1)])
    region = areas == 1 + int(held.argmax())
    y, x = (np.average(axis, weights=mass[region]) for axis in np.nonzero(region))
    where = place(*(min(int(3 * (at + 0.5) / n), 2) for at, n in zip((y, x), mass.shape, strict=True)))
    return _clause(mass, region, f"The strongest connected area, in the {where},")


def place(row: int, col: int) -> str:
    """A ninth of the picture in words, (0, 0) being the upper left."""
    return "centre" if (row, col) == (1, 1) else f"{ROWS[row]} {COLS[col]}"


def _clause(mass: np.ndarray, region: np.ndarray, subject: str) -> Clause:
    share, area = (mass[region].sum() / mass.sum() if mass.any() else 0.0), float(region.mean())
    return Clause(f"{subject} holds {_percent(share)} of the mass on {_percent(area)} of the picture.", region, float(share), area)


def _share(mass: np.ndarray, regions: list[np.ndarray]) -> float:
    return float(mass[np.logical_or.reduce(regions)].sum() / mass.sum()) if regions else 0.0


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.095 else f"{100 * share:.1f} %"


def _gini(mass: np.ndarray) -> float:
    """0 where all places hold the same, towards 1 where one holds all."""
    ordered = np.sort(mass.ravel())
    n = ordered.size
    return float(((2 * np.arange(1, n + 1) - n - 1) * ordered).sum() / (n * ordered.sum()))
