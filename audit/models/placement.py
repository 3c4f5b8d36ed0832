"""Where a model's weights lie and in which numbers: device, number format, spread over devices, quantisation."""

from __future__ import annotations

import importlib.util
import logging
import sys
import warnings
from typing import Any

import torch
from accelerate import dispatch_model, infer_auto_device_map
from accelerate.utils import get_balanced_memory
from transformers import BitsAndBytesConfig

from audit.extras import absent
from audit.models.base import ModelError
from audit.models.faults import first_line
from audit.models.options import Options


def choose_device(wanted: str) -> torch.device:
    """The device to run on; ``auto`` takes cuda, then mps, then the processor.

    Raises:
        ModelError: where the wanted device is not on this machine.
    """
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise ModelError(f"There is no kind of device {wanted!r}; use device: auto, cpu, mps or cuda.") from None
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}.get(device.type, True)
    if not present or (device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()):
        raise ModelError(
            f"This machine has no {device.type if not present else device} device; use device: auto or cpu."
        )
    return device


def number_format(wanted: str) -> torch.dtype:
    """The dtype to load weights in.

    Raises:
        ModelError: where there is no such dtype.
    """
    # float32 is what measurements are made in: bfloat16 moves log-likelihoods by tenths of a nat.
    dtype = torch.float32 if wanted == "auto" else getattr(torch, wanted, None)
    if not isinstance(dtype, torch.dtype):
        raise ModelError(f"There is no number format {wanted}; use float32, bfloat16 or float16.")
    return dtype


def loading_options(options: Options, adapted: bool, config: Any, source: str) -> dict[str, Any]:
    """What ``from_pretrained`` is told of number format, quantisation and spread.

    A model that an adapter will be merged into is loaded into memory first, and spread afterwards.

    Raises:
        ModelError: where options contradict one another, or need what this machine lacks.
    """
    if options.device_map and options.device != "auto":
        raise ModelError(
            f"device_map: {options.device_map} spreads the model over all devices and device: {options.device} "
            "names one; give one of the two."
        )
    found: dict[str, Any] = {"dtype": number_format(options.dtype)}
    if options.quantization:
        if getattr(config, "quantization_config", None):
            raise ModelError(f"{source} is quantised already; leave out quantization: {options.quantization}.")
        device = choose_device(options.device)
        found["quantization_config"] = _bits(options, device, found["dtype"])
        found["device_map"] = options.device_map or {"": device}
    elif options.device_map and not adapted:
        found["device_map"] = options.device_map
    return found


def _bits(options: Options, device: torch.device, dtype: torch.dtype) -> BitsAndBytesConfig:
    bits = options.quantization
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ModelError(absent(f"quantization: {bits}", "quantization"))
    if device.type == "mps" and not options.trust_remote_code:
        raise ModelError(
            f"quantization: {bits} on mps runs code that bitsandbytes downloads; use device: cpu, or allow it with "
            "trust_remote_code: true."
        )
    import_bitsandbytes(options.trust_remote_code)
    if bits == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)


def import_bitsandbytes(remote_code: bool) -> None:
    """The first import, without the compiled code that it would fetch from the hub where ``kernels`` is installed.

    Raises:
        ModelError: where the package is broken.
    """
    if "bitsandbytes" in sys.modules:
        return
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    kernels = sys.modules.get("kernels")
    if not remote_code:
        sys.modules["kernels"] = None  # type: ignore[assignment]  # importing it now fails, as if it were absent
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it uses what newer torch has deprecated
            importlib.import_module("bitsandbytes")
    except Exception as error:
        raise ModelError(f"The package bitsandbytes cannot be used on this machine: {first_line(error)}") from None
    finally:
        if not remote_code:
            del sys.modules["kernels"]
            if kernels is not None:
                sys.modules["kernels"] = kernels


def place(model: Any, options: Options, source: str) -> Any:
    """The model where it is to run; one that was spread or quantised while loading is there already."""
    if getattr(model, "is_quantized", False) or getattr(model, "hf_device_map", None):
        return model
    if not options.device_map:
        return model.to(choose_device(options.device))
    whole = list(getattr(model, "_no_split_modules", None) or ())
    limits = get_balanced_memory(model, no_split_module_classes=whole, dtype=model.dtype)
    plan = infer_auto_device_map(model, limits, no_split_module_classes=whole, dtype=model.dtype)
    if "disk" in plan.values():
        raise ModelError(f"{source} with its adapter does not fit into devices and memory; merge it into a folder.")
    return dispatch_model(model, plan)


def check_runs(model: Any, source: str) -> None:
    """One small forward pass of a quantised or spread model, whose kernels do not take every shape.

    Raises:
        ModelError: where it cannot be computed, or where inputs would have no device.
    """
    if model.device.type == "meta":
        raise ModelError(f"The first device is too small for {source}'s embeddings; use a larger one or device: cpu.")
    inputs = {name: value[:1].to(model.device) for name, value in model.dummy_inputs.items()}
    try:
        with torch.inference_mode():
            model(**inputs)
        return
    except Exception as error:
        reason = first_line(error).rstrip(".:")
    how = "spread over devices" if getattr(model, "hf_device_map", None) else "with quantised weights"
    raise ModelError(f"{source} cannot be computed {how} here: {reason}.")


def spread(model: Any) -> bool:
    """Whether the weights lie in more than one place; one that fits is put into one, ``device_map: auto`` or not."""
    return len(set((getattr(model, "hf_device_map", None) or {}).values())) > 1


def devices(model: Any) -> str:
    """Where the weights lie, e.g. ``cuda:0, cuda:1, cpu``."""
    plan = getattr(model, "hf_device_map", None) or {}
    named = dict.fromkeys(f"cuda:{at}" if isinstance(at, int) else str(at) for at in plan.values())
    return ", ".join(named) or str(model.device)
