"""The picture of a report's page that stands in the README.

`python -m tests.report.browser.screenshot PAGE.html OUT.png`: as Chromium shows the page in a high window.
"""

import base64
import io
import sys
from pathlib import Path

from PIL import Image

from tests.report.browser.conftest import started

_WIDTH, _HEIGHT = 1280, 2000


def main() -> None:
    """Draw it."""
    page, out = map(Path, sys.argv[1:3])
    with started("--hide-scrollbars") as browser:
        browser.open(page.resolve(), width=_WIDTH)
        size = {"width": _WIDTH, "height": _HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        browser.cdp("Emulation.setDeviceMetricsOverride", **size)
        browser.run("return new Promise((done) => setTimeout(done, 500))")
        shot = base64.b64decode(browser.cdp("Page.captureScreenshot", format="png")["data"])
    picture = Image.open(io.BytesIO(shot)).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    out.parent.mkdir(parents=True, exist_ok=True)
    picture.save(out, optimize=True)


if __name__ == "__main__":
    main()
