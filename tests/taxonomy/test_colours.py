from itertools import pairwise

import pytest

from hierattn.taxonomy.colours import COLOUR, PALETTE, colours_for, luminance


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("count", [2, 8, 9, 23, 100])
def test_every_class_has_a_colour_of_its_own_that_shows_on_both_pages(count):
    colours = colours_for([("", "")] * count)
    for place, page, least in ((0, "#ffffff", 1.9), (1, "#14181c", 3.0)):  # the palette's yellow and light blue are 2:1
        assert len({pair[place] for pair in colours}) == count
        assert all(COLOUR.fullmatch(pair[place]) for pair in colours)
        assert min(contrast(pair[place], page) for pair in colours) > least


def test_a_thousand_classes_have_colours():
    assert all(COLOUR.fullmatch(one) for pair in colours_for([("", "")] * 1000) for one in pair)


def test_few_classes_take_the_palette_in_order():
    assert colours_for([("", "")] * 8) == list(PALETTE)


def test_a_given_colour_stays_and_no_other_class_takes_it():
    colours = colours_for([("", ""), ("#E69F00", ""), ("#123456", "#abcdef"), ("", "")])
    assert colours[1:3] == [("#E69F00", "#f0b429"), ("#123456", "#abcdef")]
    assert "#e69f00" not in (colours[0][0], colours[3][0])


def test_neighbouring_hues_differ_in_lightness_too():
    shades = [luminance(light) for light, _ in colours_for([("", "")] * 30)]
    assert all(abs(one - other) > 0.05 for one, other in pairwise(shades))
