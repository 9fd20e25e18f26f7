"""Other tools to be measured beside palrs-hub, each in an environment of its own.

``python -m benchmarks.peers`` makes the environments, in ``.venv-peers/`` (half a gigabyte in all,
most of it scikit-learn and SciPy).
torch and transformers are those of the environment that this runs in, lent through a ``.pth`` file:
all are measured on the same ones, and none is installed twice. What a tool needs beside them is
installed without its dependencies, at pinned versions, for two of them refuse transformers 5.

steering-lite is not among them: it is not on PyPI. On the counts of its forwards, tokens and
vocabulary projections it does what steering-vectors does.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = ROOT / ".venv-peers"


@dataclass(frozen=True)
class Peer:
    """Another tool.

    Attributes:
        requirements: What is installed, and nothing that these ask for.
        batch_sizes: Those to measure, its default first.
    """

    requirements: tuple[str, ...]
    batch_sizes: tuple[int, ...]


_SKLEARN = (
    "scikit-learn==1.7.2",
    "scipy==1.16.3",
    "joblib==1.5.2",
    "threadpoolctl==3.6.0",
)

PEERS = {
    "steering-vectors": Peer(("steering-vectors==0.12.2", *_SKLEARN), (1, 4)),
    "repeng": Peer(("repeng==0.4.0", "gguf==0.17.1", *_SKLEARN), (32, 2)),
    "saklas": Peer(("saklas==5.3.0",), (16, 4)),
}


def python_of(name: str) -> Path:
    """The interpreter of a peer's environment, which is made if need be."""
    folder = ENVIRONMENTS / name
    python = folder / "bin" / "python"
    done = folder / ".is-set-up"
    wanted = "\n".join(PEERS[name].requirements)
    if not done.exists() or done.read_text(encoding="utf-8") != wanted:
        subprocess.run(
            [sys.executable, "-m", "venv", "--clear", "--without-pip", str(folder)], check=True
        )
        subprocess.run(
            [
                *(sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"),
                *("--no-deps", "--only-binary", ":all:", *PEERS[name].requirements),
            ],
            check=True,
        )
        _lend(folder)
        done.write_text(wanted, encoding="utf-8")
    return python


def _lend(folder: Path) -> None:
    """Let an environment see the packages of this one, after its own."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    own = folder / "lib" / version / "site-packages"
    lent = [path for path in sys.path if Path(path).name == "site-packages"]
    (own / "lent.pth").write_text("\n".join(lent) + "\n", encoding="utf-8")


if __name__ == "__main__":
    for peer in PEERS:
        print(peer, python_of(peer))
