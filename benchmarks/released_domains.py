"""Do the released models notice photographs that were taken the other way, and is the hint that follows right?

    python -m benchmarks.released_domains ISIC_2019/ISIC_2019_Training_Input PAD_UFES_20/images

Of each set, photographs of the fold that neither model was trained on (results/*/splits.csv, fold 0) go to both
released models. Printed: the share that each rejects as unlike its training photographs, and how often 'hierattn
predict' then names the other model: rightly on the other's photographs, wrongly on its own.
"""

from __future__ import annotations

import argparse
import csv
import random
from pathlib import Path

from hierattn.cli.which_model import OTHER
from hierattn.deploy.predict.predictor import Predictor
from hierattn.deploy.predict.released import DOMAINS, released_bundle
from hierattn.preprocessing.photo_quality import UNLIKE

RESULTS = Path(__file__).resolve().parents[1] / "results"
SETS = {"dermoscopy": "isic2019-ham", "phone": "pad-ufes-20"}


def outer_fold(domain: str, folder: Path, count: int, fold: int = 0) -> list[Path]:
    """``count`` photographs of the published outer fold, always the same."""
    with (RESULTS / SETS[domain] / "splits.csv").open(newline="", encoding="utf-8") as file:
        ids = sorted(row["image"] for row in csv.DictReader(file) if int(row["fold"]) == fold)
    photographs = [path for name in ids if (path := folder / f"{name}.jpg").is_file()]
    if not photographs:
        raise SystemExit(f"no photograph of fold {fold} in {folder}: wanted the images of {SETS[domain]}, as .jpg")
    return random.Random(0).sample(photographs, min(count, len(photographs)))


def unlike(predictor: Predictor, photographs: list[Path]) -> list[bool]:
    """Whether each is rejected as unlike what the model was trained on."""
    return [UNLIKE in predictor(path).quality.problems for path in photographs]


def main() -> None:
    """The command line, as this file's first lines show it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for domain in DOMAINS:
        parser.add_argument(domain, type=Path, help=f"folder of the photographs of {SETS[domain]}")
        parser.add_argument(f"--{domain}-bundle", type=Path, help="another bundle than the released one, for a trial")
    parser.add_argument("--images", type=int, default=150, help="of each set")
    options = parser.parse_args()
    predictors = {
        domain: Predictor.load(getattr(options, f"{domain}_bundle") or released_bundle(domain), threads=1)
        for domain in DOMAINS
    }
    print("| photographs | asked of | rejected as unlike | the other model is named |")
    print("|---|---|---:|---:|")
    for taken in DOMAINS:
        photographs = outer_fold(taken, getattr(options, taken), options.images)
        rejected = {domain: unlike(predictors[domain], photographs) for domain in DOMAINS}
        for asked in DOMAINS:
            named = [own and not other for own, other in zip(rejected[asked], rejected[OTHER[asked]], strict=True)]
            verdict = "wrongly" if asked == taken else "rightly"
            count = len(photographs)
            print(
                f"| {taken} ({count}) | {asked} | {100 * sum(rejected[asked]) / count:.0f} % | "
                f"{100 * sum(named) / count:.0f} %, {verdict} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
