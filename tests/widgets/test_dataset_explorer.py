"""DatasetExplorer without a browser: what is filtered, sorted, picked and opened; what the browser is told."""

import numpy as np
import pytest
import traitlets as t
from sklearn.decomposition import PCA

import mimviz as mv
from mimviz.widgets import DatasetGallery
from tests.scale.small import BROKEN, classifier, folder

pytest.importorskip("jscatter")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    root = folder(tmp_path_factory.mktemp("data"))
    return mv.inspect(root, classifier(), out=tmp_path_factory.mktemp("out"), progress=False, batch=4, seconds=0)


@pytest.fixture
def explorer(store, monkeypatch):
    if not DatasetGallery._esm:
        monkeypatch.setattr(DatasetGallery, "_esm", "export default {}")
    made = mv.DatasetExplorer(store, classifier())
    made.wait()
    yield made
    made.close()


def test_places_are_principal_components(store):
    found, features = mv.scale.pca(store), store.array("features/avg")
    good = np.isfinite(features).all(1)
    assert np.isnan(found[BROKEN]).all() and good.sum() == 10
    wanted = PCA(2).fit_transform(features[good].astype(np.float64))
    np.testing.assert_allclose(np.abs(found[good]), np.abs(wanted), rtol=1e-3, atol=1e-4)


def test_a_page_of_pictures_with_what_is_told_of_them(explorer, store):
    found = explorer.gallery.found
    assert found["count"] == found["of"] == 11 and found["broken"] == 1 and found["pages"] == 1
    first, broken = found["items"][0], found["items"][BROKEN]
    assert (
        (first["name"], first["label"]) == ("bee/000.png", "bee") and broken["size"] == 0 and "text" in broken["error"]
    )
    assert sum(item["size"] for item in found["items"]) == len(explorer.gallery.thumbnails)
    about = {each["name"]: each for each in explorer.gallery.columns}
    assert about["label"]["values"] == [[0, "bee"], [1, "fox"], [2, "owl"]]
    loss = store.column("loss")
    assert about["loss"]["min"] == pytest.approx(np.nanmin(loss)) and about["loss"]["max"] == pytest.approx(
        np.nanmax(loss)
    )


def test_sorted_and_filtered_by_loss_norm_and_class(explorer, store):
    loss, label = store.column("loss"), store.column("label")
    explorer.sort("loss", descending=True).wait()
    known = [i for i in range(11) if i != BROKEN]
    assert explorer.rows.tolist() == [*sorted(known, key=lambda i: -loss[i]), BROKEN], "what is not known comes last"
    middle = float(np.nanmedian(loss))
    explorer.filter(loss=(middle, None), label=[0, 2]).wait()
    wanted = {i for i in known if loss[i] >= middle and label[i] in (0, 2)}
    assert set(explorer.rows.tolist()) == wanted
    shown = explorer._at[np.asarray(explorer.scatter.widget.filter)]
    assert set(shown.tolist()) == wanted, "the points are the pictures"
    explorer.filter(loss=None, label=None).wait()
    assert len(explorer.rows) == 11 and len(explorer.scatter.widget.filter) == 10


def test_pages(explorer):
    explorer.gallery.size = 4
    explorer.wait()
    explorer.gallery.page = 2
    explorer.wait()
    assert [item["row"] for item in explorer.gallery.found["items"]] == [8, 9, 10]
    explorer.filter(label=[1]).wait()
    assert explorer.gallery.page == 0 and explorer.gallery.found["pages"] == 1


def test_points_and_thumbnails_pick_the_same_picture(explorer, store):
    explorer.gallery.picked = 7  # as the browser sets it
    assert explorer.picked == 7 and explorer._at[explorer.scatter.widget.selection].tolist() == [7]
    explorer.wait()
    assert explorer.gallery.detail["row"] == 7 and explorer.gallery.detail["facts"][1] == ["name", "fox/007.png"]
    assert explorer.gallery.picture.startswith(b"\x89PNG") and explorer.picture.array.shape == (27, 24, 3)
    explorer.scatter.widget.selection = np.array([0], np.uint32)  # a click on a point
    assert explorer.picked == 0
    explorer.scatter.widget.selection = np.array([0, 1, 2], np.uint32)  # the lasso
    explorer.wait()
    assert explorer.rows.tolist() == [0, 1, 2] and explorer.gallery.chosen == 3
    explorer.gallery.clear += 1
    explorer.wait()
    assert len(explorer.rows) == 11


def test_the_picked_picture_in_another_widget(explorer):
    with pytest.raises(ValueError, match="no picture is picked"):
        explorer.look_in("AttentionExplorer")
    explorer.picked = 2
    widget = explorer.look_in("AttentionExplorer")
    assert explorer.children[-1] is widget and isinstance(widget, mv.AttentionExplorer)
    with pytest.raises(ValueError, match="tool is 'Editor'"):
        explorer.look_in("Editor")


def test_what_is_wrong_is_told(explorer, store):
    for wrong, message in (
        (lambda: explorer.sort("los"), "no column 'los'"),
        (lambda: explorer.filter(loss=3), "filter of loss is 3"),
    ):
        with pytest.raises(ValueError, match=message):
            wrong()
    with pytest.raises(t.TraitError, match="no column 'x'"):
        explorer.gallery.colour = "x"
    with pytest.raises(ValueError, match="both are wanted"):
        mv.DatasetExplorer(store, x="loss")
    with pytest.raises(ValueError, match="no features/token"):
        mv.DatasetExplorer(store, features="token")
    explorer.gallery.wanted = "AttentionExplorer"
    assert "no picture is picked" in explorer.gallery.problem["text"] and explorer.gallery.wanted == ""


def test_a_store_whose_dataset_is_gone_shows_thumbnails(tmp_path, monkeypatch):
    root = folder(tmp_path / "data", broken=False)
    mv.inspect(root, classifier(), out=tmp_path / "out", progress=False)
    for path in root.rglob("*.png"):
        path.unlink()
    if not DatasetGallery._esm:
        monkeypatch.setattr(DatasetGallery, "_esm", "export default {}")
    explorer = mv.DatasetExplorer(tmp_path / "out", x="loss", y="norm_1_max")
    explorer.picked = 1
    assert explorer.picture.array.shape == (16, 16, 3)
    with pytest.raises(ValueError, match="there is no model"):
        explorer.look_in("MaskPainter")
    explorer.close()
