"""TensorBoard's own reader finds every epoch once, also where it was turned on in the middle of a run."""

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests.tracking.conftest import begin, row

from hierattn.tracking.tensorboard_events import TensorBoardEvents


def epochs_of(folder):
    events = EventAccumulator(str(folder.events))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars("train_loss")]


def test_each_epoch_is_written_once_and_a_repeated_one_replaces_the_former(tmp_path):
    folder = begin(tmp_path / "run")
    first = TensorBoardEvents(folder, [], 0)
    for epoch in (0, 1):
        first.log(row(epoch))
    first.close("stopped")
    again = TensorBoardEvents(folder, [row(0)], 1)  # the state was of the first epoch
    again.log(row(1))
    again.close("finished")
    assert epochs_of(folder) == [(epoch, row(epoch)["train_loss"]) for epoch in (0, 1)]


def test_epochs_before_it_was_turned_on_are_written_too(tmp_path):
    folder = begin(tmp_path / "run", epochs=2)
    late = TensorBoardEvents(folder, [row(0), row(1)], 2)
    late.log(row(2))
    late.close("finished")
    assert [epoch for epoch, _ in epochs_of(folder)] == [0, 1, 2]
