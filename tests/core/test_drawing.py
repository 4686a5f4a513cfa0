import threading

import torch

from mimviz.core import drawing


def test_numbers_depend_on_the_seed_alone_and_the_caller_s_are_left_alone():
    torch.manual_seed(1)
    wanted = torch.rand(4)
    torch.manual_seed(1)
    first = torch.rand(2)
    with drawing(7):
        some = torch.rand(3)
        with drawing(7):  # also inside of itself
            assert torch.equal(torch.rand(3), some)
    assert torch.equal(torch.cat([first, torch.rand(2)]), wanted)


def test_two_threads_draw_in_turns():
    found, ready = {}, threading.Barrier(2)

    def draw(seed):
        ready.wait()
        for _ in range(200):
            with drawing(seed):
                found.setdefault(seed, set()).add(tuple(torch.rand(1).item() for _ in range(5)))

    threads = [threading.Thread(target=draw, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(each) for each in found.values()] == [1, 1]
