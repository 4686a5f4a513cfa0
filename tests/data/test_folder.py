import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from mimviz.data import load_images, read_folder

from .files import encoded


@pytest.fixture
def folder(tmp_path):
    for name, value in {
        "cats/b.png": 20,
        "cats/a.PNG": 10,
        "cats/old/c.jpg": 30,
        "ants/z.webp": 0,
        "top.bmp": 90,
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            encoded(Image.new("L", (9, 9), value), {".jpg": "JPEG", ".webp": "WEBP"}.get(path.suffix, "PNG"))
        )
    (tmp_path / "cats" / "readme.txt").write_text("not a picture, and not meant to be one")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "x.png").write_bytes(b"")
    return tmp_path


@pytest.mark.parametrize("read", [read_folder, load_images])
def test_class_folders_are_labels_by_name(folder, read):
    images, labels, broken = read(folder, size=4)
    assert images[:, 0, 2, 2].tolist() == [90, 0, 10, 20, 30]
    assert labels.tolist() == [-1, 0, 1, 1, 1]
    assert broken == []


def test_a_flat_folder_and_a_limit(folder):
    images, labels, _ = load_images(str(folder / "cats"), size=(4, 6), limit=2)
    assert images.shape == (2, 3, 4, 6)
    assert labels.tolist() == [-1, -1]


def test_broken_files_are_named(folder):
    (folder / "ants" / "y.png").write_text("text")
    with pytest.warns(UserWarning, match=r"1 of 6 pictures left out. The first: ants/y.png is not a picture.*text"):
        _, labels, broken = read_folder(folder, size=4)
    assert len(labels) == 5
    assert "ants/y.png" in broken[0]


def test_no_folder_and_no_pictures(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere is not a folder"):
        read_folder(tmp_path / "nowhere", size=4)
    with pytest.raises(ValueError, match=r"holds no pictures, but at least one of .*\.png"):
        load_images(tmp_path, size=4)


def test_a_folder_of_parquet_files(tmp_path):
    data = encoded(Image.new("L", (4, 4), 7))
    pq.write_table(pa.table({"image": [{"bytes": data, "path": "x"}], "label": [3]}), tmp_path / "a.parquet")
    assert load_images(tmp_path, size=4).labels.tolist() == [3]
