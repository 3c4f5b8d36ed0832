"""What a pickle would import and call, read from its opcodes; nothing is imported, called or built.

The stack is followed with strings as they are and everything else as unknown, so that an import whose name was pushed
early, duplicated or memoised is found; one whose name is not a plain string in the file is told as hidden. Names are
compared with a short list of what rebuilds tensors and containers, not with a list of what is harmful: gadgets are many
(Liu et al. 2025, arXiv:2508.19774, find 133 that scanners miss).
"""

from __future__ import annotations

import pickletools
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Any

PICKLED = frozenset(
    {
        *(".bin", ".ckpt", ".dill", ".joblib", ".mar", ".p", ".pickle", ".pkl", ".pt", ".pt2", ".pth", ".ptl"),
        ".model_state",
    }
)
"""Endings under which tools open a file as a pickle, or as an archive that holds some."""
_BUILTINS = ("bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list", "object", "range", "set")
_MORE_BUILTINS = ("slice", "str", "tuple", "bool")
_STORAGES = (
    *("BFloat16", "Bool", "Byte", "Char", "ComplexDouble", "ComplexFloat", "Double", "Float", "Half", "Int", "Long"),
    *("QInt32", "QInt8", "QUInt8", "Short", "Untyped"),
)
_FORMATS = (
    *("bfloat16", "bool", "complex128", "complex64", "float16", "float32", "float64", "float8_e4m3fn", "float8_e5m2"),
    *("int16", "int32", "int64", "int8", "uint16", "uint32", "uint64", "uint8"),
)
_REBUILDS = (
    *("_rebuild_meta_tensor_no_storage", "_rebuild_parameter", "_rebuild_parameter_with_state", "_rebuild_qtensor"),
    *("_rebuild_sparse_tensor", "_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3"),
)
_ARRAYS = ("numpy.core.multiarray", "numpy._core.multiarray")
HARMLESS: frozenset[tuple[str, str]] = frozenset(
    {(module, name) for module in ("builtins", "__builtin__") for name in (*_BUILTINS, *_MORE_BUILTINS)}
    | {("torch", f"{name}Storage") for name in _STORAGES}
    | {("torch.storage", "UntypedStorage"), ("torch.storage", "TypedStorage")}
    | {("torch", name) for name in (*_FORMATS, "Size", "Tensor", "device")}
    | {("torch._utils", name) for name in _REBUILDS}
    | {("torch.nn.parameter", "Parameter"), ("torch.serialization", "_get_layout")}
    | {("collections", name) for name in ("Counter", "OrderedDict", "defaultdict", "deque")}
    | {(module, name) for module in _ARRAYS for name in ("_reconstruct", "scalar")}
    | {("numpy", "dtype"), ("numpy", "ndarray"), ("_codecs", "encode")}
    | {("numpy.core.numeric", "_frombuffer"), ("numpy._core.numeric", "_frombuffer")}
    | {("copyreg", "_reconstructor"), ("copy_reg", "_reconstructor")}
)
"""Modules and names that tensors, arrays and plain containers are rebuilt with; compared whole, never by beginning."""

_RUNNING = frozenset(
    {
        *(
            "_pickle",
            "_posixsubprocess",
            "_winapi",
            "asyncio",
            "bdb",
            "cProfile",
            "cloudpickle",
            "code",
            "codeop",
            "ctypes",
        ),
        *(
            "dill",
            "ftplib",
            "functools",
            "http",
            "httplib",
            "imp",
            "importlib",
            "inspect",
            "joblib",
            "logging",
            "marshal",
        ),
        *("multiprocessing", "nt", "operator", "os", "pdb", "pickle", "pip", "pkgutil", "platform", "posix", "profile"),
        *("pty", "pydoc", "requests", "runpy", "shelve", "shutil", "signal", "smtplib", "socket", "ssl", "subprocess"),
        *("sys", "telnetlib", "tempfile", "threading", "timeit", "trace", "types", "urllib", "urllib2", "venv"),
        *("webbrowser", "zipimport"),
    }
)
_RUNNING_NAMES = frozenset(
    {
        *(
            "torch.hub.load",
            "torch.jit.load",
            "torch.load",
            "torch.storage._load_from_bytes",
            "torch.serialization.load",
        ),
        *("numpy.load", "numpy.testing._private.utils.runstring", "pandas.read_pickle", "torch.ops.load_library"),
    }
)
_HIDDEN = "(a name that is put together while loading)"
_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII)
_MARK = object()
_UNKNOWN = object()
_STRINGS = frozenset(
    {"BINSTRING", "BINUNICODE", "BINUNICODE8", "SHORT_BINSTRING", "SHORT_BINUNICODE", "STRING", "UNICODE"}
)


