"""The command line: one thin file a command; what they do lives below."""
