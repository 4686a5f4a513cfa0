import errno
import math

import pytest
import torch

import mimviz as mv
from mimviz.train import checkpoint
from mimviz.train.schedule import cosine

from .small import batches, model, weights


def test_the_schedule_by_hand():
    rates = [cosine(i, steps=10, peak=2.0, warmup=2) for i in range(10)]
    assert rates[:3] == [1.0, 2.0, 2.0]
    assert rates[6] == pytest.approx(1 + math.cos(math.pi / 2))
    assert rates == sorted(rates[:2]) + sorted(rates[2:], reverse=True)


def test_a_seed_repeats_a_run_and_leaves_the_caller_s_numbers_alone():
    torch.manual_seed(1)
    expected = torch.rand(3)
    runs = []
    for _ in range(2):
        m = model()
        torch.manual_seed(1)
        losses = [s.loss for s in mv.fit(m, batches(), steps=4)]
        assert torch.equal(torch.rand(3), expected)
        runs.append((losses, weights(m)))
    assert runs[0][0] == runs[1][0]
    assert torch.equal(runs[0][1], runs[1][1])
    assert [s.loss for s in mv.fit(model(), batches(), steps=4, seed=1)] != runs[0][0]


@pytest.mark.parametrize("left_at", [1, 3, 5])
def test_a_run_that_was_left_goes_on_to_the_same_numbers(tmp_path, left_at):
    whole = model()
    losses = [s.loss for s in mv.fit(whole, batches(), steps=6)]
    file, first = tmp_path / "run.safetensors", model()
    for step in mv.fit(first, batches(), steps=6, checkpoint=file, every=2):
        if step.index == left_at:
            break
    again = model(seed=5)
    rest = [s.loss for s in mv.fit(again, batches(), steps=6, checkpoint=file, every=2)]
    assert rest == losses[left_at:]
    assert torch.equal(weights(again), weights(whole))


def test_until_ends_a_run_on_its_way_and_leaves_the_schedule(tmp_path):
    whole, parts, file = model(), model(), tmp_path / "run.safetensors"
    losses = [s.loss for s in mv.fit(whole, batches(), steps=6)]
    assert [s.loss for s in mv.fit(parts, batches(), steps=6, until=2, checkpoint=file)] == losses[:2]
    assert list(mv.fit(parts, batches(), steps=6, until=2, checkpoint=file)) == []
    assert [s.loss for s in mv.fit(parts, batches(), steps=6, until=9, checkpoint=file)] == losses[2:]
    assert torch.equal(weights(parts), weights(whole))
    with pytest.raises(ValueError, match="until is 0"):
        next(mv.fit(parts, batches(), until=0))


def test_a_list_a_loader_and_a_generator():
    image = torch.rand(2, 3, 16, 16)
    assert len(list(mv.fit(model(), [image], steps=3))) == 3
    loader = torch.utils.data.DataLoader(image, batch_size=1)
    assert len(list(mv.fit(model(), loader, steps=5))) == 5
    with pytest.raises(ValueError, match="batches ran out"):
        list(mv.fit(model(), (image for _ in range(2)), steps=3))


def test_only_matrices_and_kernels_decay():
    m = model()
    before = {k: v.clone() for k, v in m.named_parameters()}
    list(mv.fit(m, [torch.zeros(2, 3, 16, 16)], steps=1, lr=1e-9, warmup=0, weight_decay=1e8, clip=None))
    shrunk = {
        k for k, v in m.named_parameters() if (v.detach() - before[k]).abs().max() > 1e-3 * before[k].abs().max() + 1e-6
    }
    assert shrunk == {k for k, v in before.items() if v.ndim in (2, 4)}


def test_a_loss_that_is_not_finite_stops_and_keeps_the_checkpoint(tmp_path):
    file, good = tmp_path / "run.safetensors", torch.rand(2, 3, 16, 16)
    with pytest.raises(FloatingPointError, match="values of the pictures are NaN"):
        list(mv.fit(model(), [good, good, good * math.nan], steps=3, checkpoint=file, every=1))
    survivor = model(seed=3)
    with pytest.raises(FloatingPointError):
        list(mv.fit(survivor, [good, good, good * math.nan], steps=3, checkpoint=file, every=1))
    assert torch.isfinite(weights(survivor)).all()


