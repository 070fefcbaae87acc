"""One training in a process of its own: teacher, student or paper. It ends by itself and can be killed at any second.

The process prints one line of JSON for whatever happens. It begins eager; once ``mode_file`` says that a faster way has
been proven in another process, it takes that way.
"""

from __future__ import annotations

import copy
import json
import math
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hierattn.errors import DataError, TrainingError
from hierattn.image_spec import ImageSpec
from hierattn.metrics import auc_per_class, balanced_accuracy
from hierattn.models.weights.checkpoint import Checkpoint, load_checkpoint, load_weights, save_checkpoint
from hierattn.models.weights.trained_on import TrainedOn, digests_of
from hierattn.taxonomy.built_in import EIGHT
from hierattn.training.optimisation.averaging import WeightAverage
from hierattn.training.optimisation.objective import distillation_loss
from hierattn.training.optimisation.schedule import learning_rate
from tools.gpu import outputs, states
from tools.gpu.job import DIVERGED, FULL, Job
from tools.gpu.networks import build, create, halved, start_from
from tools.gpu.pack import decode
from tools.gpu.views import Chunk, Sampler, Views, ahead

CHUNK = 512
"""Views that are made at once on a GPU, at least one batch."""
FINISHING = 6.0
"""Seconds kept for the last saving."""
TO_TORCH = {"graphs": "reduce-overhead", "default": "default"}
"""Ways that compile, as torch calls them."""


def say(event: str, **values: Any) -> None:
    """Print a line for the process that watches."""
    print(json.dumps({"event": event, **values}), flush=True)


def broken(what: str) -> None:
    """Fail where a test asks for it.

    Raises
    ------
    RuntimeError
        If the environment's ``HIERATTN_GPU_BREAK`` names ``what``.
    """
    if what in os.environ.get("HIERATTN_GPU_BREAK", "").split(","):
        raise RuntimeError(f"{what} is broken by HIERATTN_GPU_BREAK")


class Teachers:
    """Trained networks, averaged; each sees the same views, at its own size and scale."""

    def __init__(self, paths: list[str], classes: tuple[str, ...], device: torch.device) -> None:
        self.members: list[tuple[nn.Module, int, Tensor, Tensor, Tensor]] = []
        self.trained_on = TrainedOn()
        for path in paths:
            checkpoint = load_checkpoint(Path(path))
            if set(checkpoint.classes) != set(classes):
                raise DataError(f"the teacher {path} knows {checkpoint.classes}: wanted {classes}")
            network = build(checkpoint).requires_grad_(False).to(memory_format=torch.channels_last).to(device)
            spec = checkpoint.image_spec
            mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (spec.mean, spec.std))
            order = torch.tensor([checkpoint.classes.index(code) for code in classes], device=device)
            self.members.append((network, spec.size, mean, std, order))
            self.trained_on = self.trained_on.joined(checkpoint.trained_on or TrainedOn(whole=False))
        self.ways: list[Any] = [member[0] for member in self.members]

    def __bool__(self) -> bool:
        return bool(self.members)

    def compile(self, compiled: bool) -> None:
        """Run them compiled from now on, or eager."""
        self.ways = [torch.compile(one[0], dynamic=False) if compiled else one[0] for one in self.members]

    @torch.no_grad()
    def answer(self, images: Tensor) -> Tensor:
        """The logarithm of their mean probabilities, (batch, classes), for images in [0, 1]."""
        total: Tensor | None = None
        for network, (_, size, mean, std, order) in zip(self.ways, self.members, strict=True):
            seen = images
            if images.shape[-1] != size:
                seen = functional.interpolate(images, (size, size), mode="bilinear", antialias=True)
            said = network((seen - mean) / std).float()[:, order].softmax(1)
            total = said if total is None else total + said
        assert total is not None
        return (total / len(self.members)).clamp_min(1e-12).log()


