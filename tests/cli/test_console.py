"""What is written: any character on any console, figures whole in any terminal, paths as they are."""

import io
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from hierattn.cli.console import print_file, print_json, print_table, step_bars, terminal, use_any_console

TEXT = "naïve → 45 % █▌ 痣 • \udce6 \U0001f600"
ENCODINGS = ["utf-8", "cp1252", "ascii", "latin-1", "cp437", "shift_jis", "utf-16"]


def written(monkeypatch: pytest.MonkeyPatch, encoding: str, write, *words) -> bytes:
    """What a stream of that encoding gets."""
    buffer = io.BytesIO()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding=encoding, write_through=True))
        use_any_console()
        write(*words)
        sys.stdout.flush()
        return buffer.getvalue()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_any_text_is_written_and_what_the_console_has_stays(monkeypatch, encoding):
    text = written(monkeypatch, encoding, print, TEXT).decode(encoding)
    assert "45 %" in text
    assert r"\xe6" in text  # the byte of a name that is no UTF-8
    for sign, instead in (("→", "->"), ("•", "*"), ("█", "#")):
        try:
            sign.encode(encoding)
        except UnicodeEncodeError:
            assert instead in text
        else:
            assert sign in text


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_json_is_utf8_whatever_the_console_and_says_the_same(monkeypatch, encoding):
    values = {"text": TEXT.replace("\udce6", ""), "file": "n\udce6vus.jpg", "half": "\ud83d", "box 📦": 1.5}
    content = written(monkeypatch, encoding, print_json, values)
    read = json.loads(content.decode("utf-8"))
    assert read == values | {"file": r"n\xe6vus.jpg", "half": r"\ud83d"}
    json.dumps(read, ensure_ascii=False).encode("utf-8")  # whoever reads it can write it


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_text_for_a_file_is_utf8(monkeypatch, encoding):
    wanted = "utf-8" if encoding != "utf-8" else encoding
    assert written(monkeypatch, encoding, print_file, "é → 痣\n").decode(wanted) == "é → 痣\n"


@pytest.mark.parametrize("text", ["[bold]x[/bold].jpg", "a[/]b", "[link=x]", ":smile: [red]", "[0]", r"\[x]"])
def test_brackets_and_colons_stay_as_they_are(text, capsys):
    console = terminal()
    table = Table(title=text)
    table.add_column(text)
    table.add_row(text)
    console.print(text, soft_wrap=True)
    print_table(console, table)
    assert capsys.readouterr().out.count(text) == 4


@pytest.mark.parametrize("columns", [10, 20, 30, 40, 60, 79, 120])
def test_no_figure_is_cut_in_any_terminal(monkeypatch, capsys, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    table = Table(title="A table")
    table.add_column("class")
    for heading in ("balanced\naccuracy", "para-\nmeters", "share", "95 % interval"):
        table.add_column(heading, justify="right")
    rows = [
        ("melanocytic nevus of the sole", "0.912", "1,079,928", "45 %", "0.812 to 0.934"),
        ("a", "", "1", "2 %", "–"),
    ]
    for row in rows:
        table.add_row(*row)
    print_table(terminal(), table)
    out = capsys.readouterr().out
    assert "…" not in out
    for row in rows:
        for figure in filter(None, row[1:]):
            assert figure in out
    words = "".join(out.split())
    assert "melanocytic" in words or columns > 60
    assert "parameters" in words or "para-" in words


CONSOLES = [
    {"PYTHONIOENCODING": "cp1252"},
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "ascii:strict", "NO_COLOR": "1"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"TERM": "dumb", "COLUMNS": "40"},
]


@pytest.mark.parametrize("settings", CONSOLES, ids=str)
@pytest.mark.parametrize(
    ("words", "code"),
    [(["--help"], 0), (["train", "--help"], 0), (["recipes", "none→痣"], 2), (["predict", "n\udce6x[b]"], 1)],
)
def test_no_command_dies_of_a_character(settings, words, code):
    environment = {key: value for key, value in os.environ.items() if key not in ("LC_ALL", "PYTHONUTF8")}
    done = subprocess.run(
        [sys.executable, "-m", "hierattn", *map(os.fsencode, words)],
        env=environment | settings, capture_output=True, check=False,
    )  # fmt: skip
    assert b"Traceback" not in done.stderr
    assert done.returncode == code, done.stderr


@pytest.mark.skipif(not Path("/bin/sh").exists(), reason="a shell closes the stream")
def test_a_closed_standard_output_is_said():
    done = subprocess.run(
        f"{sys.executable} -m hierattn --version >&-", shell=True, capture_output=True, check=False, text=True
    )
    assert "standard output is closed" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
def test_a_full_disk_behind_standard_output_is_one_line():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "hierattn", "--version"], stdout=full, stderr=subprocess.PIPE, check=False, text=True
        )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "No space left" in done.stderr


def test_a_program_gets_no_bars() -> None:
    with step_bars(Console(), quiet=True) as progress:
        assert progress is None


@pytest.mark.parametrize("of_bytes", [False, True])
def test_every_step_has_one_bar_whatever_thread_reports_it(of_bytes: bool) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100)
    with step_bars(console, quiet=False, of_bytes=of_bytes) as progress:
        assert progress is not None
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda done: progress("reading images", done, 8), range(9)))
        progress("a.zip", 5, None)
    last = screen.getvalue().split("\x1b[2K")[-1]
    assert screen.getvalue().count("\n") < 60
    assert "reading images" in screen.getvalue()
    assert "a.zip" not in last or not last.strip()
