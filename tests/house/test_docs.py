"""The pages tell the truth: commands parse, tutorials run from top to bottom, figures are drawn by code, links lead on.

The tutorials are run as they stand, one after the other in one folder, as a reader does; only sizes are made small.
Commands that take hours or need a cluster are parsed by the command line itself instead.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache, partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urldefrag

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from tools.staged_docs import stage
from typer.testing import CliRunner

from hierattn.cli.main import app
from hierattn.data.rendered.rendered_set import render_lesion
from hierattn.deploy.predict.released import DEFAULT_DOMAIN, DOMAINS, is_released
from hierattn.taxonomy.toml_file import read_taxonomy
from hierattn.training.recipe import Recipe

ROOT = Path(__file__).resolve().parents[2]
TUTORIALS = (
    "diagnose-a-photo",
    "train-on-your-own-folder",
    "table-1-in-miniature",
    "learn-from-a-teacher",
    "model-in-a-browser",
)
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
# What a tutorial may ask for beside our own commands: not run here, because it would install or never end.
OTHERS = ("python3", "source", "pip", "curl", "make", "ray", "sbatch", "unzip", ".venv/bin/python")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or ""
RUNTIME = ROOT / "apps" / "web" / "node_modules" / "onnxruntime-web" / "dist"
SMALL = {
    "demo": ["--images", "320", "--size", "32", "--epochs", "3"],
    "train": ["optimiser.epochs=1", "optimiser.batch_size=16", "data.epoch_images=16", "optimiser.averaging=0.0"],
    "evaluate": ["--bootstrap", "100"],
    "compare": ["--bootstrap", "100"],
    "models": ["--size", "32"],
    "prepare": ["--size", "32"],
}

sys.path[:0] = [str(ROOT / "docs" / "figures"), str(ROOT / "docs" / "reference")]


def blocks_of(page: Path, *languages: str) -> Iterator[tuple[str, str]]:
    """(language, text) of the page's code blocks."""
    for language, text in re.findall(r"^ *```(\w+)\n(.*?)^ *```", page.read_text(), flags=re.S | re.M):
        if not languages or language in languages:
            yield language, text


def lines_of(text: str) -> Iterator[list[str]]:
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
            words = words[1:]
        if words:
            yield words


@cache
def command_line() -> typer.core.TyperGroup:
    """Every command with its options: a tenth of a second to make, for hundreds of lines."""
    return typer.main.get_command(app)


def parse(words: list[str]) -> None:
    """What the command line itself says of a call, without doing it."""
    command = command_line()
    while getattr(command, "commands", None):
        if not words or words[0].startswith("-"):
            return
        command, words = command.commands[words[0]], words[1:]
    if "--help" not in words:
        command.make_context(command.name, list(words))


def test_every_command_in_the_pages_is_one_that_the_command_line_takes():
    seen = 0
    for page in PAGES:
        for _, text in blocks_of(page, "sh", "bash"):
            for words in lines_of(text):
                words = words[: next((i for i, word in enumerate(words) if word in (">", "|", "&&")), len(words))]
                if words[0] == "hierattn":
                    try:
                        parse(words[1:])
                    except Exception as error:
                        raise AssertionError(f"{page.name}: {' '.join(words)}: {error!r}") from error
                    seen += 1
    assert seen > 25


def test_every_other_command_in_our_pages_is_known_and_every_make_target_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M)) | {"web"}
    ours = [
        path for path in PAGES if path.parent.name in ("tutorials", "guides", "explanations") or path.parent == ROOT
    ]
    for page in ours:
        for _, text in blocks_of(page, "sh"):
            for words in lines_of(text):
                if words[:2] == ["python", "-m"]:
                    assert find_spec(words[2]), f"{page.name}: {words}"
                    continue
                assert words[0] == "hierattn" or words[0] in OTHERS, f"{page.name}: {words}"
                assert words[0] != "make" or words[1] in targets, f"{page.name}: {words}"


