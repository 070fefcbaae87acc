"""``hierattn ablate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

import typer

from hierattn.cli.console import completing, print_json_file, terminal, waiting
from hierattn.cli.recipes import built_in_recipes
from hierattn.cli.run_options import (
    Bootstrap,
    ComparisonJson,
    Device,
    Folds,
    FoldThreads,
    Jobs,
    Prepared,
    ResampleSeed,
    load_recipe,
)

if TYPE_CHECKING:
    from rich.console import Console

    from hierattn.cli.experiments.steps import ExperimentOptions, Training
    from hierattn.data.prepared_set.packed import PackedSet
    from hierattn.evaluation.comparison.entrant import Entrant
    from hierattn.training.recipe import Recipe


@dataclass(frozen=True)
class Ablation:
    """One experiment: its title, and the variants, the paper's own choice first.

    A variant's value is the built-in recipe whose keys are laid over the base recipe; empty is the base itself.
    """

    title: str
    variants: Mapping[str, str]


ABLATIONS: Mapping[str, Ablation] = MappingProxyType(
    {
        "attention": Ablation(
            "Attention after the depth-wise convolution (Table 2)",
            {
                "sc": "",
                "none": "ablations/table2_attention_none",
                "se": "ablations/table2_attention_se",
                "cbam": "ablations/table2_attention_cbam",
                "coordinate": "ablations/table2_attention_coordinate",
            },
        ),
        "warmup": Ablation("Transfer warm-up (Table 4)", {"on": "", "off": "ablations/table4_no_warmup"}),
        "stochastic-depth": Ablation(
            "Stochastic depth (Table 5)", {"on": "", "off": "ablations/table5_no_stochastic_depth"}
        ),
        "skip": Ablation("Skip connection of the CTH block (Table 6)", {"on": "", "off": "ablations/table6_no_skip"}),
        "permutation": Ablation(
            "Permutation of branch attention's pixels (ours)", {"on": "", "off": "ablations/no_permutation"}
        ),
        "balance": Ablation(
            "Balancing, on the same outer folds (Fig. 9)",
            {"hardness": "", "random": "", "on-the-fly": "", "none": ""},
        ),
    }
)
SAMPLING = {"hardness": "natural", "random": "natural", "on-the-fly": "balanced", "none": "natural"}


def run(
    what: Annotated[
        str,
        typer.Argument(
            help="attention, balance, warmup, stochastic-depth, skip or permutation.",
            autocompletion=completing(*ABLATIONS),
        ),
    ],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Changes to every variant's recipe.")
    ] = None,
    recipe: Annotated[
        str,
        typer.Option(
            "--recipe",
            "-r",
            help="The recipe that all variants share: a file or a built-in name.",
            autocompletion=completing(built_in_recipes),
        ),
    ] = "isic2019/hierattn_s",
    data: Prepared = None,
    variants: Annotated[str, typer.Option(help="Some of the variants, separated by commas. [default: all]")] = "",
    target: Annotated[
        str, typer.Option(help="For balance: images a class: a number, or isic2019 or pad as in the paper.")
    ] = "isic2019",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="[default: ablation-WHAT]")] = None,
    runs_folder: Annotated[
        Path | None, typer.Option("--runs", help="Gets VARIANT/fold-K. [default: runs/ablate-WHAT]")
    ] = None,
    folds: Folds = "all",
    jobs: Jobs = 1,
    threads: FoldThreads = 0,
    device: Device = "auto",
    bootstrap: Bootstrap = 1000,
    seed: ResampleSeed = 0,
    as_json: ComparisonJson = False,
) -> None:
    """Train variants of one recipe on the same folds and measure what each part contributes.

    Only the one part differs; recipe, seed and folds are the same. All that can be known of every variant is checked
    before the first is trained. Finished folds are kept and the others resumed, so
    the same command can be given again, for instance with more folds or variants.

    balance compares images selected by instance hardness (Eq. 1), images selected at random, classes balanced on the
    fly, and no balancing. Each fold's training part is balanced by itself, and all are evaluated on the same held-out
    images, unlike in Fig. 9. Every variant sees equally many images an epoch.

        hierattn ablate attention --data out/isic --jobs 2

        hierattn ablate skip optimiser.epochs=8 --recipe quicktest --data out/demo/prepared --folds 0,1
    """
    from hierattn.cli.crossval import parse_folds
    from hierattn.cli.experiments.steps import ExperimentOptions, Page, Training, check_trainings, publish, show, train
    from hierattn.errors import UsageError
    from hierattn.evaluation.comparison.page import JSON, KIND
    from hierattn.evaluation.comparison.paper_numbers import ABLATIONS as PAPER
    from hierattn.files import check_replaceable

    if what not in ABLATIONS:
        raise UsageError(f"no ablation {what!r}: wanted one of {', '.join(ABLATIONS)}")
    out, runs_folder = out or Path(f"ablation-{what}"), runs_folder or Path("runs") / f"ablate-{what}"
    check_replaceable(out, KIND)
    console = terminal(stderr=as_json)
    options = ExperimentOptions(parse_folds(folds), jobs, threads, device, bootstrap, seed)
    trainings = [
        Training(name, _recipe(recipe, ABLATIONS[what].variants[name], overrides, data), runs_folder / name)
        for name in _chosen(what, variants)
    ]
    if what == "balance":
        trainings = _balanced(trainings, target, options, console)
    check_trainings(trainings, options, console)
    entrants: list[Entrant] = []
    for training in trainings:
        console.print(f"{what}: {training.name}", style="bold")
        entrants.append(train(training, options, console))
    page = Page(ABLATIONS[what].title, PAPER.get(what, {}), ablation=what)
    found = publish(out, entrants, options, console, page)
    if as_json:
        print_json_file(out / JSON)
    else:
        show(console, found, out)


def _chosen(what: str, listed: str) -> list[str]:
    from hierattn.errors import UsageError

    known = list(ABLATIONS[what].variants)
    names = [name.strip() for name in listed.split(",") if name.strip()] or known
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(f"no variant {', '.join(unknown)} of {what}: wanted some of {', '.join(known)}")
    return names


def _recipe(base: str, variant: str, overrides: list[str] | None, data: Path | None = None) -> Recipe:
    """The base recipe with the user's overrides, and over them the keys of the variant's own file."""
    from hierattn.cli.recipes import find_recipe
    from hierattn.errors import UsageError

    keys = _keys_of(find_recipe(variant)) if variant else []
    without = load_recipe(base, overrides, data)
    recipe = load_recipe(base, [*(overrides or ()), *keys], data)
    if variant and recipe == without:
        raise UsageError(
            f"{base} has {', '.join(keys)} already, so there is nothing to leave out: choose another --recipe"
            + (", with transfer.checkpoint and transfer.frozen_epochs" if "warmup" in variant else "")
        )
    return recipe


def _keys_of(path: Path) -> list[str]:
    """What a recipe file sets beyond its base, as overrides."""
    import json
    import tomllib

    values = tomllib.loads(path.read_text(encoding="utf-8"))
    return [
        f"{table}.{key}={json.dumps(value)}"
        for table, entry in _flattened(values).items()
        if table not in ("", "base", "name")
        for key, value in entry.items()
    ]


def _flattened(values: Mapping[str, object], prefix: str = "") -> dict[str, dict[str, object]]:
    """Tables by their dotted names, without the tables inside them."""
    tables: dict[str, dict[str, object]] = {prefix: {}}
    for key, value in values.items():
        if isinstance(value, Mapping):
            tables |= _flattened(value, f"{prefix}.{key}" if prefix else key)
        else:
            tables[prefix][key] = value
    return tables


def _balanced(
    trainings: Sequence[Training], target: str, options: ExperimentOptions, console: Console
) -> list[Training]:
    """The trainings on their own sets: each fold's training part is balanced for that fold alone, where it is not yet.

    What can be known without these sets is checked before they are made.
    """
    from dataclasses import replace

    from rich.console import Console

    from hierattn.cli.experiments.steps import check_trainings
    from hierattn.data.balance.protocol import target_of
    from hierattn.training.fit import open_prepared

    packed = open_prepared(trainings[0].recipe)
    images, classes = target_of(target), len({record.label for record in packed.records})

    def sampled(training: Training) -> Training:
        data = training.recipe.data
        draws = data.epoch_images or images * classes
        data = replace(data, sampling=SAMPLING[training.name], epoch_images=draws)  # type: ignore[arg-type]
        return replace(training, recipe=replace(training.recipe, data=data))

    trainings = [sampled(training) for training in trainings]
    check_trainings([replace(each, folder=each.folder / "before") for each in trainings], options, Console(quiet=True))
    folds = options.folds
    if folds is None:
        folds = range(1 + max(record.fold for record in packed.records))
    made = []
    for training in trainings:
        if training.name in ("hardness", "random"):
            place = training.folder.parent / "sets"
            for fold in folds:
                _balance_fold(packed, place / f"{training.name}-fold{fold}", training.name, images, fold, console)
            on_sets = training.recipe.with_prepared(place / f"{training.name}-fold{{fold}}")
            training = replace(training, recipe=on_sets)
        made.append(training)
    return made


def _balance_fold(packed: PackedSet, out: Path, name: str, target: int, fold: int, console: Console) -> None:
    """Make the set balanced for ``fold``, or check that the one that is there is it."""
    from typing import cast

    from hierattn.data.balance.balance import balance
    from hierattn.data.balance.options import BalanceOptions
    from hierattn.data.balance.protocol import UnderSampling
    from hierattn.data.prepared_set.packed import PackedSet, is_prepared
    from hierattn.errors import UsageError

    if not is_prepared(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        options = BalanceOptions(target=target, fold=fold, under_sampling=cast(UnderSampling, name), pictures=False)
        with waiting(console, f"balancing the training part of fold {fold}, {name}"):
            balance(packed.folder, out, options)
        return
    there = PackedSet.open(out).info.get("balance", {})
    if (there.get("target"), there.get("source_manifest_sha256")) != (target, packed.manifest_sha256):
        raise UsageError(
            f"{out} was balanced to {there.get('target')} images a class, perhaps from another set: wanted {target} "
            f"from {packed.folder}; choose another --runs"
        )
