"""``python -m hierattn``."""

from hierattn.cli.main import main

main()
