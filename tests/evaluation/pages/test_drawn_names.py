"""Names in figures: short, no two alike, and none as empty boxes."""

import warnings

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from hierattn.evaluation.measures.calibration import fit_calibration
from hierattn.evaluation.pages.drawn_names import drawable, drawn_names
from hierattn.evaluation.pages.figures import draw_figures, svg
from hierattn.evaluation.predictions import Predictions
from hierattn.taxonomy.records import LesionClass, Taxonomy

SCRIPTS = ("MEL", "naevus", "Кожа", "δέρμα", "皮炎", "皮膚炎", "습진", "त्वचा")


@pytest.mark.parametrize("text", SCRIPTS)
def test_what_is_called_drawable_is_what_matplotlib_draws_without_a_warning(text):
    figure = Figure()
    FigureCanvasAgg(figure)
    figure.text(0.5, 0.5, text)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        figure.canvas.draw()
    assert drawable(text) == (not told)


def test_a_name_that_no_font_can_draw_gives_way_to_its_number_in_the_table():
    assert drawn_names(["MEL", "\U000e0fff", "NV"], "source") == ["MEL", "source 2", "NV"]


def test_long_names_are_cut_and_stay_apart():
    names = [f"granuloma_annulare_{end}_kind" for end in "abc"] + ["Lichen_planus_like_keratosis", "MEL"]
    labels = drawn_names(names)
    assert len(set(labels)) == len(names)
    assert labels[:3] == names[:3]  # cut, they would look alike
    assert len(labels[3]) < len(names[3])
    assert labels[4] == "MEL"


@pytest.mark.filterwarnings("error")
def test_figures_of_classes_in_any_script_have_no_box_in_them():
    taxonomy = Taxonomy("clinic", tuple(LesionClass(code, f"name of {code}") for code in SCRIPTS))
    rng = np.random.default_rng(0)
    count = len(SCRIPTS)
    predictions = Predictions(
        tuple(f"{row}.jpg" for row in range(80)), taxonomy, rng.dirichlet(np.ones(count), 80),
        rng.permutation(np.arange(80) % count), np.zeros(80, int), ("",) * 80,
    )  # fmt: skip
    drawn = draw_figures(predictions, fit_calibration(predictions, resamples=0), {})
    for name, figure in drawn.items():
        text = svg(figure, name)
        for place, code in enumerate(SCRIPTS, 1):
            assert drawable(code) or code not in text, name
            if name in ("roc", "confusion_matrix"):
                assert (code if drawable(code) else f"class {place}") in text
