"""The pure parts of the loop; tests/training/test_fit.py holds what a whole run promises."""

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from hierattn.image_spec import ImageSpec
from hierattn.training.loop import Learner, Position, epoch_row, prepare_images, rate_at, steps_per_epoch, take_step
from hierattn.training.optimisation.objective import Objective
from hierattn.training.recipe import Recipe

PIXELS = torch.randint(0, 256, (4, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 0])


def recipe(**tables):
    return Recipe.from_dict({"optimiser": {"batch_size": 4, "epochs": 10, "warmup_epochs": 2}, **tables})


def learner(chosen):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 3))
    fabric, optimiser = Fabric(accelerator="cpu"), torch.optim.SGD(model.parameters(), lr=0.1)
    model, optimiser = fabric.setup(model, optimiser)
    return Learner(fabric, model, optimiser, None, None, ImageSpec(size=32), chosen, Objective())


def test_an_epoch_has_whole_batches_and_at_least_one():
    assert steps_per_epoch(recipe(), 11) == 2
    assert steps_per_epoch(recipe(), 3) == 1
    assert steps_per_epoch(recipe(data={"epoch_images": 9}), 1000) == 2


def test_the_rate_starts_over_once_the_frozen_epochs_are_done():
    plain, frozen = recipe(), recipe(transfer={"checkpoint": "x", "frozen_epochs": 5})
    assert rate_at(plain, 2) == plain.optimiser.learning_rate
    assert rate_at(plain, 0) == rate_at(frozen, 0) == rate_at(frozen, 5) == plain.optimiser.final_learning_rate


def test_nothing_is_changed_where_every_range_is_zero():
    still = recipe(augmentation={"rotation": 0, "horizontal_flip": 0})
    images, mix = prepare_images(learner(still), PIXELS, 0, 0)
    assert mix is None
    torch.testing.assert_close(images, PIXELS.permute(0, 3, 1, 2) / 255)


def test_a_step_has_its_own_draws_whenever_it_is_taken():
    mixed = learner(recipe(mixing={"mixup": 0.4}))
    one, again, other = (prepare_images(mixed, PIXELS, 3, step)[0] for step in (5, 5, 6))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_a_step_lowers_the_loss_by_gradient_descent():
    images = PIXELS.permute(0, 3, 1, 2) / 255
    ours = learner(recipe())
    weight = ours.model.module[1].weight.detach().clone()
    loss, logits = take_step(ours, images, LABELS, None)
    assert logits.shape == (4, 3)
    gradient = (logits.softmax(1) - torch.nn.functional.one_hot(LABELS, 3)) / 4
    torch.testing.assert_close(ours.model.module[1].weight, weight - 0.1 * gradient.detach().T @ images.flatten(1))
    assert loss.item() == pytest.approx(torch.nn.functional.cross_entropy(logits, LABELS).item())


def test_the_row_of_an_epoch_is_over_its_images():
    row = epoch_row(
        Position(epoch=3, step=5, loss_sum=30.0, correct=10, seconds=2.0), recipe(), {"validation_top1": 0.5}
    )
    assert (row["epoch"], row["train_loss"], row["train_top1"]) == (3, 30 / 20, 10 / 20)
    assert (row["images_per_second"], row["validation_top1"]) == (10, 0.5)
