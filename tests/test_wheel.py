"""What is inside the wheel and the sdist, not the checkout. `MIMVIZ_DIST` names a folder that holds both already."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(not (ROOT / "pyproject.toml").exists(), reason="needs a checkout"),
]


@pytest.fixture(scope="session")
def dist(tmp_path_factory) -> Path:
    """A folder with the sdist, and the wheel that was built from it (so what the sdist lacks, the wheel lacks)."""
    if "MIMVIZ_DIST" in os.environ:
        return Path(os.environ["MIMVIZ_DIST"])
    out = tmp_path_factory.mktemp("dist")
    built = subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(out), str(ROOT)], capture_output=True, text=True
    )
    assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-3000:]
    return out


@pytest.fixture(scope="session")
def wheel(dist) -> zipfile.ZipFile:
    (path,) = dist.glob("mimviz-*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="session")
def sdist(dist) -> set[str]:
    """Names in the sdist without its top folder."""
    (path,) = dist.glob("mimviz-*.tar.gz")
    with tarfile.open(path) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def test_wheel_is_for_any_machine(dist):
    assert next(dist.glob("*.whl")).name.endswith("-py3-none-any.whl")


def test_wheel_has_every_bundle(wheel):
    """One script and one stylesheet for each view of the front end, neither empty, nothing loaded from elsewhere."""
    sizes = {info.filename: info.file_size for info in wheel.infolist()}
    for view in (ROOT / "widgets" / "src" / "views").glob("*.ts"):
        for suffix in (".js", ".css"):
            name = f"mimviz/widgets/static/{view.stem}{suffix}"
            assert sizes.get(name, 0) > 100, f"{name} is missing or empty"
        script = wheel.read(f"mimviz/widgets/static/{view.stem}.js").decode()
        assert "sourceMappingURL=data" not in script
        assert "import(" not in script
        assert "https://" not in script.replace("https://www.w3.org", "")


def test_wheel_has_what_pages_are_made_of(wheel):
    sizes = {info.filename: info.file_size for info in wheel.infolist()}
    for name in ("page.js", "page.css", "model.js", "runtime.wasm.gz"):
        assert sizes.get(f"mimviz/share/static/{name}", 0) > 1000, f"{name} is missing or empty"


def test_wheel_has_the_lessons(wheel):
    lessons = {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert lessons
    assert lessons <= {name.rpartition("/")[2] for name in wheel.namelist() if name.startswith("mimviz/lab/lessons/")}


def test_wheel_has_every_module(wheel):
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "mimviz").rglob("*.py")}
    assert modules <= set(wheel.namelist())


def test_wheel_has_the_bundled_model_with_its_card(wheel):
    weights = [info for info in wheel.infolist() if info.filename.startswith("mimviz/zoo/weights/")]
    names = {info.filename.rpartition("/")[2] for info in weights}
    assert "tiny.safetensors" in names
    assert any(name.endswith((".md", ".json")) for name in names), "a model needs its card"
    assert sum(info.file_size for info in weights) <= 25 * 2**20


def test_wheel_has_nothing_else(wheel):
    """No tests, data, Node modules, sources of the front end, caches."""
    for name in wheel.namelist():
        top = name.split("/")[0]
        config = name.endswith(".data/data/etc/jupyter/jupyter_server_config.d/mimviz.json")
        assert config or top == "mimviz" or top.endswith(".dist-info"), name
        assert not any(
            part in name for part in ("node_modules", "__pycache__", ".ipynb_checkpoints", ".parquet", ".ts")
        )


def test_wheel_has_licence_and_command(wheel):
    (entry,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert "mimviz = mimviz.lab.cli:main" in wheel.read(entry).decode()
    (licence,) = [name for name in wheel.namelist() if name.endswith("licenses/LICENSE")]
    assert "Apache License" in wheel.read(licence).decode()


def test_sdist_can_be_built_and_tested(sdist):
    wanted = {"pyproject.toml", "README.md", "LICENSE", "widgets/package.json", "widgets/hatch_build.py"}
    wanted |= {"mimviz/__init__.py", "tests/test_wheel.py", "notebooks/01_paint_a_mask.ipynb"}
    wanted |= {"mimviz/widgets/static/mask_painter.js", "mimviz/zoo/weights/tiny.safetensors"}
    assert wanted <= sdist
    assert not [name for name in sdist if "node_modules" in name or "__pycache__" in name or name.endswith(".parquet")]


def test_the_unpacked_wheel_works(wheel, tmp_path):
    """Lessons, widget and model come out of the wheel alone."""
    wheel.extractall(tmp_path)
    code = f"""
import sys
sys.meta_path = [finder for finder in sys.meta_path if "edit" not in str(finder).lower()]  # not the checkout
sys.path.insert(0, {str(tmp_path)!r})
import mimviz as mv
from mimviz.lab.lessons import lessons_source
assert mv.__file__.startswith({str(tmp_path)!r}), mv.__file__
assert str(lessons_source()).startswith({str(tmp_path)!r})
assert len(mv.MaskPainter._esm) > 1000
mim = mv.load_mim("tiny")
print(mim.reconstruct(mv.image("cat"), mv.Mask.random(mim.grid)).psnr)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert float(ran.stdout) > 0
