"""Own data in one line, from every kind of source; split without leaks; long tails."""

import csv
import io
import time

import numpy as np
import pytest
import torch
from PIL import Image

import mimviz as mv
from mimviz.data import dataset, long_tail, tail_counts
from mimviz.data.dataset import Dataset

from .files import encoded

CLASSES = ["bird", "cat", "dog"]


def picture(seed, size=12):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8))


def pictures(count=9):
    return [(picture(i), i % 3) for i in range(count)]


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "photos"
    for i, (image, label) in enumerate(pictures()):
        (root / CLASSES[label]).mkdir(parents=True, exist_ok=True)
        image.save(root / CLASSES[label] / f"{i}.png")
    return root


def check(made, order=None):
    """The pixels and labels of `pictures()`."""
    order = range(9) if order is None else order
    assert made.classes == CLASSES and made.images.shape == (9, 3, 12, 12)
    for index, i in enumerate(order):
        assert int(made.labels[index]) == i % 3
        np.testing.assert_array_equal(made.images[index].permute(1, 2, 0), np.asarray(picture(i)))
    assert made.counts == {"bird": 3, "cat": 3, "dog": 3}


def test_a_folder_of_class_folders(folder):
    made = dataset(folder, size=12)
    check(made, [0, 3, 6, 1, 4, 7, 2, 5, 8])
    assert made.names[0] == "bird/0.png" and repr(made) == "Dataset(9 pictures of 12 × 12, 3 classes)"


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_csv_beside_its_pictures(folder, mark):
    out = io.StringIO()
    table = csv.writer(out, delimiter=mark)
    table.writerow(["id", "Filename", "species"])
    table.writerows([i, f"{CLASSES[i % 3]}/{i}.png", CLASSES[i % 3]] for i in range(9))
    (folder / "table.csv").write_text(out.getvalue())
    check(dataset(folder / "table.csv", size=12))
    with pytest.raises(ValueError, match="has columns id, Filename, species"):
        dataset(folder / "table.csv", size=12, label="kind")


def test_numbers_as_labels_of_a_csv_are_ordered_by_value(folder):
    rows = "".join(f"{CLASSES[i % 3]}/{i}.png,{[2, 10, -1][i % 3]}\n" for i in range(9))
    (folder / "t.csv").write_text("path,label\n" + rows)
    assert dataset(folder / "t.csv", size=12).classes == ["-1", "2", "10"]


def test_hugging_face(tmp_path):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"img": datasets.Image(), "kind": datasets.ClassLabel(names=CLASSES)})
    rows = [{"img": image, "kind": label} for image, label in pictures()]
    table = datasets.Dataset.from_list(rows, features=features)
    check(dataset(table, size=12))
    table.rename_columns({"img": "image", "kind": "label"}).to_parquet(tmp_path / "t.parquet")
    check(dataset(tmp_path / "t.parquet", size=12))  # with the names that it keeps there
    check(dataset([tmp_path / "t.parquet"], size=12))
    check(dataset(tmp_path, size=12))


