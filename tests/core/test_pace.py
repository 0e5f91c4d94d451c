import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoscope.clock import Clock
from isoscope.pace import Pace

few = settings(max_examples=20, deadline=None)
replans = st.lists(st.tuples(st.integers(1, 20), st.integers(-5, 200)), max_size=6)


def walk(steps, plans):
    """A run that is re-planned as it goes: each plan waits some steps, then wants to end some steps later."""
    pace, step = Pace.fixed(steps), 0
    for wait, more in plans:
        step += wait
        if step >= pace.total:
            break
        pace.replan(step, step + more)
    return pace


@given(st.integers(1, 300), replans)
@few
def test_progress_rises_from_0_to_1_and_ends_there(steps, plans):
    pace = walk(steps, plans)
    seen = [pace.u(k) for k in range(pace.total + 1)]
    assert seen[0] == 0.0
    assert seen[-1] == 1.0
    assert all(a < b for a, b in pairwise(seen))


@given(st.integers(1, 300), replans)
@few
def test_a_replan_never_changes_the_past(steps, plans):
    pace = walk(steps, plans)
    last = pace.pieces[-1][0]
    before = [pace.u(k) for k in range(last + 1)]
    pace.replan(last, pace.total + 50)
    assert [pace.u(k) for k in range(last + 1)] == before


@given(st.integers(1, 300), replans)
@few
def test_saved_pieces_bring_the_same_progress_back(steps, plans):
    pace = walk(steps, plans)
    restored = Pace([(s, u, n) for s, u, n in json.loads(json.dumps(pace.pieces))])
    assert restored.total == pace.total
    assert [restored.u(k) for k in range(pace.total + 1)] == [pace.u(k) for k in range(pace.total + 1)]


@pytest.mark.parametrize("total", [-3, 0, 7])
def test_a_run_out_of_time_ends_one_step_from_now(total):
    pace = Pace.fixed(100)
    pace.replan(7, total)
    assert (pace.total, pace.u(8)) == (8, 1.0)


def test_a_fixed_run_is_linear():
    assert [Pace.fixed(4).u(k) for k in range(5)] == [0, 0.25, 0.5, 0.75, 1]


def test_waiting_counts_from_the_second_batch_on(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("isoscope.clock.time.monotonic", lambda: now[0])

    def batches():
        for seconds in (50.0, 1.0, 3.0):
            now[0] += seconds
            yield seconds

    clock = Clock()
    assert (clock.waiting, clock.waited_share) == (0.0, 0.0)
    for step, _ in enumerate(clock.watched(batches())):
        now[0] += 4.0  # of training
        clock.rate(step + 1)
    assert clock.waited == 4.0
    assert clock.waited_share == 4.0 / 16.0
    assert clock.waiting == 4.0 / 12.0  # between the first report and the last
    assert clock.rate(4) > 0