@dataclass
class Pickled:
    """What one or several pickles in a row would do.

    Attributes:
        imports: (module, name) in the order of first use.
        hidden: imports whose name is not in the file as such.
        whole: whether all were read to their end; a broken one runs what stands before the break.
        pickles: how many were begun.
    """

    imports: dict[tuple[str, str], None] = field(default_factory=dict)
    hidden: int = 0
    whole: bool = True
    pickles: int = 0

    @property
    def dangerous(self) -> list[str]:
        """Imports that run commands or code, and hidden ones."""
        return [_dotted(i) for i in self.imports if runs(*i)] + [_HIDDEN] * bool(self.hidden)

    @property
    def unlisted(self) -> list[str]:
        """Imports that are neither known to be harmless nor known to run code."""
        return [_dotted(i) for i in self.imports if i not in HARMLESS and not runs(*i)]


def runs(module: str, name: str) -> bool:
    """Whether an import is known to run commands or code, or to open the way to what does."""
    if module in ("builtins", "__builtin__"):
        return (module, name) not in HARMLESS
    dotted = f"{module}.{name}"
    parts = set(dotted.split("."))  # protocol 4 walks along dots: ("torch", "os.system")
    inside = parts & {"os", "sys", "subprocess", "posix", "socket"} or any(p.startswith("__") for p in parts)
    return module.split(".")[0] in _RUNNING or dotted in _RUNNING_NAMES or bool(inside)


def read_pickles(file: IO[bytes]) -> Pickled:
    """Read one pickle, and those that follow it directly, from where the file stands."""
    found = Pickled()
    while True:
        found.pickles += 1
        try:
            _read_one(file, found)
        except Exception:
            # Broken bytes raise many kinds of errors in pickletools; all mean that it cannot be read further.
            found.whole = False
            return found
        place = file.tell()
        follows = file.read(2)
        file.seek(place)
        if not (len(follows) == 2 and follows[0] == 0x80 and follows[1] <= 5):
            _read_unmarked(file, found)
            return found


def _read_unmarked(file: IO[bytes], found: Pickled) -> None:
    """What follows without the first bytes of a pickle: numbers in most files, but a loader would run a pickle as well.

    torch.load reads several pickles in a row, and protocols 0 and 1 do not begin with bytes of their own. Numbers break
    off at once as a pickle, or import nothing that is a name.
    """
    behind = Pickled()
    with suppress(Exception):  # broken bytes raise many kinds of errors; what stands before the break would be run
        _read_one(file, behind)
        found.hidden += behind.hidden  # of a whole one
    for module, name in behind.imports:
        if _NAME.fullmatch(module) and _NAME.fullmatch(name):
            found.imports[module, name] = None


def _read_one(file: IO[bytes], found: Pickled) -> None:
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    for opcode, argument, _ in pickletools.genops(file):
        name = opcode.name
        if name in _STRINGS:
            stack.append(argument if isinstance(argument, str) else _UNKNOWN)
        elif name in ("GLOBAL", "INST"):
            module, _, what = str(argument).partition(" ")
            found.imports[module, what] = None
            if name == "INST":
                _to_mark(stack)
            stack.append(_UNKNOWN)
        elif name == "STACK_GLOBAL":
            what, module = _pop(stack), _pop(stack)
            if isinstance(module, str) and isinstance(what, str):
                found.imports[module, what] = None
            else:
                found.hidden += 1
            stack.append(_UNKNOWN)
        elif name.startswith("EXT"):
            found.hidden += 1  # a number in a registry of the program that loads it
            stack.append(_UNKNOWN)
        else:
            _move(stack, memo, opcode, argument)


def _move(stack: list[Any], memo: dict[int, Any], opcode: Any, argument: Any) -> None:
    """What an opcode that imports nothing does to stack and memo."""
    name = opcode.name
    if name == "MARK":
        stack.append(_MARK)
    elif name == "MEMOIZE":
        memo[len(memo)] = stack[-1]
    elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
        memo[int(argument)] = stack[-1]
    elif name in ("GET", "BINGET", "LONG_BINGET"):
        stack.append(memo.get(int(argument), _UNKNOWN))
    elif name == "DUP":
        stack.append(stack[-1])
    elif name == "POP":
        _pop(stack)
    else:
        if pickletools.markobject in opcode.stack_before:
            _to_mark(stack)
            before = opcode.stack_before.index(pickletools.markobject)
        else:
            before = len(opcode.stack_before)
        for _ in range(before):
            _pop(stack)
        stack.extend(_UNKNOWN for _ in opcode.stack_after)


def _pop(stack: list[Any]) -> Any:
    return stack.pop() if stack else _UNKNOWN


def _to_mark(stack: list[Any]) -> None:
    while stack and stack.pop() is not _MARK:
        pass


def _dotted(found: tuple[str, str]) -> str:
    return f"{found[0]}.{found[1]}"
