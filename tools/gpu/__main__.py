"""The commands behind reproduce/gpu_quarter_hour.sh: pack, run, adopt; and those that run starts: probe, learn."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hierattn.errors import HierAttnError, UsageError
from tools.gpu.settings import DEFAULT, load_settings

ROOT = Path(__file__).resolve().parents[2]


def main(words: list[str] | None = None) -> int:
    """Run a command; its exit status."""
    words = list(sys.argv[1:] if words is None else words)
    if words[:1] == ["learn"]:
        from tools.gpu.learning import main as learn

        learn(Path(words[1]))
        return 0
    if words[:1] == ["probe"]:
        from tools.gpu.probe import main as probe

        probe(Path(words[1]))
        return 0
    arguments = _parser().parse_args(words)
    try:
        return {"pack": _pack, "run": _run, "adopt": _adopt}[arguments.command](arguments)
    except HierAttnError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gpu_quarter_hour.sh", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    pack = commands.add_parser("pack", help="write the photographs and weights that travel")
    pack.add_argument("prepared", nargs="+", type=Path, help="folders of 'hierattn prepare'")
    pack.add_argument("--out", type=Path, required=True, help="a folder that git ignores, e.g. out/gpu-pack")
    pack.add_argument("--teacher", type=Path, action="append", default=[], help="a trained network, .safetensors")
    pack.add_argument("--start", action="append", default=[], metavar="NETWORK=FILE", help="weights to fine-tune first")
    pack.add_argument("--source", action="append", default=[], help="only photographs of this source")
    run = commands.add_parser("run", help="use the minutes")
    run.add_argument("parts", nargs="+", metavar="PART[=SECONDS]", help="bench, student, paper")
    run.add_argument("--pack", type=Path, required=True)
    run.add_argument("--out", type=Path, required=True, help="what comes back; files there are resumed from")
    run.add_argument("--previous", type=Path, action="append", default=[], help="files that came back before")
    run.add_argument("--limit", type=float, default=585, help="seconds for everything")
    run.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    run.add_argument("--work", type=Path, help="a folder for what does not come back")
    run.add_argument("--ways", default="", help="of graphs,default,eager; on a CPU eager alone")
    adopt = commands.add_parser("adopt", help="make a run folder of weights that came back")
    adopt.add_argument("weights", type=Path, help="student.safetensors, paper.safetensors or a teacher")
    adopt.add_argument("run", type=Path, help="the folder to make")
    adopt.add_argument("--data", type=Path, required=True, help="the prepared folder that was packed")
    for command in (pack, run):
        command.add_argument("--settings", type=Path, default=DEFAULT)
        command.add_argument("--set", action="append", default=[], dest="changes", metavar="TABLE.KEY=VALUE")
    return parser


def _pack(arguments: argparse.Namespace) -> int:
    from tools.gpu.pack import PackOptions, write_pack

    starts = []
    for text in arguments.start:
        network, equals, path = text.partition("=")
        if not equals:
            raise UsageError(f"--start {text!r}: wanted NETWORK=FILE, e.g. tf_efficientnet_lite0=lite0.pth")
        starts.append((network, Path(path)))
    settings = load_settings(arguments.settings, arguments.changes)
    options = PackOptions(settings, ROOT, tuple(arguments.teacher), tuple(starts), tuple(arguments.source))
    write_pack(arguments.out, arguments.prepared, options)
    return 0


def _adopt(arguments: argparse.Namespace) -> int:
    from tools.gpu.adopt import adopt

    adopt(arguments.weights, arguments.run, arguments.data)
    print(f"{arguments.run} is a run. Next: hierattn evaluate {arguments.run}")
    return 0


def _run(arguments: argparse.Namespace) -> int:
    from tools.gpu.quarter import PARTS, Order, Quarter

    parts: dict[str, float] = {}
    for text in arguments.parts:
        name, _, seconds = text.partition("=")
        if name not in PARTS:
            raise UsageError(f"part {name!r}: wanted some of {', '.join(PARTS)}")
        try:
            parts[name] = float(seconds) if seconds else PARTS[name]
        except ValueError:
            raise UsageError(f"{text!r}: wanted {name}=SECONDS") from None
    ordered = {name: parts[name] for name in PARTS if name in parts}
    ways = arguments.ways.split(",") if arguments.ways else ["eager"]
    if not arguments.ways and arguments.device == "cuda":
        ways = ["graphs", "default", "eager"]
    order = Order(
        arguments.pack.resolve(), arguments.out.resolve(), ordered,
        load_settings(arguments.settings, arguments.changes), arguments.limit, arguments.device,
        [folder.resolve() for folder in arguments.previous], arguments.work, tuple(ways),
    )  # fmt: skip
    return Quarter(order).run()


if __name__ == "__main__":
    sys.exit(main())
