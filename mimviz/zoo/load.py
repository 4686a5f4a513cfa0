"""Names and files to models."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path

from ..grammar import MaskedModel
from .here import WEIGHTS, bundled
from .own import read_own


def load_mim(name_or_path: str | os.PathLike = "tiny", *, device: str | None = None) -> MaskedModel:
    """A masked model with its decoder, in eval mode: a bundled name ("tiny") or a file that `mimviz train` has written.

    Raises FileNotFoundError with the list of what is here, ValueError for a file that holds no model of mimviz.
    """
    name = os.fspath(name_or_path)
    path = WEIGHTS / f"{name}.safetensors" if name in bundled() else Path(name)
    if not path.is_file():
        close = get_close_matches(name, bundled(), n=1)
        raise FileNotFoundError(
            f"{name!r} is neither a bundled model nor a file"
            + (f"; did you mean {close[0]!r}?" if close else ".")
            + f" Bundled: {', '.join(bundled()) or 'none'}"
        )
    model = read_own(path)
    return model.to(device) if device else model
