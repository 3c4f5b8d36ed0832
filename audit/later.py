"""Modules of ours that are imported when they are first used.

Importing torch and transformers takes seconds, and neither help nor completion needs them. Where a module that stands
before every command needs a heavy one, it names it twice: for the type checker as any import, and at run time by
``later``. The import is still at the top, so the table of allowed edges sees it.
"""

from __future__ import annotations

import sys
from importlib.util import LazyLoader, find_spec, module_from_spec
from types import ModuleType


def later(name: str) -> ModuleType:
    """The module of that full name; its code runs when one of its attributes is first asked for.

    Raises:
        ModuleNotFoundError: where there is no such module.
    """
    if name in sys.modules:
        return sys.modules[name]
    spec = find_spec(name)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    spec.loader = LazyLoader(spec.loader)
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    package, _, last = name.rpartition(".")
    setattr(sys.modules[package], last, module)  # as the import statement does
    return module
