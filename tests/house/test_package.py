"""The package as a user gets it: built, and installed into environments that hold only what its extras promise.

The environments are real and empty. What the index would have sent is lent to them from this environment, distribution
by distribution, as the requirements in the wheel's own metadata ask, and pip, kept from the index, has to find them
enough. So the tests need no network and a few seconds.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from PIL import Image
from small_bundles import write_small_bundle
from tools.release.code_wheel import write_code_wheel

import hierattn
from hierattn.data.rendered.rendered_set import render_lesion, render_set
from hierattn.deploy.predict.released import DOMAINS, MAX_RELEASED_BYTES, NAMES, is_released, released_folder

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("src", "LICENSES", "recipes", "docs", "tests", "tools", "results", "reproduce", "benchmarks")
FILES = (
    "pyproject.toml",
    "hatch_build.py",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "CITATION.cff",
    "Makefile",
    "constraints.txt",
    "requirements.lock",
    "mkdocs.yml",
)


def call(*words: object, cwd: Path, code: int | None = 0, **environment: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | environment
    result = subprocess.run(
        [str(word) for word in words], cwd=cwd, env=clean, capture_output=True, text=True, timeout=900, check=False
    )
    assert code is None or result.returncode == code, f"{words}: {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result.stdout + result.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the sdist, and with the wheel that was built from the sdist."""
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("dist")
    for folder in SOURCES:
        shutil.copytree(ROOT / folder, tree / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in FILES:
        shutil.copy(ROOT / file, tree / file)
    static = tree / "src" / "hierattn" / "serve" / "static"  # as 'make web' leaves it, and git does not keep it
    static.mkdir(exist_ok=True)
    (static / "index.html").touch()
    (tree / ".gitignore").write_text((ROOT / ".gitignore").read_text() + "static/\n")
    call(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, tree, cwd=tree)
    return out


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    return next(built.glob("*.whl"))


def promised(wheel: Path, extra: str = "") -> list[Requirement]:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        text = archive.read(name).decode()
    wanted = [Requirement(line) for line in re.findall(r"^Requires-Dist: (.*)$", text, flags=re.M)]
    return [one for one in wanted if one.marker is None or one.marker.evaluate({"extra": extra})]


def closure(requirements: list[Requirement]) -> dict[str, metadata.Distribution]:
    """Every distribution that the requirements bring, and that those bring in their turn."""
    found: dict[str, metadata.Distribution] = {}
    waiting = list(requirements)
    while waiting:
        one = waiting.pop()
        key = one.name.lower().replace("_", "-")
        if key in found and not one.extras:
            continue
        distribution = found[key] = metadata.distribution(one.name)
        extras = ["", *one.extras]
        inner = [Requirement(line) for line in distribution.requires or ()]
        waiting += [
            needed
            for needed in inner
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras)
        ]
    return found


def environment_with(distributions: dict[str, metadata.Distribution], where: Path) -> Path:
    """An empty environment that sees these distributions and no others; returns its Python."""
    venv.create(where / "venv", with_pip=False)
    lent = where / "lent"
    lent.mkdir()
    for distribution in distributions.values():
        home = Path(str(distribution.locate_file("")))
        for name in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            if not (lent / name).exists() and (home / name).exists():
                (lent / name).symlink_to(home / name)
    python = where / "venv" / "bin" / "python"
    site = call(python, "-c", "import site; print(site.getsitepackages()[0])", cwd=where).strip()
    (Path(site) / "lent.pth").write_text(f"{lent}\n")
    return python


def install(python: Path, wheel: Path, extra: str = "") -> None:
    what = f"hierattn[{extra}] @ {wheel.as_uri()}" if extra else str(wheel)
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")
    call(*pip, "install", "--no-index", "--no-compile", what, cwd=wheel.parent)


