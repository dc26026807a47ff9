"""The test images of a data set in another view: as a network is shown them, not as they are usually shown."""

from dataclasses import replace
from typing import Protocol, runtime_checkable

from device_agent.manifest import View
from groupnl_deploy.images.dataset import Dataset, LabelledImages


@runtime_checkable
class Viewable(LabelledImages, Protocol):
    """Images of any size, of which each view shows another part."""

    def viewed(self, view: View) -> LabelledImages:
        """The same ones in this view."""


def viewed(data: Dataset, view: View | None) -> Dataset:
    """With its test images in this view. Images of one size have none, and None leaves all as they are."""
    if view is None or not isinstance(data.test, Viewable):
        return data
    return replace(data, test=data.test.viewed(view), view=view)
