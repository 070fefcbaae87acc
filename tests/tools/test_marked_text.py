"""Text between marks: replaced alone, and never written where the marks are missing or doubled."""

import pytest
from tools.marked_text import marks, write_between_marks

from hierattn.errors import UsageError

BEGIN, END = marks("python -m x")


def test_only_what_stands_between_the_marks_changes(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n\n{BEGIN}\nold\n{END}\n\nafter")
    write_between_marks(page, "python -m x", "| new |\n")
    assert page.read_text() == f"before\n\n{BEGIN}\n\n| new |\n\n{END}\n\nafter"
    write_between_marks(page, "python -m x", "| new |")
    assert page.read_text() == f"before\n\n{BEGIN}\n\n| new |\n\n{END}\n\nafter"


@pytest.mark.parametrize(
    "text", ["nothing", f"{BEGIN} alone", f"{END} before {BEGIN}", f"{BEGIN}{END} and again {BEGIN}{END}"]
)
def test_a_page_without_both_marks_once_in_order_is_left_alone(text, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(UsageError, match="lacks the marks"):
        write_between_marks(page, "python -m x", "new")
    assert page.read_text() == text
