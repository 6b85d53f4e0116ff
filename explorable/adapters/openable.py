"""Refuse denoisers whose activations cannot be read or changed from outside."""

from __future__ import annotations

from typing import Any

from torch import nn

from ..diffusion.settings import SettingError
from .families import Family


def check_openable(pipeline: Any, family: Family) -> None:
    """Refuse a denoiser whose activations cannot be read or changed from outside.

    Raises:
        SettingError: it is compiled, spread over devices, offloaded or quantised; says what to do.
    """
    for component, reason in family.unsupported:
        if getattr(pipeline, component, None) is not None:
            raise SettingError(f"this {type(pipeline).__name__} cannot be opened: {reason} (pipeline.{component})")
    name, network, denoiser = family.denoiser, getattr(pipeline, family.denoiser), family.find_denoiser(pipeline)
    is_mapped = bool(getattr(pipeline, "hf_device_map", None))
    for wrapper in network.modules():
        if "_orig_mod" in wrapper._modules:
            raise SettingError(f"the {name} is compiled (by torch.compile, into {type(wrapper).__name__}), and "
                               f"compiled code skips hook points: {_unwrapped(name, network, wrapper, '_orig_mod')}")
        if len(vars(wrapper).get("device_ids") or ()) > 1:
            raise SettingError(f"the {name} is spread over {len(wrapper.device_ids)} devices by "
                               f"{type(wrapper).__name__}: {_unwrapped(name, network, wrapper, 'module')}")
        if wrapper._compiled_call_impl is not None:
            raise SettingError(f"the {name} is compiled in place (by .compile()), and compiled code skips hook points: "
                               "load the pipeline again, and leave .compile() out")
        if is_mapped or _is_offloaded(wrapper):
            raise SettingError(f"the {name} is offloaded, and moves between devices while it runs: load the "
                               "pipeline again without enable_..._offload or a device map, and move it with "
                               ".to(device); half precision (torch_dtype=torch.float16) takes half the memory")
    if getattr(denoiser, "is_quantized", False) or getattr(denoiser, "hf_quantizer", None) is not None:
        raise SettingError(f"the {family.denoiser} is quantised, and its layers are not plain ones: load it in half "
                           "precision (torch_dtype=torch.float16 or bfloat16) without quantization_config")


def _unwrapped(name: str, network: nn.Module, wrapper: nn.Module, attribute: str) -> str:
    """Return the advice to take out what a wrapper contains."""
    inside = f"pipeline.{name}.{attribute}" if wrapper is network else f"the wrapper's {attribute}"
    return f"pipeline.{name} = {inside} gives the network itself back, and that can be opened"


def _is_offloaded(module: nn.Module) -> bool:
    """Return whether a module has a hook of accelerate or of diffusers' group offloading."""
    registry = vars(module).get("_diffusers_hook")
    return "_hf_hook" in vars(module) or (registry is not None and any("offloading" in name for name in registry.hooks))
