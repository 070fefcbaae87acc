"""What is attached: figures that are defined, reports, every PNG that was drawn."""

from hierattn.tracking.results import Results


def test_figures_that_are_not_defined_are_left_out_and_pngs_are_found(tmp_path):
    for name in ("roc.png", "roc.svg", "confusion_matrix.png"):
        (tmp_path / name).touch()
    headline = {"balanced accuracy": 0.5, "macro AUC": None, "cancer AUC": float("nan")}
    results = Results.of("evaluation", headline, [tmp_path / "report.json"], tmp_path)
    assert results.figures == {"balanced accuracy": 0.5}
    assert [path.name for path in results.pictures] == ["confusion_matrix.png", "roc.png"]
    assert [path.name for path in results.files] == ["report.json"]
