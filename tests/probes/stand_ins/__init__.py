"""A data folder with invented items in the layout of the published sets, for tests of the probes that read them.

The groups and what is said of them are made up, so that nothing here repeats a stereotype or a published item. One
module a set; each has ``write(folder)``, which puts the files where a user would.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules


def _made() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="stand-ins-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}").write(folder)
    return folder


DATA = _made()
"""The folder."""