@pytest.fixture(scope="module")
def light(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the console scripts of a light install."""
    python = environment_with(closure(promised(wheel)), tmp_path_factory.mktemp("light"))
    install(python, wheel)
    return python.parent


def test_light_install_predicts_and_has_no_torch(light, tmp_path):
    assert "No module named 'torch'" in call(light / "python", "-c", "import torch", cwd=tmp_path, code=1)
    write_small_bundle(tmp_path / "model.onnx")
    render_set(tmp_path / "set", images=64, size=128, seed=1)
    photo = min((tmp_path / "set" / "ISIC_2019_Training_Input").iterdir())
    (answer,) = json.loads(call(light / "hierattn", "predict", photo, "-m", "model.onnx", "--json", cwd=tmp_path))
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-4)


@pytest.mark.skipif(not all(map(is_released, DOMAINS)), reason="no bundle is released in this tree")
@pytest.mark.parametrize("domain", DOMAINS)
def test_light_install_answers_with_a_released_model_where_none_is_named(light, domain, tmp_path):
    Image.fromarray(render_lesion("MEL", np.random.default_rng(1), size=512).image).save(tmp_path / "photo.jpg")
    said = call(light / "hierattn", "predict", "photo.jpg", "--domain", domain, cwd=tmp_path)
    assert f"the released {domain} model answers" in said
    assert "Not a medical device" in said


@pytest.fixture(scope="module")
def code_wheel(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("code") / wheel.name
    shutil.copy(wheel, copy)
    return write_code_wheel(copy)


@pytest.fixture(scope="module")
def code_alone(code_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the console scripts where the code alone is installed."""
    python = environment_with(closure(promised(code_wheel)), tmp_path_factory.mktemp("alone"))
    install(python, code_wheel)
    return python.parent


def test_the_code_alone_is_the_code_of_the_wheel_and_none_of_its_models(wheel, code_wheel):
    with zipfile.ZipFile(wheel) as whole, zipfile.ZipFile(code_wheel) as code:
        ours = {name: whole.read(name) for name in whole.namelist() if ".dist-info/" not in name}
        theirs = {name: code.read(name) for name in code.namelist() if ".dist-info/" not in name}
        info = f"hierattn-{hierattn.__version__}+code.dist-info"
        told = code.read(f"{info}/METADATA").decode().partition("\n\n")[0].splitlines()
        listed = [line.split(",")[0] for line in code.read(f"{info}/RECORD").decode().splitlines()]
        assert sorted(listed) == sorted(code.namelist())
    missing = {name for name in ours if name not in theirs}
    assert {name: ours[name] for name in theirs} == theirs
    assert {path.name for path in map(Path, missing)} == {
        path.name for path in released_folder().iterdir() if path.is_file() and path.suffix != ".py"
    }
    assert "License-Expression: Apache-2.0" in told
    assert [line for line in told if line.startswith("License-File")] == ["License-File: LICENSE"]


def test_the_code_alone_says_in_one_line_how_to_get_a_model_and_predicts_with_one(code_alone, tmp_path):
    Image.fromarray(render_lesion("MEL", np.random.default_rng(1), size=512).image).save(tmp_path / "photo.jpg")
    said = call(code_alone / "hierattn", "predict", "photo.jpg", cwd=tmp_path, code=2)
    assert said.count("\n") == 1
    assert "no model called dermoscopy came with this hierattn" in said
    assert "pip install --force-reinstall --no-deps hierattn" in said
    found = json.loads(call(code_alone / "hierattn", "doctor", "--json", cwd=tmp_path))
    assert found["released_models"] == dict.fromkeys(NAMES, False)
    write_small_bundle(tmp_path / "model.onnx")
    (answer,) = json.loads(
        call(code_alone / "hierattn", "predict", "photo.jpg", "-m", "model.onnx", "--json", cwd=tmp_path)
    )
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("target", ["--wheel", "--sdist"])
def test_a_build_without_the_web_app_ends_with_one_line_unless_it_is_left_out_on_purpose(built, target, tmp_path):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        archive.extractall(tmp_path, filter="data")
    (tree,) = tmp_path.iterdir()
    shutil.rmtree(tree / "src" / "hierattn" / "serve" / "static")
    build = (sys.executable, "-m", "build", "--no-isolation", target, "--outdir", tmp_path / "dist", tree)
    said = call(*build, cwd=tmp_path, code=1)
    assert "run 'make web' first" in said
    assert "HIERATTN_WITHOUT_WEB=1" in said
    assert "Traceback" not in said.partition("hierattn: src")[0]
    assert not list(tmp_path.glob("dist/*"))
    call(*build, cwd=tmp_path, HIERATTN_WITHOUT_WEB="1")
    assert len(list(tmp_path.glob("dist/*"))) == 1


def test_light_install_renders_and_prepares_as_doctor_says(light, tmp_path):
    call(light / "hierattn", "render", "set", "--images", "64", "--size", "32", cwd=tmp_path)
    call(light / "hierattn", "prepare", "set", "prepared", "--size", "32", "--folds", "3", cwd=tmp_path)
    assert (tmp_path / "prepared" / "manifest.csv").is_file()


def test_light_install_says_in_one_line_what_training_lacks(light, tmp_path):
    said = call(light / "hierattn", "train", "quicktest", cwd=tmp_path, code=1)
    assert said.startswith("hierattn: ")
    assert said.count("\n") == 1
    assert "pip install 'hierattn[train] @ file://" in said


def test_doctor_in_a_light_install_names_what_is_missing_and_how_to_get_it(light, wheel, tmp_path):
    found = json.loads(call(light / "hierattn", "doctor", "--json", cwd=tmp_path))
    assert found["device"]["torch"] is None
    assert found["extras"]["base"]["complete"]
    predict, train = found["commands"]["predict"], found["commands"]["train"]
    assert (predict["needs"], predict["ready"], predict["install"]) == ("base", True, None)
    line = f"pip install 'hierattn[train] @ {wheel.as_uri()}'"
    assert (train["needs"], train["ready"], train["install"]) == ("train", False, line)
    assert found["web_app"] is None  # the service is not installed
    assert line in call(light / "hierattn", "doctor", cwd=tmp_path)


def test_console_script_version_and_completion(light, tmp_path):
    assert call(light / "hierattn", "--version", cwd=tmp_path) == f"hierattn {hierattn.__version__}\n"
    # Otherwise it looks for a shell among its parent processes, and a machine that runs tests may have none.
    named = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    script = call(light / "hierattn", "--show-completion", "bash", cwd=tmp_path, **named)
    assert "_HIERATTN_COMPLETE" in script
    completed = call(
        light / "hierattn",
        cwd=tmp_path,
        code=None,
        _HIERATTN_COMPLETE="complete_bash",
        COMP_WORDS="hierattn pre",
        COMP_CWORD="1",
    )
    assert {"predict", "prepare"} <= set(completed.split())


def test_train_install_trains_with_a_recipe_from_inside_the_wheel(wheel, prepared, tmp_path):
    wanted = promised(wheel, "train")
    python = environment_with(closure(wanted), tmp_path)
    install(python, wheel, "train")
    small = ("optimiser.epochs=1", "optimiser.batch_size=8", "data.epoch_images=8", "optimiser.averaging=0.0")
    run = (python.parent / "hierattn", "train", "quicktest", *small, "--device", "cpu", "--threads", "1")
    call(*run, "--data", prepared, "--out", tmp_path / "run", cwd=tmp_path, OMP_NUM_THREADS="1")
    assert (tmp_path / "run" / "best.safetensors").is_file()


def test_wheel_has_types_recipes_web_app_and_licence_and_no_tests(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {"hierattn/py.typed", "hierattn/recipes/quicktest.toml", "hierattn/serve/static/index.html"} <= names
    shipped = {name.removeprefix("hierattn/") for name in names if name.startswith("hierattn/recipes/")}
    assert shipped == {f"recipes/{path.relative_to(ROOT / 'recipes')}" for path in ROOT.glob("recipes/**/*.toml")}
    inside = f"hierattn-{hierattn.__version__}.dist-info/licenses/"
    licences = {name.removeprefix(inside) for name in names if name.startswith(inside)}
    assert licences == {"LICENSE", "LICENSES/CC-BY-NC-4.0.txt", "src/hierattn/deploy/predict/released/LICENCE.md"}
    assert not [name for name in names if name.startswith("tests") or name.endswith((".pyc", ".ckpt"))]


def test_released_models_are_in_the_wheel_with_all_that_lies_beside_them_and_are_small(wheel):
    wanted = {path.name for path in released_folder().iterdir() if path.is_file()}
    with zipfile.ZipFile(wheel) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
    place = "hierattn/deploy/predict/released/"
    assert {name.removeprefix(place) for name in sizes if name.startswith(place)} == wanted
    assert all(sizes[place + name] <= MAX_RELEASED_BYTES for name in wanted)
    assert wheel.stat().st_size < 20_000_000  # what is downloaded, the web app's runtime included


def test_sdist_has_what_its_tests_and_its_pages_need(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    mapped = re.findall(r"`((?:src|tests|recipes|docs|reproduce)/[^` ]+)`", (ROOT / "docs/paper-map.md").read_text())
    assert set(mapped) <= names
    assert {*FILES, "tests/conftest.py", "recipes/quicktest.toml", "docs/paper-map.md", "tools/__init__.py"} <= names
    assert not [name for name in names if name.startswith(("out/", "runs/", ".venv", "results/"))]


def test_version_is_the_same_everywhere(wheel):
    assert wheel.name.split("-")[1] == hierattn.__version__
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {hierattn.__version__}\n" in citation
    assert not re.search(r"^version\s*=", (ROOT / "pyproject.toml").read_text(), flags=re.M)


def test_citation_names_the_paper(wheel):
    import yaml

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["license"] == ["Apache-2.0", "CC-BY-NC-4.0"]
    paper = citation["preferred-citation"]
    assert paper["doi"] == "10.1109/JBHI.2023.3308697"
    assert {author["family-names"] for author in paper["authors"]} >= {"Dai"}


def test_description_shown_by_an_index_names_the_licence_and_the_warning(wheel):
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        text = archive.read(name).decode()
    assert "Not a medical device" in text
    assert "License-Expression: Apache-2.0 AND CC-BY-NC-4.0\n" in text
    assert "Typing :: Typed" in text


def test_pictures_of_the_pages_open():
    pictures = [*ROOT.glob("docs/images/*.png"), *ROOT.glob("docs/images/*.jpg")]
    assert pictures
    for path in pictures:
        with Image.open(path) as picture:
            picture.verify()
