from itertools import pairwise

import pytest
import torch
from safetensors import safe_open

from mimviz.train import History, Run
from mimviz.train.moments import Moments

from .small import batches, model, weights


def trained(tmp_path, **options):
    return Run(model(), batches(), steps=30, folder=tmp_path, share=1.0, every=2, **options).start().wait(60)


def test_within_the_budget_old_moments_become_light_and_are_thinned_out_evenly(tmp_path):
    plenty = trained(tmp_path / "all")
    assert [each.step for each in plenty.moments] == list(range(0, 31, 2)) and all(
        each.exact for each in plenty.moments
    )
    exact = plenty.moments.newest.bytes
    budget = 4 * exact
    run = trained(tmp_path / "few", budget=budget)
    kept = list(run.moments)
    assert sum(each.path.stat().st_size for each in kept) <= budget
    assert kept[0].step == 0 and kept[0].exact and kept[-1].step == 30 and kept[-1].exact
    assert len(kept) >= 6 and any(not each.exact for each in kept)
    gaps = [b.step - a.step for a, b in pairwise(kept)]
    assert max(gaps) <= 3 * min(gaps), gaps
    assert {path.name for path in run.folder.iterdir()} == {each.path.name for each in kept} | {"run.json"}
    small = trained(tmp_path / "tiny", budget=1)
    assert [(each.step, each.exact) for each in small.moments] == [(0, True), (30, True)], (
        "what is needed to go on stays"
    )
    assert torch.equal(weights(small.model), weights(plenty.model))


def test_exact_moments_are_exact_and_light_ones_as_near_as_they_say(tmp_path):
    run = trained(tmp_path / "run")
    exact = run.moments.weights(20)
    assert all(torch.equal(value, run.at(20).state_dict()[name]) for name, value in exact.items())
    light = Moments(tmp_path / "light", 10**9)
    base = run.moments.weights(0)
    light.keep(
        0,
        lambda path: (
            path.parent.mkdir(),
            path.write_bytes((tmp_path / "run" / "00000000.exact.safetensors").read_bytes()),
        ),
    )
    light.sketch(20, exact)
    again = light.weights(20)
    assert again.keys() == exact.keys()
    for name, value in exact.items():
        assert again[name].dtype == value.dtype and again[name].shape == value.shape
        if value.ndim < 2:
            assert torch.equal(again[name], value), name
            continue
        moved = (value - base[name]).abs().flatten(1).amax(1)
        error = (again[name] - value).abs().flatten(1).amax(1)
        assert (error <= moved / 254 * 1.001 + 1e-9).all(), name
    size = (tmp_path / "light" / "00000020.light.safetensors").stat().st_size
    assert size < run.moments.newest.bytes / 5, "of so small a model, names are half of the file"
    with pytest.raises(ValueError, match=r"step 21 is not among the kept moments of .*: 0, 20"):
        light.weights(21)


def test_a_frozen_part_costs_a_light_moment_nothing(tmp_path):
    m = model()
    m.encoder.requires_grad_(False)
    run = Run(m, batches(), steps=4, folder=tmp_path, share=1.0, every=2).start().wait(60)
    run.moments.sketch(3, run.model.state_dict())
    with safe_open(str(tmp_path / "00000003.light.safetensors"), framework="pt") as file:
        assert not [key for key in file.keys() if ".encoder." in key]  # noqa: SIM118


def test_a_history_survives_the_trip_to_disk(tmp_path):
    run = trained(tmp_path)
    again = History.of(run.history.tensors())
    for name in ("loss", "lr", "seconds", "pictures", "grad_norm"):
        assert getattr(again, name).tolist() == getattr(run.history, name).tolist()
    assert again.health == run.history.health and len(again) == 30
    cut = again.cut(7)
    assert len(cut) == 7 and max(cut.health) <= 7
    with pytest.raises(AttributeError, match="a history has no 'lossy'"):
        again.lossy  # noqa: B018


def test_health_says_what_a_step_did_to_a_layer():
    m = model()
    m.decoder.head.weight.register_hook(torch.zeros_like)
    m.decoder.head.bias.register_hook(torch.zeros_like)
    before = {name: p.detach().clone() for name, p in m.named_parameters()}
    run = Run(m, batches(), steps=1, clip=None, weight_decay=0).start().wait(60)
    health = run.history.health[1]
    assert list(health)[:3] == ["encoder.vit", "encoder.vit.patch_embed.proj", "encoder.vit.blocks.0"]
    block = [(p.detach(), before[name]) for name, p in m.named_parameters() if name.startswith("encoder.vit.blocks.0.")]
    moved = torch.cat([(a - b).flatten() for a, b in block]).norm()
    assert health["encoder.vit.blocks.0"].update == pytest.approx(float(moved), rel=1e-5)
    assert health["encoder.vit.blocks.0"].weights == pytest.approx(
        float(torch.cat([a.flatten() for a, _ in block]).norm()), rel=1e-5
    )
    assert health["decoder.head"].state == "dead" and health["encoder.vit.blocks.0"].state == ""
    total = sum(each.gradient**2 for each in health.values()) ** 0.5
    assert total == pytest.approx(run.history.grad_norm[0], rel=1e-5)
    wild = Run(model(), batches(), steps=1, lr=1.0).start().wait(60).history.health[1]
    assert wild["encoder.vit.blocks.0"].state == "exploding"


def test_looking_after_layers_and_keeping_moments_change_no_number():
    busy = Run(model(), batches(), steps=12, share=1.0, every=1).start().wait(60)
    idle = Run(model(), batches(), steps=12, share=0.0).start().wait(60)
    assert len(busy.history.health) == 12 and len(idle.history.health) == 1
    assert torch.equal(weights(busy.model), weights(idle.model))