@pytest.fixture(scope="module")
def read_by_a_newcomer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder after all tutorials were followed to the end."""
    folder = tmp_path_factory.mktemp("newcomer")
    Image.fromarray(render_lesion("NV", np.random.default_rng(5), size=256).image).save(folder / "photo.jpg")
    former = Path.cwd()
    os.chdir(folder)
    try:
        for name in TUTORIALS:
            for language, text in blocks_of(ROOT / "docs" / "tutorials" / f"{name}.md", "sh", "python"):
                _follow(name, language, text)
    finally:
        os.chdir(former)
    return folder


def asks_what_is_not_released(words: list[str]) -> bool:
    """Whether a released bundle is to answer that is not in this tree; where it is, the command runs."""
    if words[1] != "predict" or "--model" in words:
        return False
    return not is_released(words[words.index("--domain") + 1] if "--domain" in words else DEFAULT_DOMAIN)


def _follow(page: str, language: str, text: str) -> None:
    if language == "python":
        exec(compile(text, page, "exec"), {"__name__": page})
        return
    for words in lines_of(text):
        if words[0] != "hierattn":
            continue
        words, out = (words[: words.index(">")], words[-1]) if ">" in words else (words, None)
        command = words[1]
        if command in ("serve", "crossval") or asks_what_is_not_released(words):  # would never end; hours; cannot
            parse(words[1:])
            continue
        result = CliRunner().invoke(app, words[1:] + SMALL.get(command, []))
        assert result.exit_code == 0, f"{page}: {' '.join(words)}\n{result.output}\n{result.exception!r}"
        if out:
            Path(out).write_text(result.stdout)


def test_tutorials_lead_where_they_say(read_by_a_newcomer):
    left = read_by_a_newcomer
    for file in (
        "demo/lesions.onnx",
        "demo/run/evaluation/report.html",
        "evidence.png",
        "answers.json",
        "photos/groups.csv",
        "prepared/audit.csv",
        "runs/mine/evaluation/report.html",
        "mine.onnx",
        "runs/mobilenet_v2/evaluation/report.json",
        "table1/comparison.md",
        "taught/comparison.md",
    ):
        assert (left / file).is_file(), file


def test_folder_of_the_tutorial_keeps_lesions_together(read_by_a_newcomer):
    from hierattn.data.prepared_set.manifest import read_manifest

    records = read_manifest(read_by_a_newcomer / "prepared" / "manifest.csv")
    folds: dict[str, set[int]] = {}
    for record in records:
        assert record.lesion.startswith("lesion-")
        folds.setdefault(record.lesion, set()).add(record.fold)
    assert len(folds) < len(records)
    assert all(len(of_lesion) == 1 for of_lesion in folds.values())


def test_python_of_the_readme_runs(read_by_a_newcomer, tmp_path, monkeypatch, capsys):
    (tmp_path / "photo.jpg").symlink_to(read_by_a_newcomer / "photo.jpg")
    if not is_released("dermoscopy"):  # a file of that name answers in its place
        (tmp_path / "dermoscopy").symlink_to(read_by_a_newcomer / "demo" / "lesions.onnx")
    monkeypatch.chdir(tmp_path)
    snippets = [text for _, text in blocks_of(ROOT / "README.md", "python")]
    assert len(snippets) == 1
    assert len([line for line in snippets[0].splitlines() if line]) <= 5
    exec(compile(snippets[0], "README.md", "exec"), {})
    assert capsys.readouterr().out.strip()


@pytest.mark.skipif(not all(map(is_released, DOMAINS)), reason="no bundle is released in this tree")
def test_released_models_answer_the_commands_of_the_readme(read_by_a_newcomer, tmp_path, monkeypatch):
    (tmp_path / "photo.jpg").symlink_to(read_by_a_newcomer / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    asked = set()
    for _, text in blocks_of(ROOT / "README.md", "sh"):
        for words in lines_of(text):
            if words[:2] == ["hierattn", "predict"] and "--model" not in words:
                result = CliRunner().invoke(app, words[1:])
                assert result.exit_code == 0, f"{' '.join(words)}\n{result.output}\n{result.exception!r}"
                assert "Not a medical device" in result.stdout
                asked.add(words[words.index("--domain") + 1] if "--domain" in words else DEFAULT_DOMAIN)
    assert asked == set(DOMAINS)


@pytest.mark.skipif(not (CHROMIUM and RUNTIME.is_dir()), reason="needs Chromium, and apps/web/node_modules from npm ci")
def test_page_of_the_browser_tutorial_says_what_python_says(read_by_a_newcomer, tmp_path):
    from hierattn.deploy.predict.predictor import Predictor

    photo = read_by_a_newcomer / "demo" / "rendered" / "ISIC_2019_Training_Input" / "SYN_0000003.jpg"
    ((_, page),) = blocks_of(ROOT / "docs" / "tutorials" / "model-in-a-browser.md", "html")
    (tmp_path / "index.html").write_text(page)
    (tmp_path / "photo.jpg").symlink_to(photo)
    (tmp_path / "lesions.onnx").symlink_to(read_by_a_newcomer / "demo" / "lesions.onnx")
    (tmp_path / "ort").symlink_to(RUNTIME)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        browser = (CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=30000", "--dump-dom")
        shown = call_browser(
            *browser, f"http://127.0.0.1:{server.server_port}/", f"--user-data-dir={tmp_path / 'profile'}"
        )
        server.shutdown()
    numbers = [float(one) for one in re.findall(r"([\d.]+) %", shown.partition("<script")[0])]
    wanted = Predictor.load(tmp_path / "lesions.onnx")(photo)
    assert numbers == pytest.approx([100 * p for p in (*wanted.probabilities.values(), wanted.risk)], abs=0.1)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def call_browser(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/guides/*.md")), ids=lambda page: page.stem)
def test_python_and_recipes_of_the_guides_work(page, tmp_path):
    for language, text in blocks_of(page, "python", "toml"):
        if language == "toml":
            path = tmp_path / "example.toml"
            path.write_text(text)
            read_taxonomy(path) if "[[classes]]" in text else Recipe.load(path)
            continue
        names: dict[str, object] = {}
        exec(compile(text, page.name, "exec"), names)
        for name, function in names.items():
            if name.startswith("test_"):
                function(tmp_path)  # type: ignore[operator]


def test_every_figure_is_drawn_by_code_from_what_the_demo_leaves(read_by_a_newcomer, tmp_path):
    import draw_all

    figures = draw_all.figures(read_by_a_newcomer / "demo")
    for name, draw in figures.items():
        figure = draw()
        figure.savefig(tmp_path / f"{name}.png", dpi=20)
    used = set(re.findall(r"images/([\w-]+\.png)", "".join(page.read_text() for page in PAGES)))
    drawn = {f"{name}.png" for name in figures}
    assert drawn <= used
    assert all((ROOT / "docs" / "images" / name).is_file() for name in drawn)


def test_figure_of_the_cth_block_shows_torch_s_own_attention_weights():
    from cth_block import attention_of

    from hierattn.models.cth import CTH

    torch.manual_seed(0)
    block = CTH(8, 16, layers=1, heads=4, mlp_ratio=2, dropout=0.0).eval()
    layer, tokens = block.transformer.layers[0], torch.randn(4, 9, 16)
    theirs = torch.nn.MultiheadAttention(16, 4, batch_first=True)
    theirs.in_proj_weight.data, theirs.in_proj_bias.data = (
        layer.attention.qkv.weight.data,
        layer.attention.qkv.bias.data,
    )
    normed = layer.attention_norm(tokens)
    _, wanted = theirs(normed, normed, normed, need_weights=True, average_attn_weights=True)
    torch.testing.assert_close(attention_of(block, tokens), wanted)


def test_figure_of_the_permutation_shows_nothing_for_the_published_head_and_much_for_the_other():
    import permutation
    from drawing import Example

    example = Example(None, np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8), "MEL")  # type: ignore[arg-type]
    found = permutation.measured(example, orders=1)
    assert found["published head"].max() < 1e-12
    assert found["a head that knows places"].min() > 1e-6


def test_figure_of_the_leak_finds_memory_where_images_repeat_and_none_where_they_do_not():
    from leaking_folds import Described, both_splits

    generator = np.random.default_rng(0)
    lesions = np.repeat(np.arange(200), 4)
    features = generator.normal(0, 1, (200, 8))[lesions] + generator.normal(0, 0.01, (800, 8))
    labels = generator.integers(0, 8, 200)[lesions]
    by_image, by_lesion = both_splits(Described(features.astype(np.float32), labels, lesions), labels, seed=0)
    assert by_image > 0.95
    assert by_lesion < 0.3


def test_figure_of_the_network_has_the_sizes_of_table_3():
    from network import shapes

    from hierattn import create_model

    found = shapes(create_model("hierattn_xs").eval(), 256)
    assert [found[f"stages.{index}.cth"] for index in range(3)] == [(48, 32, 32), (64, 16, 16), (80, 8, 8)]
    assert found["branch"] == (192, 6, 6)
    assert found["stem"] == (16, 128, 128)


def test_figure_of_the_layers_is_the_contract_and_names_every_package():
    from layers import DOES, layers

    rows = layers(ROOT / "pyproject.toml")
    assert rows[0] == ["cli"]
    assert rows[-1] == ["errors"]
    packages = {path.parent.name for path in ROOT.glob("src/hierattn/*/__init__.py")}
    assert packages <= {name for row in rows for name in row}
    assert packages <= set(DOES)


@pytest.mark.parametrize(
    "page", [path for path in PAGES if path.parent.name == "explanations"], ids=lambda page: page.stem
)
def test_every_explanation_has_a_figure_and_names_its_script(page):
    text = page.read_text()
    for picture, script in zip(
        re.findall(r"\]\(\.\./images/([\w-]+)\.png", text), re.findall(r"`docs/figures/(\w+)\.py`", text), strict=True
    ):
        assert picture.replace("-", "_").startswith(script.removesuffix("_block")) or picture == "leaking-folds"
    assert "images/" in text


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if values.get("id"):
            self.anchors.add(values["id"] or "")
        if tag == "a" and values.get("href"):
            self.links.append(values["href"] or "")
        if tag in ("img", "script") and values.get("src"):
            self.loaded.append(values["src"] or "")
        if tag == "link" and "stylesheet" in (values.get("rel") or ""):
            self.loaded.append(values["href"] or "")


@pytest.fixture(scope="module", params=["mkdocs", "zensical"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[Path, _Links]:
    """Every page of the built site, read; built by MkDocs, the default, and by its successor."""
    out, place = tmp_path_factory.mktemp("site"), ROOT
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)]
    if request.param == "zensical":
        place = out / "staged"
        assert stage(place) > 60
        out = place / "site"
        command = [sys.executable, "-m", "zensical", "build", "--strict", "-f", "mkdocs.yml"]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    result = subprocess.run(command, cwd=place, env=quiet, capture_output=True, text=True, timeout=600, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "warning" not in result.stderr.lower()
    pages = {}
    for path in out.rglob("*.html"):
        pages[path.resolve()] = links = _Links()
        links.feed(path.read_text())
    return pages


def test_site_has_no_dead_internal_link_and_no_dead_anchor(site):
    dead = []
    for path, page in site.items():
        if path.name == "404.html":  # its links are absolute, from wherever it is shown
            continue
        for link in page.links + page.loaded:
            target, anchor = urldefrag(link)
            if "://" in link or link.startswith(("mailto:", "data:")):
                continue
            file = (path.parent / unquote(target)).resolve() if target else path
            file = file / "index.html" if file.is_dir() else file
            if not file.is_file() or (anchor and file in site and unquote(anchor) not in site[file].anchors):
                dead.append(f"{path.name}: {link}")
    assert not dead


def test_site_loads_nothing_from_elsewhere(site):
    foreign = {link for page in site.values() for link in page.loaded if "://" in link or link.startswith("//")}
    assert not foreign


def test_examples_of_the_reference_are_code_and_no_quotations(site):
    pages = [path.read_text(encoding="utf-8") for path in site if path.parent.name == "reference"]
    assert sum("&gt;&gt;&gt;" in page for page in pages) > 3
    assert not any("<blockquote>" in page for page in pages)


def test_reference_has_every_command_and_the_public_doors(site):
    reference = {path.name: page.anchors for path, page in site.items() if path.parent.name == "reference"}
    for name in command_line().commands:
        assert f"hierattn-{name}" in reference["commands.html"]
    assert "hierattn.deploy.predict.predictor.Predictor" in reference["deploy.html"]
    assert "hierattn.models.registry.create_model" in reference["models.html"]


def test_reference_has_every_public_module_once_and_commands_by_their_names():
    from module_pages import with_modules

    pages = [with_modules(path.read_text(encoding="utf-8")) for path in ROOT.glob("docs/reference/*.md")]
    shown = re.findall(r"^::: ([\w.]+)$", "\n".join(pages), flags=re.M)
    source = ROOT / "src"
    modules = {
        ".".join(path.relative_to(source).with_suffix("").parts)
        for path in (source / "hierattn").rglob("*.py")
        if not path.name.startswith("_") and path.relative_to(source).parts[1] != "cli"
    }
    packages = [name for name in shown if (source.joinpath(*name.split(".")) / "__init__.py").is_file()]
    assert sorted(shown) == sorted(modules | set(packages))
