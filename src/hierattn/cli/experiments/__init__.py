"""``hierattn compare``, ``ablate`` and ``paper``: one file a command, and the steps that they share."""
