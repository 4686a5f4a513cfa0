"""Where the lessons are, and how they get into a folder that the reader may write to."""

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

FIRST = "01_paint_a_mask.ipynb"


@dataclass(frozen=True)
class Copied:
    """What `copy_lessons` did: the files it wrote, those it left as the reader had changed them, and the backups."""

    written: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    saved: tuple[str, ...] = ()


def lessons_source() -> Path:
    """The folder of the lessons: inside the installed package, or `notebooks/` of a checkout."""
    here = Path(__file__).resolve()
    for folder in (here.parent / "lessons", here.parents[2] / "notebooks"):
        if (folder / FIRST).is_file():
            return folder
    raise FileNotFoundError(
        f"the lesson {FIRST} is neither in {here.parent / 'lessons'} nor in {here.parents[2] / 'notebooks'}: "
        "this mimviz was installed without its lessons. Install it again from a wheel or a complete checkout."
    )


def copy_lessons(folder: Path, *, reset: bool = False) -> Copied:
    """Copy the lessons into `folder`. What is there stays; with `reset` changed files are kept aside and replaced."""
    writable_folder(folder)
    written, kept, saved = [], [], []
    source = lessons_source()
    for lesson in sorted(path for path in source.rglob("*") if path.is_file() and not hidden(path.relative_to(source))):
        target = folder / lesson.relative_to(source)
        name = str(target.relative_to(folder))
        if target.exists() and target.read_bytes() == lesson.read_bytes():
            continue
        if target.exists() and not reset:
            kept.append(name)
            continue
        if target.exists():
            saved.append(str(keep_aside(target, folder).relative_to(folder)))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(lesson, target)  # not copy(): an installed file may be read-only
        written.append(name)
    return Copied(tuple(written), tuple(kept), tuple(saved))


def hidden(path: Path) -> bool:
    """Is it a checkpoint, a cache or a dot file, and so no lesson?"""
    return any(part.startswith((".", "__")) for part in path.parts)


def keep_aside(path: Path, folder: Path) -> Path:
    """Move a changed lesson to `before-<date>-<time>/` in the same folder; return where it went."""
    aside = folder / time.strftime("before-%Y%m%d-%H%M%S") / path.relative_to(folder)
    aside.parent.mkdir(parents=True, exist_ok=True)
    return path.replace(aside)


def writable_folder(folder: Path) -> None:
    """Make the folder, or say why it cannot be written."""
    cause = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        cause = error.strerror or str(error)
    if cause is None and not os.access(folder, os.W_OK | os.X_OK):
        cause = "it belongs to somebody else or is read-only"
    if cause is not None:
        raise PermissionError(
            f"the lessons cannot be written to {folder}: {cause}. Name another folder: mimviz lab ~/mimviz-lessons"
        )
