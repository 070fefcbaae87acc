"""The README names only commands, recipes, options and files that exist."""

import re
from pathlib import Path

import typer

from hierattn.cli.main import app
from hierattn.cli.recipes import built_in_recipes

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ["README.md", "CONTRIBUTING.md", *(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/*.md"))]


def commands_of(text):
    """(command, its words) of every ``hierattn ...`` line in a code block or in backticks."""
    blocks = re.findall(r"```(?:sh|bash)\n(.*?)```", text, flags=re.S)
    lines = [line for block in blocks for line in block.splitlines()] + re.findall(r"`(hierattn [^`]+)`", text)
    for line in lines:
        words = line.split("#")[0].split()
        if words[:1] == ["hierattn"] and len(words) > 1 and words[1].islower() and words[1].isalpha():
            yield words[1], words[2:]


def test_every_command_and_option_in_the_documents_exists():
    known = {command.name: command for command in typer.main.get_command(app).commands.values()}
    seen = 0
    for document in DOCUMENTS:
        for name, words in commands_of((ROOT / document).read_text()):
            assert name in known, f"{document}: hierattn {name}"
            command = known[name]
            if (
                getattr(command, "commands", None) and words and words[0].islower()
            ):  # a group: 'hierattn benchmark models --rounds 5'
                assert words[0] in command.commands, f"{document}: hierattn {name} {words[0]}"
                command = command.commands[words[0]]
            options = {option for parameter in command.params for option in parameter.opts + parameter.secondary_opts}
            used = {word.split("=")[0] for word in words if word.startswith("--")} - {"--help"}
            assert used <= options, f"{document}: hierattn {name} {used - options}"
            seen += 1
    assert seen > 10


def test_every_recipe_in_the_readme_exists():
    text = (ROOT / "README.md").read_text() + (ROOT / "results" / "README.md").read_text()
    named = [words[0] for name, words in commands_of(text) if name == "train" and not words[0].isupper()]
    assert set(named) <= set(built_in_recipes())


def test_every_relative_link_leads_somewhere():
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#]+)", (ROOT / document).read_text()):
            if "://" not in target:
                assert ((ROOT / document).parent / target).exists(), f"{document}: {target}"
