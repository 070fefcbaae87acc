"""The account of a table is plain values, and says which columns nobody asked for."""

from __future__ import annotations

import json

from hierattn.data.any_table.understanding import ClassFound, ColumnUsed, Understanding


def test_the_account_is_json_and_one_line_names_the_columns_and_how_they_were_found():
    columns = [ColumnUsed("image", "file", "as asked", ["a.jpg"]), ColumnUsed("label", "dx", "by its name", ["MEL"])]
    account = Understanding("t.csv", "text", 3, columns)
    account.classes.append(ClassFound("MEL", "melanoma", 2, 1, 1, {"mel": 2}))
    values = json.loads(json.dumps(account.to_dict()))
    assert values["classes"] == [
        {"code": "MEL", "name": "melanoma", "images": 2, "lesions": 1, "patients": 1, "labels": {"mel": 2}}
    ]
    assert [column.name for column in account.guessed()] == ["dx"]
    assert account.in_short() == "t.csv (text, 3 rows): image = file (as asked), label = dx (by its name)"
