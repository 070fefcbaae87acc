"""``hierattn benchmark``: one file a subcommand."""
