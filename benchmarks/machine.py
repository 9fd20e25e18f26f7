"""What a machine is, as far as figures depend on it; no names."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

SOFTWARE = ("torch", "transformers", "numpy")


def machine() -> dict[str, Any]:
    """Processor, cores, memory, load and versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gigabytes": round(memory / 1024**3),
        "load_at_the_end": round(os.getloadavg()[0], 1),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in SOFTWARE},
        },
    }


def _processor() -> str:
    """Model name of the processor; on some virtual machines it tells little."""
    information = Path("/proc/cpuinfo")
    if not information.exists():
        return platform.processor() or platform.machine()
    facts: dict[str, str] = {}
    for line in information.read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        facts.setdefault(key.strip(), value.strip())
    numbers = [f"{key} {facts[key]}" for key in ("cpu family", "model") if key in facts]
    wide = [flag for flag in ("avx2", "avx512f", "amx_tile") if flag in facts.get("flags", "")]
    return ", ".join([facts.get("model name", platform.machine()), *numbers, *wide])
