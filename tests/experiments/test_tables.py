import pandas as pd

from genesis_lab.experiments.tables import as_markdown

TABLE = pd.DataFrame(
    {"old": ["stalled", "1"], "new": ["completed", "66"]}, index=["ended", "signals"]
)


def test_table_is_markdown_whose_columns_line_up() -> None:
    assert as_markdown(TABLE) == (
        "|         |     old |       new |\n"
        "|---------|--------:|----------:|\n"
        "| ended   | stalled | completed |\n"
        "| signals |       1 |        66 |"
    )


def test_columns_that_do_not_fit_go_into_a_table_of_their_own() -> None:
    assert as_markdown(TABLE, width=32) == (
        "|         |     old |\n"
        "|---------|--------:|\n"
        "| ended   | stalled |\n"
        "| signals |       1 |\n"
        "\n"
        "|         |       new |\n"
        "|---------|----------:|\n"
        "| ended   | completed |\n"
        "| signals |        66 |"
    )


def test_table_that_just_fits_is_one() -> None:
    assert as_markdown(TABLE, width=33) == as_markdown(TABLE)


def test_column_that_does_not_fit_anywhere_is_shown_all_the_same() -> None:
    assert as_markdown(TABLE[["old"]], width=10) == as_markdown(TABLE[["old"]])
