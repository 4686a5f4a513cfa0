import errno
import gc
import os
import random
import signal
import threading
import time
import weakref

import pytest
import torch

import mimviz as mv
from mimviz.train import Run, checkpoint

from .small import At, batches, interrupt, model, pictures, weights

STEPS = 24


@pytest.fixture(scope="module")
def whole():
    """(losses, weights) of a training that was never stopped."""
    m = model()
    losses = [step.loss for step in mv.fit(m, batches(), steps=STEPS)]
    return losses, weights(m)


def same(run, whole):
    return run.history.loss.tolist() == whole[0] and torch.equal(weights(run.model), whole[1])


def until(run, step):
    """Waits for a step, not for a rest."""
    end = time.monotonic() + 30
    while len(run.history) < step and run.state == "running" and time.monotonic() < end:
        time.sleep(0.001)


def test_a_run_gives_the_numbers_of_fit(whole):
    run = Run(model(), batches(), steps=STEPS)
    assert (run.state, len(run.history), run.message) == ("new", 0, "Not started yet.")
    run.start().wait(60)
    assert run.state == "finished" and same(run, whole)
    assert run.start() is run and run.state == "finished"
    assert not run.model.training
    assert (run.history.pictures == 4).all() and (run.history.seconds > 0).all() and (run.history.grad_norm > 0).all()
    assert "Finished after step 24 of 24. Kept: all of it at step 24" in run.message


def test_paused_and_resumed_at_any_moment_it_gives_the_same_numbers(whole):
    run, draw = Run(model(), batches(), steps=STEPS), random.Random(0)
    while run.state != "finished":
        run.start()
        time.sleep(draw.random() * 0.05)
        run.pause().wait(60)
    assert same(run, whole)


def test_pause_is_obeyed_within_one_step():
    run = Run(model(), batches(), steps=500).start()
    until(run, 3)
    run.pause()
    at = len(run.history)
    run.wait(60)
    assert run.state == "paused" and len(run.history) <= at + 1
    assert run.moments.newest.step == len(run.history), "what is paused is kept, too"
    run.stop()
    assert run.state == "stopped" and run.message.startswith("Stopped after step")


def test_followers_hear_every_step_and_do_not_keep_or_end_a_run(monkeypatch):
    heard, errors = [], []
    monkeypatch.setattr(threading, "excepthook", lambda args: errors.append(args.exc_value))

    class Follower:
        def told(self, event):
            heard.append(event)
            raise ValueError("a follower's mistake")

    follower = Follower()
    gone = weakref.ref(follower)
    run = Run(model(), batches(), steps=4)
    run.follow(follower.told)
    end = run.follow(lambda event: None)
    run.start().wait(60)
    assert [event.step.index for event in heard if event.kind == "step"] == [1, 2, 3, 4]
    assert [event.kind for event in heard].count("state") == 2 and run.state == "finished"
    assert len(errors) == len(heard)
    del follower
    heard.clear()
    errors.clear()
    gc.collect()
    assert gone() is None
    end()
    end()


def test_a_changed_rate_is_remembered_and_repeated(tmp_path, whole):
    run = Run(model(), batches(), steps=STEPS, folder=tmp_path / "a", share=1.0, every=5)
    run.follow(lambda event: run.pause() if event.step and event.step.index == 9 else None)
    run.start().wait(60)
    assert len(run.history) == 9
    run.lr = 2e-4
    assert run.lr == 2e-4
    run.follow(lambda event: setattr(run, "lr", 5e-3) if event.step and event.step.index == 14 else None)
    run.resume().wait(60)
    assert run.loop.changes == {9: 2e-4, 14: 5e-3}
    assert run.history.loss.tolist()[:10] == whole[0][:10] and run.history.loss[11] != whole[0][11]
    schedule = [mv.train.schedule.cosine(i, steps=STEPS, peak=1.0, warmup=1) for i in range(STEPS)]
    peaks = [1e-3] * 9 + [2e-4] * 5 + [5e-3] * 10
    assert run.history.lr.tolist() == pytest.approx([a * b for a, b in zip(schedule, peaks, strict=True)])
    # the whole once more, from a step before the changes, in another kernel: only the folder is known
    for moment in [each for each in run.moments if each.step > 5]:
        moment.path.unlink()
    again = Run.open(tmp_path / "a", model(seed=5), batches())
    assert len(again.history) == 5
    again.resume().wait(60)
    assert again.history.loss.tolist() == run.history.loss.tolist()
    assert torch.equal(weights(again.model), weights(run.model))
    with pytest.raises(ValueError, match="positive"):
        run.lr = 0


