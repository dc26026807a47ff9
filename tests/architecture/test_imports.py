"""No module imports itself by way of others, also where an import stands inside a function."""

import graphlib

import grimp
import pytest

PACKAGES = ("groupnl_deploy", "exporters", "device_agent", "power")


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    """Who imports whom among our modules when they run, read from the sources; imports inside functions are in it."""
    return grimp.build_graph(*PACKAGES, exclude_type_checking_imports=True, cache_dir=None)


def test_no_circle_of_imports(imports: grimp.ImportGraph) -> None:
    graph = {module: imports.find_modules_directly_imported_by(module) for module in imports.modules}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_imports_inside_functions_are_followed(imports: grimp.ImportGraph) -> None:
    assert imports.direct_import_exists(importer="groupnl_deploy.cli.entry", imported="groupnl_deploy.cli.main")
