"""Several teachers, their features, and that making them quick changes nothing that they say."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_sets import isic_set

from hierattn.data.prepare.options import PrepareOptions
from hierattn.data.prepare.prepare import prepare
from hierattn.data.prepared_set.packed import PackedSet
from hierattn.data.prepared_set.parts import split
from hierattn.deploy.export.onnx import export_onnx
from hierattn.deploy.export.wrapped import wrap
from hierattn.errors import LeakError, UsageError
from hierattn.models.inference import to_unit
from hierattn.models.registry import create_model
from hierattn.models.weights.checkpoint import Checkpoint, save_checkpoint
from hierattn.models.weights.trained_on import TrainedOn
from hierattn.taxonomy.built_in import EIGHT
from hierattn.training.teaching.held_out import Admission, HeldOut, seen_in
from hierattn.training.teaching.teachers import Teachers, fold_norms

CLASSES = ("MEL", "NV")


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> PackedSet:
    folder = tmp_path_factory.mktemp("teachers")
    prepare(isic_set(folder / "isic", ["MEL"] * 8 + ["NV"] * 16), folder / "set", PrepareOptions(size=64, folds=4))
    return PackedSet.open(folder / "set")


@pytest.fixture(scope="module")
def weights(packed: PackedSet, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two teachers, the second with its classes the other way round, and the first as a bundle."""
    folder = tmp_path_factory.mktemp("weights")
    paths = []
    for seed, classes in ((0, CLASSES), (1, CLASSES[::-1])):
        torch.manual_seed(seed)
        model = create_model("hierattn_xs", 2)
        path = folder / f"{seed}.safetensors"
        checkpoint = Checkpoint("hierattn_xs", EIGHT.subset(classes), packed.image_spec, model.state_dict())
        checkpoint = replace(checkpoint, trained_on=seen_in(packed, split(packed.records, 0)))
        save_checkpoint(path, checkpoint)
        paths.append(path)
        if not seed:
            export_onnx(wrap(checkpoint), folder / "0.onnx")
    return [*paths, folder / "0.onnx"]


def teachers(packed: PackedSet, paths: list[Path], *, features: bool = False, fold: int = 0) -> Teachers:
    return Teachers(
        paths,
        Admission(CLASSES, packed.image_spec, HeldOut(packed, fold, split(packed.records, fold)), lambda text: None),
        images=images(packed),
        with_features=features,
        device=torch.device("cpu"),
    )


def images(packed: PackedSet) -> torch.Tensor:
    return to_unit(torch.from_numpy(np.array(packed.images[:8])), 64)


def said_by(path: Path, packed: PackedSet, classes: tuple[str, ...]) -> torch.Tensor:
    from hierattn.models.weights.checkpoint import load_checkpoint

    order = [classes.index(code) for code in CLASSES]
    with torch.no_grad():
        logits: torch.Tensor = load_checkpoint(path).build()(images(packed))[:, order]
    return logits


def test_one_teacher_says_its_own_logits_in_the_runs_order(packed: PackedSet, weights: list[Path]) -> None:
    for path, classes in ((weights[0], CLASSES), (weights[1], CLASSES[::-1])):
        lesson = teachers(packed, [path]).answer(images(packed))
        torch.testing.assert_close(lesson.logits, said_by(path, packed, classes), rtol=1e-4, atol=1e-5)
        assert lesson.features is None


def test_two_teachers_say_the_mean_of_their_probabilities(packed: PackedSet, weights: list[Path]) -> None:
    both = teachers(packed, weights[:2]).answer(images(packed)).logits
    one, two = (said_by(path, packed, c) for path, c in ((weights[0], CLASSES), (weights[1], CLASSES[::-1])))
    torch.testing.assert_close(both.exp(), (one.softmax(1) + two.softmax(1)) / 2, rtol=1e-4, atol=1e-5)


def test_a_bundle_teaches_what_its_checkpoint_does(packed: PackedSet, weights: list[Path]) -> None:
    of_bundle = teachers(packed, [weights[2]]).answer(images(packed)).logits
    torch.testing.assert_close(of_bundle, said_by(weights[0], packed, CLASSES), rtol=1e-3, atol=1e-4)


def test_features_are_standardised_over_the_images_given(packed: PackedSet, weights: list[Path]) -> None:
    lesson = teachers(packed, weights[:2], features=True).answer(images(packed))
    assert lesson.features.shape == (8, 2 * 768)
    torch.testing.assert_close(lesson.features.mean(0), torch.zeros(2 * 768), atol=1e-3, rtol=0)
    varies = lesson.features.std(0) > 0.5  # all but those that are the same for every image
    torch.testing.assert_close(lesson.features.std(0)[varies], torch.ones(int(varies.sum())), atol=1e-3, rtol=0)
    assert varies.float().mean() > 0.9


def test_every_teacher_is_asked_what_it_has_seen(packed: PackedSet, weights: list[Path], tmp_path: Path) -> None:
    seen = seen_in(packed, split(packed.records, 2))
    torch.manual_seed(2)
    state = create_model("hierattn_xs", 2).state_dict()
    path = tmp_path / "seen.safetensors"
    save_checkpoint(path, Checkpoint("hierattn_xs", EIGHT.subset(CLASSES), packed.image_spec, state, trained_on=seen))
    with pytest.raises(LeakError):
        teachers(packed, [weights[0], path])
    known = teachers(packed, weights[:2]).trained_on
    wanted = seen_in(packed, split(packed.records, 0))
    assert isinstance(known, TrainedOn)
    assert known.trained.tolist() == wanted.trained.tolist()


def test_a_teacher_without_a_classifier_is_asked_for_its_features_alone(packed: PackedSet, tmp_path: Path) -> None:
    net = create_model("mobilenet_v2").eval()
    fold_norms(net)
    arrays = {
        f"{name}.{leaf}": getattr(part, leaf).detach().numpy()
        for name, part in net.named_modules()
        if isinstance(part, torch.nn.Conv2d)
        for leaf in ("weight", "bias")
    }
    np.savez(tmp_path / "net.npz", **arrays)
    with pytest.raises(UsageError, match=r"distillation\.features"):
        teachers(packed, [tmp_path / "net.npz"])
    found = teachers(packed, [tmp_path / "net.npz"], features=True)
    lesson = found.answer(images(packed))
    assert not found.classify
    assert lesson.logits is None
    assert lesson.features.shape == (8, 1280)


@pytest.mark.parametrize(("name", "folded"), [("mobilenet_v2", 52), ("hierattn_xs", 32), ("efficientnet_b0", 49)])
def test_folding_normalisations_changes_no_answer(name: str, folded: int) -> None:
    torch.manual_seed(1)
    model = create_model(name, 3).train()
    pixels = torch.rand(4, 3, 64, 64)
    with torch.no_grad():
        model(pixels)  # running statistics that are not 0 and 1
        before = model.eval()(pixels)
        assert fold_norms(model) == folded
        torch.testing.assert_close(model(pixels), before, rtol=1e-4, atol=1e-5)
