import threading
import time

import numpy as np
import pytest
import torch

from hierattn.training.feed import Stopwatch, TrainingImages, read_ahead

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 4, 4, 3), dtype=np.uint8)
ROWS, LABELS = np.array([1, 3, 5, 7, 9, 11]), np.array([0, 1, 2, 0, 1, 2])
ORDER = np.array([5, 0, 3, 3, 1, 2])


def collect(batches):
    return [tuple(part.clone() for part in batch) for batch in batches]


@pytest.mark.parametrize("images", [IMAGES, torch.from_numpy(IMAGES)], ids=["memory", "device"])
def test_batches_are_the_training_parts_images_in_order_with_their_labels(images):
    answers = np.arange(24, dtype=np.float32).reshape(12, 2)
    for asked in (None, answers):
        data = TrainingImages(images, ROWS, LABELS, answers=asked)
        batches = collect(data.batches(ORDER, 2, torch.device("cpu")))
        assert len(batches) == 3
        pixels, labels, told = (torch.cat(parts) for parts in zip(*batches, strict=True))
        torch.testing.assert_close(pixels.numpy(), IMAGES[ROWS[ORDER]])
        assert labels.tolist() == LABELS[ORDER].tolist()
        wanted = np.zeros((6, 0), np.float32) if asked is None else answers[ROWS[ORDER]]
        np.testing.assert_array_equal(told.numpy(), wanted)


def test_reading_ahead_gives_the_same_batches_and_stays_so_far_ahead():
    made = []

    def batches():
        for number in range(20):
            made.append(number)
            yield torch.tensor([number]), torch.tensor([number])

    ahead = read_ahead(batches(), 3)
    first = next(ahead)
    deadline = time.monotonic() + 10
    while len(made) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(made) == 5  # one taken, three waiting, one in hand
    rest = [int(images) for images, _ in ahead]
    assert [int(first[0]), *rest] == list(range(20))


def test_an_error_while_reading_ahead_is_raised_where_the_batches_are_used():
    def batches():
        yield torch.zeros(1), torch.zeros(1)
        raise OSError("the disk is gone")

    ahead = read_ahead(batches(), 2)
    next(ahead)
    with pytest.raises(OSError, match="gone"):
        next(ahead)


def test_leaving_early_ends_the_thread():
    def batches():
        while True:
            yield torch.zeros(1), torch.zeros(1)

    ahead = read_ahead(batches(), 2)
    next(ahead)
    ahead.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "read-ahead"]


def test_the_stopwatch_counts_waiting_and_not_working():
    def batches():
        for _ in range(3):
            time.sleep(0.02)
            yield torch.zeros(1), torch.zeros(1)

    watch, began = Stopwatch(batches()), time.perf_counter()
    for _ in watch:
        time.sleep(0.03)
    assert watch.waited >= 0.06
    assert time.perf_counter() - began - watch.waited >= 0.09
