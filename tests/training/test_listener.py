"""What a person reads while training."""

import io

from rich.console import Console

from hierattn.training.listener import Bar

ROW = {
    "epoch": 0, "train_loss": 1.25, "train_top1": 0.5, "validation_loss": 1.5, "validation_top1": 0.4,
    "validation_balanced_accuracy": 0.375, "validation_macro_auc": 0.8, "seconds": 12.5,
}  # fmt: skip


def test_an_epoch_is_one_line_under_one_heading_and_the_best_has_a_star():
    console = Console(file=io.StringIO(), width=120)
    bar = Bar(console, epochs=2)
    bar.start(4, 0)
    bar.step(0, 1.3, 100.0)
    bar.epoch(ROW, best=True)
    bar.step(1, None, 100.0)
    bar.epoch({**ROW, "epoch": 1}, best=False)
    bar.note("something to know")
    bar.stop()
    lines = console.file.getvalue().splitlines()
    assert sum("balanced" in line for line in lines) == 1
    first, second = (next(line for line in lines if line.split()[:1] == [number]) for number in "12")
    assert first.split()[1:] == ["1.250", "0.500", "1.500", "0.400", "0.375", "0.800", "12.5", "\N{BLACK STAR}"]
    assert "\N{BLACK STAR}" not in second
    assert any("something to know" in line for line in lines)