def test_a_run_goes_on_after_a_restart_of_the_kernel(tmp_path, whole):
    run = Run(model(), batches(), steps=STEPS, folder=tmp_path / "run", name="mine")
    run.follow(lambda event: run.stop() if event.step and event.step.index == 7 else None)
    run.start().wait(60)
    assert run.state == "stopped"
    kept = Run.open(tmp_path / "run")
    assert (kept.name, kept.state, len(kept.history), kept.steps, kept.lr) == ("mine", "stopped", 7, STEPS, 1e-3)
    assert kept.history.loss.tolist() == whole[0][:7] and kept.history.health.keys() == run.history.health.keys()
    with pytest.raises(ValueError, match=r"without a model or batches: Run.open\(folder, model, batches\)"):
        kept.start()
    again = Run(model(seed=3), batches(), steps=STEPS, folder=tmp_path / "run")  # the same cell run once more
    again.start().wait(60)
    assert same(again, whole)
    with pytest.raises(ValueError, match=r"steps 24 \(now 9\)"):
        Run(model(), batches(), steps=9, folder=tmp_path / "run")
    with pytest.raises(ValueError, match="holds no run"):
        Run.open(tmp_path)


@pytest.mark.parametrize("seed", range(4))
def test_interrupted_anywhere_it_keeps_something_whole_and_goes_on_to_the_same_numbers(tmp_path, whole, seed):
    draw = random.Random(seed)
    run = Run(model(), batches(), steps=STEPS, folder=tmp_path, share=1.0, every=3)
    interrupts = 0
    for _ in range(12):
        run.start()
        time.sleep(draw.random() * 0.08)
        if run.state == "running":
            interrupt(run._driver.thread)
        run._driver.join(60)
        interrupts += isinstance(run.error, KeyboardInterrupt)
        assert run.state in ("failed", "finished")
        if run.state == "failed":
            assert run.message.startswith("Interrupted after step") and "Kept: all of it at step" in run.message
            assert (
                Run.open(tmp_path, model(seed=9), batches()).history.loss.tolist()
                == whole[0][: run.moments.newest.step]
            )
    assert interrupts >= 2
    run.start().wait(60)
    assert same(run, whole)


def test_half_a_step_is_given_up_for_what_was_kept(tmp_path, whole):
    m = model()
    run = Run(m, batches(), steps=STEPS, folder=tmp_path, share=1.0, every=4)
    plain, calls = run.loop.optimizer.step, iter(range(99))

    def half_a_step():
        if next(calls) == 9:
            with torch.no_grad():
                next(m.parameters()).add_(1)
            raise KeyboardInterrupt
        plain()

    run.loop.optimizer.step = half_a_step
    with pytest.raises(KeyboardInterrupt):
        run.start().wait(60)
    assert "after step 9 of 24. Kept: all of it at step 8" in run.message
    assert "left halfway: resume() goes back" in run.message
    run.resume().wait(60)
    assert same(run, whole)


