"""`mimviz reconstruct photo.jpg`: hide patches, draw what the model makes of it, print loss and PSNR."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..core import Mask, Outcome

WAYS = (
    "random", "block", "grid", "simmim", "multi-block", "regions", "parts",
    "red noise", "green noise", "blue noise", "purple noise",
)  # fmt: skip
"""grammar.where.STRATEGIES, without the import of torch that it costs."""


def add_reconstruct_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photo", help="a picture file, or the name of a bundled picture such as astronaut")
    parser.add_argument("--model", default="tiny", help="a bundled name or a checkpoint (default: %(default)s)")
    parser.add_argument("--ratio", type=float, help="share of the patches to hide, 0..1 (default: 0.75)")
    parser.add_argument("--seed", type=int, help="which random mask (default: 0)")
    parser.add_argument("--strategy", choices=WAYS, help="how the hidden patches are chosen (default: random)")
    parser.add_argument(
        "--mask", type=Path, help="a mask saved by the painter: PNG with one pixel per patch, or RLE text"
    )
    parser.add_argument(
        "--statistics", choices=("visible", "true"), default="visible",
        help="for models that predict normalized patches: 'true' takes mean and spread from the hidden pixels",
    )  # fmt: skip
    parser.add_argument(
        "-o", "--output", type=Path, help="the figure: .png .jpg .pdf .svg (default: <photo>-reconstructed.png)"
    )


def run_reconstruct(args: argparse.Namespace) -> int:
    if args.mask and any(value is not None for value in (args.ratio, args.seed, args.strategy)):
        raise ValueError(
            "--mask says which patches to hide, and so do --ratio, --seed and --strategy: give one or the other"
        )
    ratio = 0.75 if args.ratio is None else args.ratio
    if math.isnan(ratio) or not 0 < ratio < 1:
        raise ValueError(
            f"--ratio is {ratio:g}, but a share between 0 and 1 is wanted: 0.75 hides three patches of four"
        )
    output = args.output or Path(f"{Path(args.photo).stem}-reconstructed.png")
    check_output(output, args.photo, args.mask)

    import mimviz as mv

    picture, model = mv.image(args.photo), mv.load_mim(args.model)
    mask = (
        read_mask(args.mask)
        if args.mask
        else draw_mask(model, picture, args.strategy or "random", ratio, args.seed or 0)
    )
    outcome = model.reconstruct(picture, mask, statistics=args.statistics)
    save(outcome, output)
    tell(outcome, model, output)
    return 0


def check_output(output: Path, *sources: str | Path | None) -> None:
    """Complain before the work is done, not after it, and before a photo or a mask is overwritten."""
    for source in sources:
        if source is not None and output.exists() and Path(source).exists() and output.samefile(source):
            raise ValueError(f"the figure would overwrite {source}: name another file with -o")
    if output.suffix.lower() not in (".png", ".jpg", ".jpeg", ".pdf", ".svg"):
        raise ValueError(
            f"cannot draw to {output}: the name ends in {output.suffix!r}, wanted is .png, .jpg, .pdf or .svg"
        )
    if not output.parent.is_dir():
        raise FileNotFoundError(f"cannot write {output}: there is no folder {output.parent}")


def read_mask(path: Path) -> Mask:
    """A mask from a PNG or from RLE text ("8x8:5 3 56")."""
    from ..core import Mask

    if not path.is_file():
        raise FileNotFoundError(f"there is no mask file {path}")
    data = path.read_bytes()
    if not data:
        raise ValueError(f"the mask file {path} is empty")
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        return Mask.from_png(data)
    return Mask.from_rle(text)


def draw_mask(model, picture, strategy: str, ratio: float, seed: int) -> Mask:
    """A mask as the painter's menu draws it."""
    from ..core import seeded
    from ..grammar.where import STRATEGIES

    return STRATEGIES[strategy](ratio)(model.prepare(picture), model.grid, seeded(seed))


def save(outcome: Outcome, output: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    figure = outcome.plot()
    figure.savefig(output, dpi=150, bbox_inches="tight")


def tell(outcome: Outcome, model, output: Path) -> None:
    mask = outcome.mask
    print(f"{model.name} on {model.device}: {mask.count} of {mask.array.size} patches hidden, mask {mask.to_rle()}")
    print(f"loss {outcome.loss:.4f}   PSNR on hidden patches {outcome.psnr:.2f} dB")
    if outcome.note:
        print("statistics:", outcome.note)
    if outcome.leaks:
        print("This picture uses the hidden pixels: do not show it as what the model knows.")
    print("figure in", output)
