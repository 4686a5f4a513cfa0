"""The data-scaling lab: few pictures are overfitted and many are not, masks stay, and a run that is left goes on to the same."""

import itertools
import json

import numpy as np
import pytest
import torch

import mimviz as mv
from mimviz.core import seeded
from mimviz.data import Dataset, crops, images
from mimviz.studies import DataScaling, MaskedLoss, Trained, tiny_simmim


def photographs(each: int, seed: int) -> Dataset:
    """Crops of the bundled photographs, shuffled; the class is which photograph."""
    names, labels = images(), torch.arange(13).repeat_interleave(each)
    order = torch.randperm(len(labels), generator=seeded(0))
    return Dataset(crops(16, 16, each=each, seed=seed)[order], labels[order], names)


def small(width: int) -> mv.MaskedModel:
    return tiny_simmim(width, size=16, depth=1)


def study(folder=None, **options) -> DataScaling:
    given = {"pictures": (8, 64), "widths": (16,), "steps": (8,), "every": 4, "labelled": 60, **options}
    return DataScaling(photographs(8, 0), photographs(3, 1), build=small, folder=folder, **given)


@pytest.fixture(scope="module")
def trained():
    """At equal steps, 8 pictures and 2048, with the same model."""
    made = DataScaling(
        photographs(160, 0), photographs(8, 1), pictures=(8, 2048), widths=(48,), steps=(300,), every=100, lr=3e-3,
        build=lambda width: tiny_simmim(width, size=16, depth=2),
    )  # fmt: skip
    list(made.run())
    return made


def test_few_pictures_are_overfitted_and_many_are_not(trained):
    few, many = trained.trainings
    assert few.pictures == 8 and few.overfits and few.held[-1] > 1.02 * min(few.held)
    assert few.train[-1] < 0.7 * few.train[0], "while its training pictures are known ever better"
    assert not many.overfits and many.held[-1] == min(many.held) and many.held[-1] < few.held[-1]
    assert few.at == (100, 200, 300) and 1 / 13 < many.accuracy <= 1


def test_the_flag():
    def flag(train, held):
        return Trained(8, 16, 3, (1, 2, 3), train, held).overfits

    assert flag((3.0, 2.0, 1.0), (2.0, 1.0, 1.03))
    assert not flag((3.0, 2.0, 1.0), (2.0, 1.0, 1.01)), "within 2 %"
    assert not flag((3.0, 2.0, 2.5), (2.0, 1.0, 2.0)), "training got worse too: no overfitting"
    assert not Trained(8, 16, 3).overfits


def test_the_same_model_gives_the_same_loss_under_masks_that_stay():
    torch.manual_seed(0)
    model, pictures = small(16), photographs(3, 1).images
    ask = MaskedLoss(pictures)
    model.train()
    assert ask(model) == ask(model) and model.training
    all, first = ask.masks(model), MaskedLoss(pictures[:5]).masks(model)
    assert torch.equal(all.hidden[:5], first.hidden) and len(all.hidden.unique(dim=0)) == 4, "one of four units stays"
    with torch.no_grad():
        model.eval()
        losses = []
        for i, picture in enumerate(pictures):
            mask = model.where(picture[None].float(), model.grid, seeded(i))
            shown = (picture[None].float() / 255 - 0.5) / 0.5
            error = (model(shown, mask).guess - model.grid.patchify(shown)).abs().mean(-1)
            losses.append(float(error[mask.hidden].mean()))
    assert ask(model) == pytest.approx(np.mean(losses), rel=1e-5)
    assert MaskedLoss(pictures, seed=1)(model) != ask(model)


def test_a_run_that_is_left_goes_on_to_the_same_numbers(tmp_path):
    whole = study(tmp_path / "a")
    told = [(p.number, p.of, p.step) for p in whole.run()]
    assert told == [(n, 2, step) for n in (1, 2) for step in (*range(1, 9), 8)]
    left = study(tmp_path / "b")
    list(itertools.islice(left.run(), 6))
    half = study(tmp_path / "b").trainings
    assert half[0].at == (4,) and half[0].accuracy is None and half[1].at == ()
    again = study(tmp_path / "b")
    steps = [p.step for p in again.run()]
    assert steps[:3] == [7, 8, 8], "six steps were kept"
    assert again.trainings == whole.trainings
    assert list(study(tmp_path / "b").run()) == []
    assert json.loads(next((tmp_path / "b").glob("*.json")).read_text())["facts"]["every"] == 4


def test_without_a_folder_finished_trainings_stay_and_the_others_begin_anew():
    made = study()
    list(itertools.islice(made.run(), 14))
    assert made.trainings[0].accuracy is not None and made.trainings[1].at == (4,)
    assert [p.step for p in made.run()][:2] == [1, 2]
    assert made.trainings == study_finished().trainings


def study_finished() -> DataScaling:
    made = study()
    list(made.run())
    return made


def test_rank_and_plot(trained, tmp_path):
    assert np.isnan(trained.rank), "two trainings have no rank to speak of"
    trained.plot().savefig(tmp_path / "two.png")
    study().plot().savefig(tmp_path / "none.png")
    made = study(pictures=(8, 16, 32))
    list(made.run())
    x, y = ([getattr(t, name) for t in made.trainings] for name in ("held", "accuracy"))
    orders = [np.argsort(np.argsort(v)) for v in ([each[-1] for each in x], y)]
    if len({*y}) == 3:
        assert made.rank == pytest.approx(np.corrcoef(*orders)[0, 1])
    figure = made.plot()
    assert figure.axes[0].get_title() == "width 16" and len(figure.axes) == 2
    assert len(figure.axes[0].lines) >= 6 and len(figure.axes[1].collections[0].get_offsets()) == 3


def test_refusals(tmp_path):
    with pytest.raises(ValueError, match=r"pictures are \[8, 640\], but trainings of 1 to 104"):
        study(pictures=(8, 640))
    list(study(tmp_path).run())
    with pytest.raises(ValueError, match="begun with another lr"):
        study(tmp_path, lr=1e-2).trainings  # noqa: B018