class Learning:
    """A training in progress."""

    def __init__(self, job: Job) -> None:
        self.job, self.table = job, job.table
        self.device = torch.device(job.device)
        self.folders = [Path(job.out), *map(Path, job.previous)]
        self.photographs = decode(Path(job.pack), self.table["set"], Path(job.work))
        self._split()
        size, mean, std = int(self.table["size"]), float(self.table["mean"]), float(self.table["std"])
        packed = ImageSpec.from_dict(self.photographs.info["image_spec"])
        self.spec = replace(packed, size=size, mean=(mean,) * 3, std=(std,) * 3)
        self.mean, self.std = (torch.tensor(value, device=self.device) for value in (mean, std))
        self.batch = int(self.table["optimiser"]["batch_size"])
        self.per_chunk = max(CHUNK // self.batch, 1) if self.device.type == "cuda" else 1
        torch.manual_seed(int(self.table["seed"]))
        self.step, self.images, self.progress = 0, 0, 0.0
        self.teachers = Teachers(job.teachers, self.classes, self.device)
        self.trained_on = self._trained_on()
        self.network = self._network()
        rules = self.table["optimiser"]
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), lr=rules["learning_rate"], weight_decay=rules["weight_decay"],
            fused=True if self.device.type == "cuda" else None,
        )  # fmt: skip
        self.names: dict[Tensor, str] = {value: name for name, value in self.network.named_parameters()}
        self.average = WeightAverage(self.network, rules["averaging"])
        if not job.only_steps:
            self._restore()
        self.shadow = copy.deepcopy(self.network).eval()
        self.forward: Any = self.network
        self.mode = "eager"
        self.loss_sum, self.loss_steps = torch.zeros((), device=self.device), 0

    def _split(self) -> None:
        photographs, table = self.photographs, self.table
        records = photographs.records
        outer = int(table["fold"])
        folds = np.array([record.fold for record in records])
        sources = np.array([record.source for record in records])
        if (folds == outer).any():
            raise DataError(f"the pack holds photographs of fold {outer}: pack again with student.fold={outer}")
        inner = (outer + 1) % (1 + int(max(folds.max(), outer)))
        known = np.isin(sources, table["sources"]) if table["sources"] else np.ones(len(records), bool)
        self.train = np.flatnonzero(known & (folds != inner))
        trained = {records[row].group for row in self.train}
        others = ~known & np.array([record.group not in trained for record in records])
        self.shown = np.flatnonzero((folds == inner) | others)
        self.sources = [record.source for record in records]
        present = {record.label for record in records}
        self.classes = tuple(code for code in EIGHT.codes if code in present)
        self.labels = np.array([self.classes.index(record.label) for record in records], np.int64)
        if not len(self.train) or not len(self.shown):
            raise DataError(f"{len(self.train)} photographs to train on, {len(self.shown)} inner: wanted some of each")

    def _trained_on(self) -> TrainedOn:
        records = self.photographs.records
        digests = [records[row].sha256 for row in self.train]
        seen = TrainedOn(digests_of(digests), TrainedOn().chosen, all(digests))
        return seen.joined(self.teachers.trained_on) if self.teachers else seen

    def _network(self) -> nn.Module:
        network = create(self.table["network"], len(self.classes), self.table["options"])
        if self.job.start:
            path = Path(self.job.start)
            rows = self.train[np.linspace(0, len(self.train) - 1, min(128, len(self.train))).astype(int)]
            images = np.ascontiguousarray(self.photographs.images[rows])
            say("start", text=start_from(network, path, self.classes, self.spec, images))
            self.trained_on = self.trained_on.joined(_seen_by(path))
        return network.to(memory_format=torch.channels_last).to(self.device).train()

    def _restore(self) -> None:
        part = self.job.part
        kept = states.find(f"{part}.safetensors", self.folders)
        if kept is None:
            return
        averaged = load_checkpoint(kept)
        known = dict(averaged.provenance)
        if averaged.model != self.table["network"] or averaged.classes != self.classes:
            say("note", text=f"{kept} is of another network or other classes: begun anew")
            return
        trained = known.get("manifest_sha256"), averaged.recipe.get("data", {}).get("fold")
        if trained != (self.photographs.info["manifest_sha256"], int(self.table["fold"])):
            say("note", text=f"{kept} was trained on another set or fold: begun anew")
            return
        tensors: dict[str, Tensor] = {name: value.float() if value.is_floating_point() else value
                                      for name, value in averaged.state_dict.items()}  # fmt: skip
        state = states.find(f"{part}-state.safetensors", self.folders)
        present = states.load_tensors(state) if state is not None else (tensors, {})
        load_weights(self.network, present[0])
        self.step = int(present[1].get("step", known["step"]))
        self.images = int(present[1].get("images", known["images"]))
        self.progress = float(present[1].get("progress", known["progress"]))
        there = {name: value.to(self.device) for name, value in tensors.items()}
        self.average.load_state_dict({"updates": self.step, "tensors": there})
        moments = states.find(f"{part}-moments.safetensors", self.folders)
        if moments is not None:
            states.restore_moments(self.optimiser, self.names, states.load_tensors(moments)[0], self.step)
        say("resumed", step=self.step, images=self.images, progress=round(self.progress, 4), file=str(kept))

    # --- steps -----------------------------------------------------------------------------------------------------

    def take_way(self, mode: str) -> None:
        """Run the network in another way from now on, with ``+teachers`` the teachers too."""
        way, _, more = mode.partition("+")
        self.mode, self.forward = "eager", self.network
        self.teachers.compile(False)
        if way in TO_TORCH:
            broken(way)
            say("compiling", mode=mode)
            self.forward = torch.compile(self.network, mode=TO_TORCH[way], dynamic=False)
            self.teachers.compile(more == "teachers")
            self.mode = mode

    def take_step(self, images: Tensor, labels: Tensor, share: float, partner: Tensor) -> None:
        """One step of the optimiser."""
        table, rules = self.table, self.table["optimiser"]
        half = rules["precision"] == "bf16-mixed"
        if half:
            broken("bf16")
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            taught = self.teachers.answer(images) if self.teachers else None
            if self.mode.startswith("graphs"):
                torch.compiler.cudagraph_mark_step_begin()
            logits = self.forward((images - self.mean) / self.std)
        logits = logits.float()
        smoothing = rules["label_smoothing"]
        loss = functional.cross_entropy(logits, labels, label_smoothing=smoothing)
        if share < 1:
            others = functional.cross_entropy(logits, labels[partner], label_smoothing=smoothing)
            loss = share * loss + (1 - share) * others
        weight = table["distillation"]["weight"]
        if taught is not None and weight:
            lesson = distillation_loss(logits, taught, table["distillation"]["temperature"])
            loss = (1 - weight) * loss + weight * lesson
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if rules["gradient_clip"]:
            nn.utils.clip_grad_norm_(self.network.parameters(), rules["gradient_clip"], foreach=True)
        self.optimiser.step()
        self.average.update()
        self.loss_sum += loss.detach()
        self.loss_steps += 1
        self.step += 1
        self.images += self.batch

    def set_rate(self) -> float:
        """The learning rate of this moment."""
        rules = self.table["optimiser"]
        rate = learning_rate(
            self.progress, epochs=1.0, peak=rules["learning_rate"], final=rules["final_learning_rate"],
            warmup_epochs=max(rules["warmup"], 1e-6),
        )  # fmt: skip
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        return rate

    def mean_loss(self) -> float:
        """Since it was last asked for; waits for the device.

        Raises
        ------
        TrainingError
            Where it is not finite.
        """
        value = float(self.loss_sum) / max(self.loss_steps, 1)
        self.loss_sum.zero_()
        self.loss_steps = 0
        if not math.isfinite(value):
            raise TrainingError(f"the loss became {value} by step {self.step}")
        return value

    # --- what is kept ----------------------------------------------------------------------------------------------

    def answers(self) -> np.ndarray:
        """Logits (images, classes) of the averaged weights for the photographs that are not trained on."""
        load_weights(self.shadow, self.average.tensors)
        return self._answers_of(lambda images: self.shadow((images - self.mean) / self.std))

    @torch.no_grad()
    def _answers_of(self, network: Any) -> np.ndarray:
        size, found = self.spec.size, []
        # These shapes occur once a saving: to try cuDNN's algorithms on them held a training up for 20 s.
        with torch.backends.cudnn.flags(benchmark=False, allow_tf32=True):
            for start in range(0, len(self.shown), 256):
                pixels = np.ascontiguousarray(self.photographs.images[self.shown[start : start + 256]])
                images = torch.from_numpy(pixels).to(self.device).permute(0, 3, 1, 2).float().div_(255)
                if images.shape[-1] != size:
                    images = functional.interpolate(images, (size, size), mode="bilinear", antialias=True)
                found.append(network(images.contiguous(memory_format=torch.channels_last)).float().cpu().numpy())
        return np.concatenate(found)

    def figures(self, logits: np.ndarray) -> dict[str, dict[str, float]]:
        """For each source apart, of photographs that were not trained on."""
        shifted = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
        probabilities = shifted / shifted.sum(1, keepdims=True)
        labels, sources = self.labels[self.shown], np.array(self.sources)[self.shown]
        found = {}
        for source in sorted(set(sources.tolist())):
            here = sources == source
            own, said = labels[here], probabilities[here]
            aucs = auc_per_class(own, said)
            enough = np.bincount(own, minlength=len(self.classes)) >= 5
            values = {
                "images": int(here.sum()), "balanced_accuracy": balanced_accuracy(own, said),
                "macro_auc": float(np.nanmean(aucs[enough])) if np.isfinite(aucs[enough]).any() else math.nan,
                "melanoma_auc": float(aucs[self.classes.index("MEL")]) if "MEL" in self.classes else math.nan,
                "log_loss": float(-np.log(said[np.arange(len(own)), own].clip(1e-12)).mean()),
            }  # fmt: skip
            found[source] = {name: round(value, 4) for name, value in values.items() if math.isfinite(value)}
        return found

    def save(self) -> None:
        """Write what there is to where it comes back from."""
        part, out, work, largest = self.job.part, Path(self.job.out), Path(self.job.work), self.job.largest
        known = {"step": self.step, "images": self.images, "progress": self.progress}
        if self.table["state"]:
            for end, tensors in (
                ("-state", self.network.state_dict()),
                ("-moments", states.moments_of(self.optimiser, self.names)),
            ):
                made = work / f"{part}{end}.safetensors"
                states.save_tensors(made, tensors, known)
                outputs.publish(made, out / made.name, largest)
        logits = self.answers()
        figures = self.figures(logits)
        made = work / f"{part}.safetensors"
        save_checkpoint(made, self.checkpoint(known, figures))
        outputs.publish(made, out / made.name, largest)
        if not part.startswith("teacher"):
            self._write_answers(logits, work, out, largest)
        say("saved", **known, figures=figures)

    def checkpoint(self, known: dict[str, Any], figures: dict[str, Any]) -> Checkpoint:
        """The averaged weights with what is needed to use them; a teacher's in half precision."""
        tensors = dict(self.average.tensors)
        described = self.photographs.info
        teachers = [Path(path).name for path in self.job.teachers]
        flat = {f"{source}_{name}": value for source, values in figures.items() for name, value in values.items()}
        return Checkpoint(
            model=self.table["network"], taxonomy=EIGHT.subset(self.classes), image_spec=self.spec,
            options=dict(self.table["options"]),
            state_dict=halved(tensors) if self.job.part.startswith("teacher") else tensors,
            recipe={
                "name": self.job.part,
                "data": {"prepared": described["name"], "fold": int(self.table["fold"])},
                "model": {"name": self.table["network"], "options": dict(self.table["options"])},
                "distillation": {"teacher": teachers},
                "gpu_quarter_hour": self.table,
            },
            provenance={
                **known, **described["info"], "manifest_sha256": described["manifest_sha256"], "validation": flat,
                "training_images": len(self.train), "mode": self.mode,
            },
            trained_on=self.trained_on,
        )  # fmt: skip

    def _write_answers(self, logits: np.ndarray, work: Path, out: Path, largest: int) -> None:
        records = [self.photographs.records[row] for row in self.shown]
        said: dict[str, np.ndarray] = {"logits": logits}
        if self.teachers:
            said["teachers"] = self._answers_of(self.teachers.answer)
        made = work / outputs.ANSWERS
        np.savez_compressed(
            made, classes=np.array(self.classes), labels=self.labels[self.shown],
            images=np.array([Path(record.image).stem for record in records]),
            sources=np.array([record.source for record in records]),
            folds=np.array([record.fold for record in records]),
            **said,  # type: ignore[arg-type]
        )  # fmt: skip
        outputs.publish(made, out / made.name, largest)


