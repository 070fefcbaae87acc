"""What several tests share: where the real photographs are, and one small prepared set of rendered lesions."""

from __future__ import annotations

import os
from pathlib import Path

# One thread a process, before NumPy and torch are imported: the suite runs a process a core, and threads that wait for
# one another on a busy machine make small tensors a hundred times slower than one thread does.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import pytest

SHARED = Path(os.environ.get("HIERATTN_SHARED", Path(__file__).resolve().parents[2] / "shared"))


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rendered set of 160 photographs in ISIC 2019's layout."""
    from hierattn.data.rendered.rendered_set import render_set

    return render_set(tmp_path_factory.mktemp("rendered") / "set", images=160, size=64, seed=3)


@pytest.fixture(scope="session")
def prepared(rendered: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rendered set, prepared at 64 pixels with three folds."""
    from hierattn.data.prepare.options import PrepareOptions
    from hierattn.data.prepare.prepare import prepare

    out = tmp_path_factory.mktemp("prepared") / "set"
    prepare(rendered, out, PrepareOptions(size=64, folds=3, seed=0))
    return out
