import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from mimviz.data import load_images, read_parquet

from .files import encoded, gradient, photo


def flat(value):
    return encoded(Image.new("RGB", (16, 16), (value, value, value)))


def table(path, pictures, labels=None, image=None):
    columns = {"image": image or [{"bytes": data, "path": None} for data in pictures]}
    pq.write_table(pa.table({**columns, **({} if labels is None else {"label": labels})}), path)
    return path


@pytest.fixture
def shards(tmp_path):
    table(tmp_path / "a-0.parquet", [flat(value) for value in range(0, 100, 10)], list(range(10)))
    table(tmp_path / "a-1.parquet", [flat(value) for value in range(100, 150, 10)], list(range(10, 15)))
    return tmp_path


def test_rows_come_in_order_with_their_labels(shards):
    images, labels, broken = read_parquet(shards / "a-0.parquet", size=8)
    assert images.shape == (10, 3, 8, 8)
    assert images.dtype == torch.uint8
    assert labels.dtype == torch.int64
    assert images[:, 0, 4, 4].tolist() == list(range(0, 100, 10))
    assert labels.tolist() == list(range(10))
    assert broken == []


@pytest.mark.parametrize("how", ["glob", "list", "list of globs"])
def test_many_files(shards, how):
    paths = {
        "glob": str(shards / "a-*.parquet"),
        "list": [shards / "a-0.parquet", str(shards / "a-1.parquet")],
        "list of globs": [shards / "*-0.parquet", shards / "*-1.parquet"],
    }[how]
    assert read_parquet(paths, size=8).labels.tolist() == list(range(15))
    assert load_images(paths, size=8).labels.tolist() == list(range(15))


def test_limit_takes_the_first_rows(shards):
    assert read_parquet(shards / "a-*.parquet", size=8, limit=12).labels.tolist() == list(range(12))
    assert len(read_parquet(shards / "a-*.parquet", size=8, limit=99).images) == 15
    with pytest.raises(ValueError, match="limit=0"):
        read_parquet(shards / "a-*.parquet", size=8, limit=0)


def test_more_rows_than_one_chunk_keep_their_order(tmp_path):
    path = table(tmp_path / "many.parquet", [flat(value % 256) for value in range(1100)], list(range(1100)))
    images, labels, _ = read_parquet(path, size=4)
    assert labels.tolist() == list(range(1100))
    assert images[:, 1, 0, 0].tolist() == [value % 256 for value in range(1100)]


def test_pixels_at_their_own_size_are_untouched_and_others_are_fitted(tmp_path):
    path = table(tmp_path / "one.parquet", [photo(24, 32)])
    np.testing.assert_array_equal(read_parquet(path, size=(24, 32)).images[0].permute(1, 2, 0), gradient(24, 32))
    square = read_parquet(path, size=12).images[0].float()
    assert square.shape == (3, 12, 12)
    assert abs(float(square[1].mean()) - 127.5) < 2  # the crop is from the middle
    assert float(square[1, 0, 0]) > 25


def test_grey_palette_alpha_and_16_bit_rows(tmp_path):
    grey = Image.fromarray(gradient()[..., 1])
    deep = Image.fromarray(np.full((8, 8), 65535, np.uint16))
    rows = [encoded(grey), encoded(grey.convert("P")), encoded(grey.convert("LA")), encoded(deep)]
    images = read_parquet(table(tmp_path / "modes.parquet", rows), size=8).images
    assert (images[:3] - images[0]).float().abs().max() == 0
    assert (images[3] == 255).all()


def test_broken_rows_are_listed_counted_and_left_out(tmp_path):
    rows = [flat(1), b"", flat(2), photo(64, 64)[:70], None, b"note to self", flat(3)]
    path = table(tmp_path / "bad.parquet", rows, list(range(7)))
    with pytest.warns(UserWarning, match=r"4 of 7 pictures left out. The first: bad.parquet row 1 is empty"):
        images, labels, broken = read_parquet(path, size=8)
    assert labels.tolist() == [0, 2, 6]
    assert images[:, 0, 0, 0].tolist() == [1, 2, 3]
    assert [each.split(" row ")[1][0] for each in broken] == ["1", "3", "4", "5"]


def test_nothing_but_broken_rows(tmp_path):
    with pytest.raises(ValueError, match=r"none of 2 pictures could be read.*The first: bad.parquet row 0"):
        read_parquet(table(tmp_path / "bad.parquet", [b"x", b"y"]), size=8)
    with pytest.raises(ValueError, match="none of 0 pictures"):
        read_parquet(table(tmp_path / "none.parquet", [], image=pa.array([], pa.binary())), size=8)


def test_plain_bytes_and_no_labels(tmp_path):
    images, labels, _ = read_parquet(table(tmp_path / "plain.parquet", [], image=[flat(9), flat(8)]), size=8)
    assert images[:, 0, 0, 0].tolist() == [9, 8]
    assert labels.tolist() == [-1, -1]


def test_wrong_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none-\*.parquet' matches no file"):
        read_parquet(tmp_path / "none-*.parquet", size=8)
    with pytest.raises(ValueError, match="no paths given"):
        read_parquet([], size=8)
    (tmp_path / "text.parquet").write_text("not a table")
    with pytest.raises(ValueError, match=r"text.parquet cannot be read as Parquet"):
        read_parquet(tmp_path / "text.parquet", size=8)
    pq.write_table(pa.table({"picture": [1]}), tmp_path / "other.parquet")
    with pytest.raises(ValueError, match=r"columns \['picture'\], but image: \{bytes, path\} is needed"):
        read_parquet(tmp_path / "other.parquet", size=8)
    with pytest.raises(ValueError, match="size=0"):
        read_parquet(table(tmp_path / "a.parquet", [flat(1)]), size=0)
