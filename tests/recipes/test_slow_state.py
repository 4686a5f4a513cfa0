"""What a recipe carries beside its encoder survives copies, files and interruptions; words keep speaking of their own model."""

from copy import deepcopy

import pytest
import torch

import mimviz as mv
from mimviz import recipes
from mimviz.zoo.own import Sentence, read_own, save_mim

from .small import SMALL, VIT, made
from .test_invariants import smooth

CARRY = [
    "adamae", "attmask", "data2vec", "dbot", "dtm", "fsfm", "hpm", "ibot", "ijepa", "latent_mim", "maskalign", "mrmae",
    "msn",
]  # fmt: skip


@pytest.mark.parametrize("name", CARRY)
def test_a_resumed_run_is_exact(name, tmp_path):
    def run(**keywords):
        model = made(name)
        return model, [s.loss for s in mv.fit(model, [smooth(2)], steps=4, lr=1e-3, warmup=0, **keywords)]

    whole, losses = run()
    path = tmp_path / "run.safetensors"
    run(checkpoint=path, until=2)
    resumed, later = run(checkpoint=path)
    assert later == losses[2:]
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key


@pytest.mark.parametrize("name", [*CARRY, "colormae", "hap", "maskfeat", "pixmim", "ropim"])
def test_a_file_gives_back_the_same_model(name, tmp_path):
    family, keywords = VIT
    sentence = Sentence(name, family, {"img_size": 32, **keywords}, SMALL.get(name, {}))
    torch.manual_seed(0)
    model = sentence.build()
    list(mv.fit(model, [smooth(2)], steps=2, lr=1e-2))
    save_mim(tmp_path / "model.safetensors", model, sentence)
    again = read_own(tmp_path / "model.safetensors")
    outcomes = []
    for each in (model, again):
        torch.manual_seed(1)
        with torch.no_grad():
            outcomes.append(each.eval()(smooth(2)))
    assert torch.equal(outcomes[0].guess, outcomes[1].guess) and torch.equal(outcomes[0].truth, outcomes[1].truth)
    assert outcomes[0].mask == outcomes[1].mask


@pytest.mark.parametrize("name", CARRY)
def test_a_copy_speaks_of_itself(name):
    """Training a copy changes nothing about the original, nor the other way round: no word reaches across."""
    model = made(name).eval()
    other = deepcopy(model)
    torch.manual_seed(2)
    before = model(smooth(2))
    list(mv.fit(other, [smooth(2)], steps=3, lr=1e-2))
    torch.manual_seed(2)
    after = model(smooth(2))
    assert torch.equal(before.loss, after.loss) and torch.equal(before.truth, after.truth)
    torch.manual_seed(2)
    assert not torch.equal(other(smooth(2)).loss, before.loss)


@pytest.mark.parametrize("name", [*CARRY, "colormae", "hap", "maskfeat", "pixmim", "ropim"])
def test_half_precision_trains(name):
    model = made(name)
    losses = [s.loss for s in mv.fit(model, [smooth(2)], steps=2, precision="bfloat16")]
    assert all(loss == loss and abs(loss) < 1e4 for loss in losses)
    assert getattr(recipes, name).__name__ == name
