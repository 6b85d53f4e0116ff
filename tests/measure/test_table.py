"""The table that a measure returns."""

from __future__ import annotations

import pytest

from explorable.measure.table import Table, check_counts


def test_a_table_prints_as_markdown():
    text = Table("T", [{"a": "x", "b": 1.5}, {"a": None, "b": 2}], ["note"]).as_markdown()
    assert text == "T\n\n| a | b |\n| --- | --- |\n| x | 1.5 |\n|  | 2 |\n\nnote"


def test_a_card_gets_the_rows_or_the_facts():
    assert Table("T", [{"a": 1}]).card_facts == {"measured": {"title": "T", "rows": [{"a": 1}]}}
    assert Table("T", [{"a": 1}], facts={"b": 2}).card_facts == {"b": 2}


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "3"])
def test_a_count_is_a_whole_number_and_enough(value):
    with pytest.raises(ValueError, match=r"^prompts is .*: choose a whole number, 1 or more$"):
        check_counts(1, prompts=value)
