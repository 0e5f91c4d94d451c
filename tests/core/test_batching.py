import pytest
import torch

from isoscope.errors import IsoscopeError
from isoscope.inference.batching import Batch, out_of_memory


class Network:
    """Doubles its input; runs out of memory beyond `room` tiles, and takes the seconds it is told."""

    def __init__(self, room=1000, wrong_from=1000, error=None):
        self.room, self.wrong_from, self.calls = room, wrong_from, []
        self.error = error or torch.OutOfMemoryError("CUDA out of memory")

    def __call__(self, tiles):
        self.calls.append(len(tiles))
        if len(tiles) > self.room:
            raise self.error
        return torch.stack(list(tiles)) * 2 + (1e-3 if len(tiles) >= self.wrong_from else 0)


TILES = [torch.full((1, 4, 4), float(n)) for n in range(11)]


def test_memory_that_runs_out_halves_the_batch_and_never_the_picture(caplog):
    batch = Batch(network := Network(room=3), 8)
    made = list(batch(TILES))
    assert all(torch.equal(one, tile * 2) for one, tile in zip(made, TILES, strict=True))
    assert network.calls == [8, 4, 2, 2, 2, 2, 2, 1]
    assert batch.size == 2
    assert caplog.text.count("memory ran out") == 2


def test_no_room_for_a_single_tile_is_told():
    with pytest.raises(IsoscopeError, match=r"single tile; expected room for one; give a smaller --tile"):
        list(Batch(Network(room=0), 4)(TILES))


def test_other_errors_are_not_taken_for_it():
    with pytest.raises(RuntimeError, match="shapes"):
        list(Batch(Network(room=0, error=RuntimeError("shapes")), 4)(TILES))


def test_memory_runs_out_in_several_ways():
    assert out_of_memory(MemoryError())
    assert out_of_memory(RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"))
    assert not out_of_memory(RuntimeError("size mismatch"))


@pytest.fixture
def settled(monkeypatch):
    """The size that a network is found to be fastest with, when calls take the seconds that `cost` says."""

    def measure(network, cost, coming=10_000):
        real = Batch._timed
        monkeypatch.setattr(Batch, "_timed", lambda self, tiles: (real(self, tiles)[0], cost(len(tiles))))
        batch = Batch(network)
        batch.settle(TILES[1], coming)
        return batch.size

    return measure


def overhead(n):
    """Seconds of a machine that starts every call with a pause."""
    return 0.01 + 0.001 * n


def test_a_batch_grows_as_long_as_it_pays(settled):
    assert settled(Network(), overhead) == 32
    assert settled(Network(), lambda n: 0.01 * n) == 1
    assert settled(Network(), lambda n: 0.01 * max(n, 4)) == 4


def test_a_batch_that_changes_a_single_bit_is_not_admitted(settled):
    assert settled(Network(wrong_from=4), overhead) == 2


def test_a_batch_that_does_not_fit_is_not_admitted(settled):
    assert settled(Network(room=5), overhead) == 4


def test_only_sizes_that_were_tried_are_used(settled, monkeypatch):
    settled(Network(), overhead)
    batch = Batch(network := Network())
    batch.settle(TILES[1], 10_000)
    network.calls.clear()
    assert len(list(batch(TILES))) == 11
    assert network.calls == [8, 2, 1]


def test_few_or_slow_tiles_are_not_worth_measuring(settled):
    assert settled(Network(), overhead, coming=64 * 5) == 4
    assert settled(network := Network(), overhead, coming=64) == 1
    assert network.calls == []
    assert settled(network := Network(), lambda n: 1.0 * n**0.5) == 1
    assert set(network.calls) == {1}


def test_a_size_that_was_asked_for_is_kept():
    batch = Batch(network := Network(), 5)
    batch.settle(TILES[0], 100)
    assert (batch.size, network.calls) == (5, [])


def test_a_size_is_admitted_for_each_shape_by_itself(settled):
    """Libraries add up in other orders for some shapes only: the tile that was measured tells nothing of others."""

    class Fickle(Network):
        def __call__(self, tiles):
            self.wrong_from = 4 if tiles[0].shape[-1] == 3 else 1000
            return super().__call__(tiles)

    settled(Fickle(), overhead)
    batch = Batch(network := Fickle(), shape=lambda tile: tile.shape)
    batch.settle(TILES[1], 10_000)
    odd = [tile[..., :3] for tile in TILES]
    assert all(torch.equal(one, tile * 2) for one, tile in zip(batch(odd), odd, strict=True))
    network.calls.clear()
    list(batch(odd))
    assert network.calls == [2, 2, 2, 2, 2, 1], "tried once"
    network.calls.clear()
    list(batch(TILES))
    assert network.calls == [8, 2, 1]
