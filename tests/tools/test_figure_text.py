"""How tables print a figure: three digits, its interval in brackets, a dash for what was not measured."""

from tools.figure_text import figure, sensitivity, specificity, with_interval


def test_a_figure_has_its_interval_or_stands_alone_or_is_a_dash():
    assert with_interval(0.12345, (0.1, 0.2)) == "0.123 (0.100 to 0.200)"
    assert with_interval(0.5, None) == "0.500"
    assert figure({"value": None, "interval": None}) == "–"


def test_each_share_of_an_operating_point_has_its_own_interval():
    measured = {
        "sensitivity": 0.9, "interval": [0.8, 1.0], "specificity": 0.4, "specificity_interval": [0.3, 0.5]
    }  # fmt: skip
    assert sensitivity(measured) == "0.900 (0.800 to 1.000)"
    assert specificity(measured) == "0.400 (0.300 to 0.500)"