def test_an_interrupt_inside_a_step_keeps_the_checkpoint_before_it(tmp_path):
    whole = model()
    losses = [s.loss for s in mv.fit(whole, batches(), steps=6)]
    file, first = tmp_path / "run.safetensors", model()
    first.after_step = _interrupt_at(first, call=4)
    with pytest.raises(KeyboardInterrupt):
        list(mv.fit(first, batches(), steps=6, checkpoint=file, every=2))
    again = model(seed=5)
    assert [s.loss for s in mv.fit(again, batches(), steps=6, checkpoint=file, every=2)] == losses[2:]
    assert torch.equal(weights(again), weights(whole))


def test_a_full_disk_leaves_the_checkpoint_before_and_says_so(tmp_path, monkeypatch):
    file, plain, calls = tmp_path / "run.safetensors", checkpoint.save_file, iter(range(9))

    def full(tensors, path, metadata):
        if next(calls):
            path.write_bytes(b"half a file")
            raise OSError(errno.ENOSPC, "No space left on device")
        plain(tensors, path, metadata=metadata)

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(OSError, match="No space left") as raised:
        list(mv.fit(model(), batches(), steps=6, checkpoint=file, every=2))
    assert raised.value.__notes__[0].endswith("could not be written: the file before it is as it was")
    assert [path.name for path in tmp_path.iterdir()] == ["run.safetensors"]
    monkeypatch.undo()
    whole, again = model(), model(seed=5)
    losses = [s.loss for s in mv.fit(whole, batches(), steps=6)]
    assert [s.loss for s in mv.fit(again, batches(), steps=6, checkpoint=file, every=2)] == losses[2:]


def _interrupt_at(m, call):
    calls = iter(range(1, 99))

    def after_step():
        if next(calls) == call:
            with torch.no_grad():
                next(m.parameters()).add_(1)  # half a step
            raise KeyboardInterrupt

    return after_step


def test_what_cannot_be_trained_is_refused(tmp_path):
    frozen = model().requires_grad_(False)
    with pytest.raises(ValueError, match="frozen"):
        next(mv.fit(frozen, batches()))
    for wrong in ({"steps": 0}, {"lr": 0}, {"lr": math.nan}, {"precision": "half"}):
        with pytest.raises(ValueError, match=r"positive|'auto'"):
            next(mv.fit(model(), batches(), **wrong))
    file = tmp_path / "run.safetensors"
    list(mv.fit(model(), batches(), steps=2, checkpoint=file))
    with pytest.raises(ValueError, match=r"steps 2 \(now 3\)"):
        next(mv.fit(model(), batches(), steps=3, checkpoint=file))
    wide = mv.recipes.simmim(
        mv.encoder("vit_tiny_patch16_224", img_size=16, patch_size=4, embed_dim=24, depth=1, num_heads=2)
    )
    with pytest.raises(ValueError, match="another model"):
        next(mv.fit(wide, batches(), steps=2, checkpoint=file))


def test_the_model_ends_in_eval_mode_and_steps_carry_their_outcome():
    m = model()
    step = next(mv.fit(m, batches(), steps=2))
    assert step.index == 1 and step.pictures == 4 and step.seconds > 0
    assert not step.outcome.guess.requires_grad
    assert step.outcome[0].picture.array.shape == (16, 16, 3)
    assert not m.training


def test_batches_that_hold_no_pictures_are_told_so():
    images = torch.rand(2, 3, 16, 16)
    assert len(list(mv.fit(model(), [(images, torch.zeros(2))], steps=2))) == 2, "labels are left aside"
    for wrong in ([3], [torch.zeros(3, 16, 16)], [{"image": images}]):
        with pytest.raises(TypeError, match="normalized pictures"):
            next(mv.fit(model(), wrong))
    with pytest.raises(ValueError, match="batches ran out"):
        next(mv.fit(model(), []))
    with pytest.raises(ValueError, match="every is 0"):
        next(mv.fit(model(), [images], every=0))


def test_a_run_goes_on_only_as_it_was_begun(tmp_path):
    file = tmp_path / "run.safetensors"
    list(mv.fit(model(), batches(), steps=2, checkpoint=file, facts={"data": "a"}))
    for other in ({"weight_decay": 0.1}, {"warmup": 1}, {"clip": None}, {"facts": {"data": "b"}}):
        with pytest.raises(ValueError, match="resume with the same values"):
            next(mv.fit(model(), batches(), steps=2, checkpoint=file, **{"facts": {"data": "a"}, **other}))
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ValueError, match="no readable run"):
        next(mv.fit(model(), batches(), steps=2, checkpoint=file))
