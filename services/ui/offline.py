"""Panel, told before it is imported to take every file from this server: import Panel from here and nowhere else."""

import os

CDN_ROOT = "/cdn/"
os.environ["PANEL_CDN_ROOT"] = CDN_ROOT

import panel as pn  # noqa: E402
from panel.config import panel_extension  # noqa: E402
from panel.custom import JSComponent  # noqa: E402
from panel.io.resources import DIST_DIR  # noqa: E402
from panel.io.server import get_server  # noqa: E402

__all__ = ["CDN_ROOT", "DIST_DIR", "JSComponent", "get_server", "panel_extension", "pn"]