def _seen_by(path: Path) -> TrainedOn:
    if path.suffix == ".onnx":
        from hierattn.models.weights.bundle_weights import load_bundle

        return load_bundle(path).trained_on or TrainedOn(whole=False)
    checkpoint = load_checkpoint(path)
    if checkpoint.trained_on is None and checkpoint.provenance.get("foreign"):
        return TrainedOn()  # weights of others, which knew no photographs of ours
    return checkpoint.trained_on or TrainedOn(whole=False)


class Run:
    """The loop around the steps: time, chunks, ways, savings."""

    def __init__(self, job: Job) -> None:
        self.job, self.stopped = job, False
        signal.signal(signal.SIGTERM, self._stop)
        self.learning = Learning(job)
        learning = self.learning
        images = torch.from_numpy(np.array(learning.photographs.images)).to(learning.device)
        labels = torch.from_numpy(learning.labels).to(learning.device)
        table = job.table
        sampler = Sampler(learning.train, learning.sources, learning.labels, table["sampling"], table["seed"])
        self.views = Views(images, labels, sampler, table, learning.per_chunk, learning.batch)
        self.total = int(table["epochs"]) * len(learning.train)
        self.tried = {"eager"}
        self.renewed = False

    def _stop(self, *_: Any) -> None:
        self.stopped = True

    def go(self) -> None:
        """Train to the end of the time, or of the epochs."""
        job, learning = self.job, self.learning
        if learning.progress >= 1:
            say("finished", text="there is nothing left to do")
            return
        if job.mode != "eager":
            self._change(job.mode)
        began, first = time.time(), learning.progress
        usable = max(job.until - FINISHING - began, 1.0)
        beaten = saved = began
        images_before = learning.images
        rate = learning.set_rate()
        flying: deque[tuple[Any, Chunk]] = deque()
        source = self._chunks(learning.step // learning.per_chunk)
        steps_done = 0
        while not self._over(usable, began):
            if self.renewed:  # the thread rests while graphs are recorded
                source.close()
                source, self.renewed = self._chunks(learning.step // learning.per_chunk), False
            chunk = next(source)
            self._take(chunk)
            steps_done += learning.per_chunk
            flying.append((self._event(), chunk))
            if len(flying) > 2:
                event, _ = flying.popleft()
                if event is not None:
                    event.synchronize()
            now = time.time()
            learning.progress = (learning.images / self.total if self.total
                                 else first + (1 - first) * (now - began) / usable)  # fmt: skip
            learning.progress = min(learning.progress, 1.0)
            rate = learning.set_rate()
            if job.only_steps and steps_done >= job.only_steps:
                say("tried", mode=learning.mode, loss=learning.mean_loss())
                return
            if now - beaten >= 2:
                speed = (learning.images - images_before) / (now - beaten)
                say("step", step=learning.step, images=learning.images, progress=round(learning.progress, 4),
                    loss=round(learning.mean_loss(), 4), rate=rate, images_per_second=round(speed, 1),
                    mode=learning.mode)  # fmt: skip
                beaten, images_before = now, learning.images
                if job.parent and os.getppid() != job.parent:
                    self.stopped = True
                self._look_for_way()
            if now - saved >= job.save_every and not job.only_steps:
                learning.mean_loss()
                learning.save()
                saved = time.time()
        if job.only_steps:
            return  # a trial that did not come to its steps leaves nothing, and has failed
        learning.mean_loss()
        if not self.stopped and not self.total:
            learning.progress = 1.0
        learning.save()
        say("finished", progress=learning.progress, images=learning.images, stopped=self.stopped)

    def _over(self, usable: float, began: float) -> bool:
        done = self.total and self.learning.images >= self.total
        return bool(self.stopped or done or time.time() - began >= usable)

    def _chunks(self, first: int) -> Generator[Chunk]:
        """The first few without a thread: while graphs are recorded, nothing else touches the device."""
        if self.learning.device.type != "cuda":
            number = first
            while True:
                yield self.views.make(number)
                number += 1
        for number in range(first, first + 6):
            yield self.views.make(number)
        first += 6
        try:
            for chunk in ahead(self.views.make, first, 3):
                first = chunk.number + 1
                yield chunk
        except RuntimeError as error:
            say("note", text=f"views are made without a thread from now on: {str(error)[:200]}")
        while True:
            yield self.views.make(first)
            first += 1

    def _take(self, chunk: Chunk) -> None:
        learning, batch = self.learning, self.learning.batch
        if chunk.ready is not None:
            torch.cuda.current_stream().wait_event(chunk.ready)
        for step in range(learning.per_chunk):
            part = slice(step * batch, (step + 1) * batch)
            images, labels = chunk.images[part], chunk.labels[part]
            try:
                learning.take_step(images, labels, chunk.shares[step], chunk.partners[step])
            except Exception as error:
                if learning.mode == "eager" or self.job.only_steps or _is_full(error):
                    raise
                say("note", text=f"back to eager: {learning.mode} failed: {str(error)[:300]}")
                learning.take_way("eager")
                learning.take_step(images, labels, chunk.shares[step], chunk.partners[step])

    def _event(self) -> Any:
        if self.learning.device.type != "cuda":
            return None
        event = torch.cuda.Event()
        event.record()
        return event

    def _look_for_way(self) -> None:
        if not self.job.mode_file or not Path(self.job.mode_file).is_file():
            return
        mode = Path(self.job.mode_file).read_text(encoding="utf-8").strip()
        if mode not in self.tried:
            self._change(mode)

    def _change(self, mode: str) -> None:
        self.tried.add(mode)
        self.renewed = True
        try:
            self.learning.take_way(mode)
        except Exception as error:
            if self.job.only_steps:
                raise
            say("note", text=f"{mode} does not work ({str(error)[:200]}): eager")
            self.learning.take_way("eager")


def _is_full(error: BaseException) -> bool:
    return isinstance(error, torch.cuda.OutOfMemoryError) or "out of memory" in str(error).lower()


def main(path: Path) -> None:
    """Do the job that ``path`` describes; the exit status says what went wrong."""
    if os.environ.get("OMP_NUM_THREADS"):
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = True
    job = Job(**json.loads(path.read_text(encoding="utf-8")))
    try:
        Run(job).go()
    except TrainingError as error:
        say("failed", text=str(error))
        sys.exit(DIVERGED)
    except Exception as error:
        if "bf16 is broken" in str(error):
            say("failed", text=str(error))
            sys.exit(DIVERGED)
        if _is_full(error):
            say("failed", text=str(error)[:300])
            sys.exit(FULL)
        raise
