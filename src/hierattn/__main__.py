"""The command ``hierattn``, also as ``python -m hierattn``: a stop while its modules are imported has its line, too."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    try:
        from hierattn.cli.main import main as run
    except KeyboardInterrupt:
        print("hierattn: stopped; run the same command again", file=sys.stderr)
        raise SystemExit(1) from None
    run()


if __name__ == "__main__":
    main()