@pytest.fixture
def interruptible():
    """A background job of a shell ignores Ctrl-C, and Python with it; here it is heard."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_while_waiting_stops_and_keeps(capsys, interruptible):
    run = Run(model(), batches(), steps=5000).start()
    try:
        until(run, 2)
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            run.wait(60)
    finally:
        run.stop()  # a run left behind would draw from the random numbers of every test after this one
    assert run.state == "stopped" and run.moments.newest.step == len(run.history)
    assert capsys.readouterr().out.startswith(f"Stopped after step {len(run.history)} of 5000. Kept: all of it")


def test_out_of_memory_keeps_the_step_before_and_can_be_tried_again(whole):
    def full():
        raise torch.cuda.OutOfMemoryError("tried to allocate 2 GiB")

    run = Run(At(6, full), batches(), steps=STEPS)
    run.start()
    with pytest.raises(torch.cuda.OutOfMemoryError):
        run.wait(60)
    assert run.state == "failed" and run.moments.newest.step == 6
    assert (
        "Failed (OutOfMemoryError: tried to allocate 2 GiB) after step 6 of 24. Kept: all of it at step 6"
        in run.message
    )
    assert all(p.grad is None for p in run.model.parameters())
    run.resume().wait(60)
    assert run.history.loss.tolist() == whole[0]


def test_a_full_disk_leaves_the_moment_before_and_no_scraps(tmp_path, whole, monkeypatch):
    run = Run(model(), batches(), steps=STEPS, folder=tmp_path, share=1.0, every=4)
    plain, calls = checkpoint.save_file, iter(range(99))

    def full(tensors, path, metadata):
        if next(calls) >= 3:
            path.write_bytes(b"half a file")
            raise OSError(errno.ENOSPC, "No space left on device")
        plain(tensors, path, metadata=metadata)

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(OSError, match="No space left"):
        run.start().wait(60)
    assert run.state == "failed" and "No space left" in run.message and "Kept: all of it at step 8" in run.message
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json"] + 3 * [".safetensors"]
    kept = Run.open(tmp_path, model(seed=2), batches())
    assert kept.history.loss.tolist() == whole[0][:8]
    monkeypatch.undo()
    run.resume().wait(60)  # space was made
    assert same(run, whole)


def test_a_branch_from_any_step_begins_with_its_numbers(tmp_path, whole):
    run = Run(model(), batches(), steps=STEPS, folder=tmp_path / "run", share=1.0, every=6).start().wait(60)
    twin = run.branch(6)
    assert twin.folder == tmp_path / "run-from-6" and len(twin.history) == 6
    twin.start().wait(60)
    assert same(twin, whole)
    other = run.branch(9, lr=3e-3)  # not kept: steps 7 to 9 are done over
    assert torch.equal(weights(run.branch(9).model), weights(other.model))
    other.start().wait(60)
    assert other.history.loss.tolist()[:10] == whole[0][:10] and other.history.loss[11] != whole[0][11]
    assert same(run, whole), "the first run is as it was"
    again = Run.open(other.folder, model(), batches())
    assert torch.equal(weights(again.model), weights(other.model))
    with pytest.raises(ValueError, match="0 to 24 are done"):
        run.branch(25)
    loader = torch.utils.data.DataLoader(torch.rand(8, 3, 16, 16), batch_size=4)
    unordered = Run(model(), loader, steps=6, every=3, share=1.0).start().wait(60)
    assert len(unordered.branch(3).history) == 3
    with pytest.raises(ValueError, match=r"cannot be repeated, as batches \(DataLoader\)"):
        unordered.branch(4)


def test_two_runs_at_once_do_not_disturb_each_other(whole):
    both = [Run(model(), batches(), steps=STEPS) for _ in range(2)]
    for run in both:
        run.start()
    for run in both:
        run.wait(60)
    assert all(same(run, whole) for run in both)


def test_copies_are_of_the_moment_and_leave_the_run_alone(whole):
    run = Run(model(), batches(), steps=STEPS, share=1.0, every=4).start()
    copies = []
    while run.state == "running":
        copies.append(run.at())
    run.wait(60)
    assert same(run, whole) and copies
    assert not copies[0].training and run.at(8) is not run.model
    assert torch.equal(weights(run.at(24)), whole[1])


def test_what_cannot_be_run_is_refused_with_its_cause():
    for wrong, said in (({"budget": 0}, "must be positive"), ({"every": 0}, "must be positive"), ({"share": 2}, "share is 2"),
                        ({"steps": 0}, "must be positive")):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            Run(model(), batches(), **wrong)
    with pytest.raises(TypeError, match="stepz"):
        Run(model(), batches(), stepz=3)
    with pytest.raises(ValueError, match="nothing to train"):
        Run(model().requires_grad_(False), batches())
    run = Run(model(), [pictures()], steps=3)
    slow = Run(At(1, lambda: time.sleep(0.5)), batches(), steps=3).start()
    with pytest.raises(TimeoutError, match="still trains"):
        slow.wait(0.05)
    slow.wait(60)
    with pytest.raises(TypeError, match="uint8"):
        run.start().wait(60)
