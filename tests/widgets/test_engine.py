import gc
import threading
import time
import weakref

import pytest

from mimviz.widgets import Engine


class Desk:
    """Takes answers, as a widget would."""

    def __init__(self, **options):
        self.answers = []
        self.engine = Engine(self.take, **options)

    def take(self, answer):
        self.answers.append(answer)

    @property
    def values(self):
        return [answer.value for answer in self.answers]


@pytest.fixture
def desk():
    desk = Desk()
    yield desk
    desk.engine.close()


def worker_threads():
    return [thread for thread in threading.enumerate() if thread.name == "mimviz-engine"]


def gone(limit=2.0):
    """No worker thread is left, at the latest after `limit` seconds."""
    end = time.perf_counter() + limit
    while worker_threads() and time.perf_counter() < end:
        time.sleep(0.005)
    return not worker_threads()


def test_an_answer_arrives_in_another_thread_with_its_time(desk):
    where = []
    desk.engine.ask(job := lambda turn: where.append(threading.current_thread()) or time.sleep(0.02) or 42)
    assert desk.engine.wait(5)
    (answer,) = desk.answers
    assert (answer.value, answer.error, answer.job, answer.final) == (42, None, job, True)
    assert where != [threading.current_thread()]
    assert 18 < answer.ms < 500


def test_latest_wins(desk):
    go = threading.Event()
    desk.engine.ask(lambda turn: go.wait(5) and 0)
    while desk.engine.runs == 0:
        time.sleep(0.001)
    for number in range(1, 200):
        desk.engine.ask(lambda turn, number=number: number)
    go.set()
    assert desk.engine.wait(5)
    assert desk.values == [0, 199]
    assert (desk.engine.events, desk.engine.runs) == (200, 2)


def test_a_stream_of_questions_never_queues_and_ends_with_the_last(desk):
    for number in range(60):
        desk.engine.ask(lambda turn, number=number: time.sleep(0.01) or number)
        time.sleep(0.002)
    assert desk.engine.wait(5)
    assert desk.values == sorted(desk.values)
    assert desk.values[-1] == 59
    assert 3 < desk.engine.runs < desk.engine.events == 60  # it kept answering on the way, and skipped most


def test_a_job_sees_that_it_is_stale_and_may_stay_silent(desk):
    started = threading.Event()

    def patient(turn):
        assert not turn.stale()
        started.set()
        while not turn.stale():
            time.sleep(0.001)

    desk.engine.ask(patient)
    started.wait(5)
    desk.engine.ask(lambda turn: "newer")
    assert desk.engine.wait(5)
    assert desk.values == ["newer"]


def test_partial_results_come_before_the_last(desk):
    def job(turn):
        turn.share(1)
        turn.share(2)
        return 3

    desk.engine.ask(job)
    assert desk.engine.wait(5)
    assert [(a.value, a.final) for a in desk.answers] == [(1, False), (2, False), (3, True)]


def test_an_exception_is_an_answer_and_the_next_job_works(desk):
    desk.engine.ask(lambda turn: 1 / 0)
    desk.engine.wait(5)
    desk.engine.ask(lambda turn: "fine")
    desk.engine.wait(5)
    assert isinstance(desk.answers[0].error, ZeroDivisionError)
    assert desk.answers[1].value == "fine"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_receiver_that_raises_does_not_end_the_thread(desk):
    desk.answers = None  # take() fails now, as the observer of a user may
    desk.engine.ask(lambda turn: 1)
    assert desk.engine.wait(5)
    desk.answers = []
    desk.engine.ask(lambda turn: 2)
    assert desk.engine.wait(5)
    assert desk.values == [2]


def test_wait_times_out_and_wakes_on_close(desk):
    go = threading.Event()
    desk.engine.ask(lambda turn: go.wait(5))
    assert not desk.engine.wait(0.01)
    threading.Timer(0.02, desk.engine.close).start()
    start = time.perf_counter()
    assert not desk.engine.wait(5)
    assert time.perf_counter() - start < 2
    go.set()


def test_waiting_inside_an_answer_is_refused():
    class Nosy(Desk):
        def take(self, answer):
            with pytest.raises(RuntimeError, match="wait for itself"):
                self.engine.wait(1)
            super().take(answer)

    nosy = Nosy()
    nosy.engine.ask(lambda turn: 1)
    assert nosy.engine.wait(5)
    assert nosy.values == [1]
    nosy.engine.close()


def test_close_in_the_middle_of_a_job(desk):
    started, go = threading.Event(), threading.Event()
    desk.engine.ask(lambda turn: started.set() or go.wait(5))
    started.wait(5)
    desk.engine.ask(lambda turn: "never")
    desk.engine.close()
    desk.engine.close()
    go.set()
    assert gone()
    assert desk.answers == []
    assert desk.engine.runs == 1
    with pytest.raises(RuntimeError, match="closed"):
        desk.engine.ask(lambda turn: 1)


def test_the_thread_is_a_daemon_ends_when_idle_and_comes_back():
    desk = Desk(idle=0.02)
    assert not worker_threads()
    for value in (1, 2):
        desk.engine.ask(lambda turn, value=value: value)
        assert all(thread.daemon for thread in worker_threads())
        assert desk.engine.wait(5)
        assert gone()
    assert desk.values == [1, 2]


def test_it_keeps_neither_widget_nor_job_alive():
    desk = Desk()

    class Model:
        def __call__(self, turn):
            return "seen"

    model = Model()
    desk.engine.ask(model)
    desk.engine.wait(5)
    desk.answers.clear()
    widget, weights, engine = weakref.ref(desk), weakref.ref(model), desk.engine
    del model
    gc.collect()
    assert weights() is None  # although the thread still idles
    del desk
    gc.collect()
    assert widget() is None
    assert engine.closed
    assert gone()
