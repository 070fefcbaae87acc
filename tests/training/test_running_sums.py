"""The sums of an epoch: the mean loss and the correct answers, and a loss that is not finite stops the run."""

import pytest
import torch
from lightning_fabric import Fabric
from tiny_runs import tiny_recipe, with_one_thread

from hierattn.errors import TrainingError
from hierattn.models.registry import create_model
from hierattn.training.fit import fit
from hierattn.training.running_sums import RunningSums


@pytest.fixture(autouse=True)
def one_thread():
    yield from with_one_thread()


@pytest.fixture
def recipe(prepared):
    return tiny_recipe(prepared)


def test_a_diverging_run_stops_with_what_to_try(recipe, tmp_path, monkeypatch):
    def exploding(name, num_classes, **options):
        model = create_model(name, num_classes, **options)
        torch.nn.init.constant_(model.classifier.weight, float("inf"))
        return model

    monkeypatch.setattr("hierattn.training.run.create_model", exploding)
    with pytest.raises(TrainingError, match="learning_rate"):
        fit(recipe, tmp_path / "run", device="cpu")


def test_the_sums_are_over_images_and_continue_those_of_earlier_steps():
    sums = RunningSums(Fabric(accelerator="cpu"), 6.0, 3)
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0], [1.0, 0.0]])
    sums.add(torch.tensor(0.5), logits, torch.tensor([0, 1, 1, 0]))  # the third is wrong
    assert sums.read(0, 2) == (6.0 + 4 * 0.5, 3 + 3)
    assert sums.glance(0, 2, 4) == 1.0
    sums.add(torch.tensor(float("nan")), logits, torch.tensor([0, 1, 1, 0]))
    for look in (lambda: sums.read(0, 3), lambda: sums.glance(0, 3, 4)):
        with pytest.raises(TrainingError, match="epoch 1, by step 3"):
            look()
