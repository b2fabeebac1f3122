"""Devices."""

import os

import torch


def get_available_devices() -> list[int]:
    """Return the numbers of the GPUs, or `[-1]` for the processor."""
    told = os.environ.get("SM_NUM_GPUS")
    count = int(told) if told is not None else torch.cuda.device_count()
    return list(range(count)) if count > 0 else [-1]


def get_device_type(device: int) -> str:
    """Return torch's name of a device."""
    return "cpu" if device < 0 else f"cuda:{device}"