@pytest.mark.parametrize("group", [1, 2, 9])
def test_parquet_is_read_a_group_of_rows_at_a_time(tmp_path, group):
    """A file may be larger than memory: until pictures are decoded none of their bytes are held, then those of two groups."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from mimviz.data.sources import rows_of

    rows = [{"image": {"bytes": encoded(image, "PNG"), "path": None}, "label": CLASSES[n]} for image, n in pictures()]
    for part, name in ((rows[:4], "a"), (rows[4:], "b")):
        pq.write_table(pa.Table.from_pylist(part), tmp_path / f"{name}.parquet", row_group_size=group)
    check(dataset(tmp_path / "*.parquet", size=12))
    noise = [{"image": np.random.default_rng(i).bytes(100_000), "label": 0} for i in range(20)]
    pq.write_table(pa.Table.from_pylist(noise), tmp_path / "large.parquet", row_group_size=group)
    before = pa.total_allocated_bytes()
    found, _ = rows_of(tmp_path / "large.parquet")
    assert pa.total_allocated_bytes() - before < 100_000
    assert [row.data() for row in found] == [each["image"] for each in noise]
    end = time.monotonic() + 10
    while (held := pa.total_allocated_bytes() - before) >= 2.5 * group * 100_000 and time.monotonic() < end:
        time.sleep(0.01)  # Arrow's own threads let go of what they have read a moment later
    assert held < 2.5 * group * 100_000


def test_torchvision(folder):
    from torchvision.datasets import FakeData, ImageFolder

    check(dataset(ImageFolder(folder), size=12), [0, 3, 6, 1, 4, 7, 2, 5, 8])
    fake = dataset(FakeData(4, (3, 16, 16), 2), size=8, classes=["a", "b"])
    assert len(fake) == 4 and fake.classes == ["a", "b"]
    from torchvision.transforms import ToTensor

    check(dataset(ImageFolder(folder, transform=ToTensor()), size=12), [0, 3, 6, 1, 4, 7, 2, 5, 8])


def test_broken_files_are_left_out_listed_and_counted(folder):
    (folder / "cat" / "0.png").write_bytes(b"")
    (folder / "dog" / "x.jpg").write_bytes(encoded(picture(5), "JPEG")[:100])
    with pytest.warns(UserWarning, match="2 of 11 pictures left out"):
        made = dataset(folder, size=12)
    check(made, [0, 3, 6, 1, 4, 7, 2, 5, 8])
    assert len(made.broken) == 2 and any("cat/0.png" in line for line in made.broken)
    assert "2 left out, e.g. " in str(made.survey()) and "2 left out" in repr(made)
    (folder / "t.csv").write_text("file,label\nbird/0.png,bird\nbird/gone.png,bird\n")
    with pytest.warns(UserWarning, match="1 of 2 pictures left out"):
        assert "gone.png" in dataset(folder / "t.csv", size=12).broken[0]


def test_what_is_no_source(tmp_path):
    for wrong, kind in ((3, TypeError), (tmp_path, ValueError), (tmp_path / "no.csv", FileNotFoundError)):
        with pytest.raises(kind):
            dataset(wrong, size=8)


def repeated(times=4):
    """Pictures with copies: number i is there 1 + i % times times."""
    images, labels = [], []
    for i in range(60):
        for _ in range(1 + i % times):
            images.append(np.asarray(picture(i)))
            labels.append(i % 3)
    order = np.random.default_rng(0).permutation(len(images))
    tensor = torch.from_numpy(np.stack(images)[order]).permute(0, 3, 1, 2).contiguous()
    return Dataset(tensor, torch.tensor(labels)[order], CLASSES)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_split_is_stratified_and_leaks_nothing(share, seed):
    data = repeated()
    train, held = data.split(share, seed=seed)
    assert len(train) + len(held) == len(data)
    sides = [{image.numpy().tobytes() for image in part.images} for part in (train, held)]
    assert not sides[0] & sides[1]
    for name, count in data.counts.items():
        assert abs(held.counts[name] - share * count) <= 4  # the largest group of equal ones
    assert not set(train.names) & set(held.names)


def test_a_split_depends_on_content_and_seed_alone():
    data = repeated(1)
    held = data.split(0.3)[1]
    turned = data.take(torch.randperm(len(data), generator=torch.Generator().manual_seed(1)))
    contents = [
        {image.numpy().tobytes() for image in part.images}
        for part in (held, turned.split(0.3)[1], data.split(0.3, seed=1)[1])
    ]
    assert contents[0] == contents[1] != contents[2]


def test_nearly_equal_pictures_stay_together_and_contradictions_are_trained_on():
    data = repeated(1)
    nearly = data.images.clone()
    nearly[:, :, 0, 0] = 0
    both = Dataset(torch.cat([data.images, nearly]), data.labels.repeat(2), CLASSES)
    train, held = both.split(0.3)
    at = {name: side for side, part in ((0, train), (1, held)) for name in part.names}
    assert all(at[f"picture {i}"] == at[f"picture {i + len(data)}"] for i in range(len(data)))
    doubled = Dataset(
        torch.cat([data.images, data.images[:1]]), torch.cat([data.labels, (data.labels[:1] + 1) % 3]), CLASSES
    )
    assert "picture 0" in doubled.split(0.3)[0].names and "picture 60" in doubled.split(0.3)[0].names
    assert len(doubled.without_duplicates()) == 59 and len(both.without_duplicates(near=4)) == 60
    told = doubled.survey()
    assert told.contradictions == [[0, 60]] and "stand under different labels" in str(told)


def test_a_class_too_small_to_split_is_named():
    with pytest.raises(ValueError, match="class 'bird' has 1 pictures"):
        repeated(1).take([int((repeated(1).labels == 0).nonzero()[0])]).split()


def test_tail_counts_follow_the_formula_exactly():
    """n_c = ⌊n_max · ρ^(−c / (C − 1))⌋, the numbers of CIFAR-10-LT and CIFAR-100-LT."""
    assert tail_counts(5000, 10, 100) == [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]
    counts = tail_counts(500, 100, 100)
    assert counts == [int(500 * 0.01 ** (c / 99) + 1e-9) for c in range(100)] and (
        counts[0],
        counts[-1],
        sum(counts),
    ) == (500, 5, 10847)
    assert tail_counts(7, 3, 1) == [7, 7, 7]
    data = repeated(1)
    made = long_tail(data, 5)
    assert list(made.counts.values()) == tail_counts(20, 3, 5) == [20, 8, 4]
    assert made.names == long_tail(data, 5).names != long_tail(data, 5, seed=1).names
    with pytest.raises(ValueError, match="the last would have none"):
        long_tail(data, 50)


def test_classes_can_be_chosen_and_batches_know_the_model():
    data = repeated(1)
    some = data.of(["dog", "bird"])
    assert some.classes == ["dog", "bird"] and some.counts == {"dog": 20, "bird": 20}
    assert torch.equal(some.images[0], data.images[next(i for i in range(60) if data.labels[i] != 1)])
    with pytest.raises(KeyError, match="no class 'cow'"):
        data.of(["cow"])
    encoder = mv.encoder("vit_tiny_patch16_224", img_size=12, patch_size=4, embed_dim=12, depth=1, num_heads=1)
    for model in (encoder, encoder.vit):
        batches = data.batches(5, model, augment=False)
        assert tuple(batches.mean) == tuple(encoder.mean) and batches.at(0)[1].shape == (5,)
    assert data.picture(0).array.shape == (12, 12, 3)


def test_only_the_wanted_classes_are_decoded(folder):
    some = ["dog", "bird"]
    plain = dataset(folder, size=12).of(some)
    (folder / "cat" / "broken.png").write_bytes(b"no picture")
    made = dataset(folder, size=12, of=some)  # would warn of the broken cat, had it been opened
    assert made.classes == some and made.broken == [] and made.names == plain.names
    assert torch.equal(made.images, plain.images) and torch.equal(made.labels, plain.labels)
    (folder / "dog" / "broken.png").write_bytes(b"no picture")
    with pytest.warns(UserWarning, match="1 of 7 pictures left out"):
        assert len(dataset(folder, size=12, of=some).broken) == 1
    with pytest.raises(KeyError, match="no class 'cow'"):
        dataset(folder, size=12, of=["cow"])


def test_the_survey_is_drawn():
    data = repeated()
    figure = data.survey().plot(rows=2, columns=4)
    counts = [f"{name}\n{count}" for name, count in data.counts.items()]
    assert [axis.get_ylabel() for axis in figure.axes[:16:4]] == [*counts[:2], "equal", "equal"]
    groups = data.survey().exact[:2]
    assert sum(bool(axis.images) for axis in figure.axes) == 8 + sum(min(len(group), 4) for group in groups)
    assert "1 more classes" in figure.get_suptitle()
