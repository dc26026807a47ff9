"""Which output means which class: by name, by order, or refused."""

import pytest

from groupnl_deploy.errors import UsageError
from groupnl_deploy.evaluation.classes import match_classes


def test_by_name_where_the_network_knows_all_of_them():
    matched = match_classes(("cat", "dog", "hen"), 3, ("hen", "cat"))
    assert (matched.class_names, matched.outputs, matched.note) == (("cat", "dog", "hen"), (2, 0), None)


def test_by_order_where_nobody_knows_the_networks_names():
    matched = match_classes((), 2, ("cat", "dog"))
    assert (matched.class_names, matched.outputs) == (("cat", "dog"), (0, 1))
    assert "nobody wrote down" in matched.note


def test_by_order_and_aloud_where_all_names_are_others():
    matched = match_classes(("cat", "dog"), 2, ("Katze", "Hund"))
    assert (matched.class_names, matched.outputs) == (("cat", "dog"), (0, 1))
    assert "Katze is cat, Hund is dog" in matched.note


@pytest.mark.parametrize(
    ("known", "count", "of_data"),
    [
        (("cat", "dog"), 2, ("cat", "hen")),  # the same number, but surely not the same classes
        (("cat", "dog"), 2, ("a", "b", "c")),
        ((), 1000, ("cat", "dog")),
    ],
)
def test_else_it_is_refused_with_both(known, count, of_data):
    with pytest.raises(UsageError, match=rf"answers with {count} classes.*of {len(of_data)} \({of_data[0]}") as caught:
        match_classes(known, count, of_data)
    assert "groupnl train --init" in caught.value.remedy
