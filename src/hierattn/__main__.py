"""The command ``hierattn``, also as ``python -m hierattn``: a stop while its modules are imported has its line, too."""

from __future__ import annotations

import gc
import sys

OBJECTS_PER_COLLECTION = 5_000
"""New objects until Python looks for garbage. At its own few hundred that is an eighth of the time to import torch."""


def main() -> None:
    """Run the command line."""
    gc.set_threshold(OBJECTS_PER_COLLECTION, *gc.get_threshold()[1:])
    try:
        from hierattn.cli.main import main as run
    except KeyboardInterrupt:
        print("hierattn: stopped; run the same command again", file=sys.stderr)
        raise SystemExit(1) from None
    run()


if __name__ == "__main__":
    main()
