"""``hierattn benchmark``: one subcommand for each thing that can be measured, each with its own file."""

from pathlib import Path

from typer.testing import CliRunner

from hierattn.cli.benchmark import command


def test_every_file_beside_the_command_is_a_subcommand_of_its_name():
    files = {path.stem for path in Path(command.__file__).parent.glob("*.py")} - {"__init__", "command"}
    assert {registered.name for registered in command.app.registered_commands} == files


def test_without_a_word_the_subcommands_are_listed():
    result = CliRunner().invoke(command.app, [])
    for name in ("inference", "models", "preparation", "training"):
        assert name in result.output
