"""Extraction on a Ray cluster, by Ray Data: for those who have one. Needs the extra ``ray``.

Ray hands out shares of the pairs to actors that each hold a model, starts them again where they
die, and scales their number; what a share gives is a part, as ``palrs-hub extract --part`` writes
it, and the parts are joined as ``palrs-hub merge`` joins them.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from palrs_hub.distributed import Team
from palrs_hub.errors import MissingExtraError, UsageError
from palrs_hub.extraction import from_part, read_part
from palrs_hub.loading import load_model_and_tokenizer
from palrs_hub.methods import ReadMethod
from palrs_hub.parts import Part, join
from palrs_hub.reading import Share, shards_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from palrs_hub.candidates import Extraction
    from palrs_hub.pairs.pair import PreferencePair
    from palrs_hub.plan import Plan

SHARES_A_WORKER: Final = 4
"""How many shares a worker reads: what is lost with a worker is one of them."""


@dataclass(frozen=True)
class Workers:
    """The actors that read.

    Attributes:
        number: How many there are.
        cpus: Processor cores of each, for Ray's accounts.
        gpus: GPUs of each; a part of one shares it.
    """

    number: int
    cpus: float = 1
    gpus: float = 0


@dataclass(frozen=True)
class _Work:
    """What every worker is told once."""

    model: str
    revision: str | None
    dtype: str
    plan: Plan
    layers: tuple[int, ...] | None
    base_model: str | None
    device: str
    shares: int


def extract_on_ray(
    model: str,
    pairs: Sequence[PreferencePair],
    plan: Plan,
    workers: Workers,
    *,
    revision: str | None = None,
    layers: Sequence[int] | None = None,
    dtype: str = "auto",
    base_model: str | None = None,
) -> Extraction:
    """The candidates that ``extract`` finds, read by the workers of a Ray cluster.

    Ray is started on this machine unless ``ray.init`` has connected to a cluster before.

    Args:
        model: The model's name on the Hub, or a folder that every worker sees.
        pairs: Preference pairs.
        plan: The method and its switches: ``Plan.made("palrs")``.
        workers: The actors.
        revision: The model's branch, tag or commit.
        layers: Layers to find candidates for; all by default.
        dtype: The floating-point type to load the model in.
        base_model: Name on the Hub of a model that is read from a folder.

    Raises:
        MissingExtraError: Ray is not installed.
        UsageError: The method trains, or the workers would leave Ray Data no core to work with.
        ExtractionError: The pairs or the activations do not allow it.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingExtraError("Extraction on a Ray cluster", "ray") from error
    if not isinstance(plan.method, ReadMethod):
        raise UsageError(
            f"The method {plan.method.name!r} trains in one process, not on a cluster."
        )
    ray.init(ignore_reinit_error=True)
    _check_cores(workers, ray.cluster_resources().get("CPU", 0))
    shares = min(shards_of(len(pairs)), SHARES_A_WORKER * workers.number)
    work = _Work(
        model=model,
        revision=revision,
        dtype=dtype,
        plan=plan,
        layers=None if layers is None else tuple(layers),
        base_model=base_model,
        device="cuda" if workers.gpus else "cpu",
        shares=shares,
    )
    read = ray.data.range(shares, override_num_blocks=shares).map_batches(
        _Reader,
        fn_constructor_args=(work, ray.put(pairs)),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=workers.number),
        num_cpus=workers.cpus,
        num_gpus=workers.gpus,
    )
    return from_part(join(list(_parts(read.iter_rows()))))


class _Reader:
    """An actor: it loads the model once and reads every share that it is handed."""

    def __init__(self, work: _Work, pairs: Any) -> None:  # noqa: ANN401 - a reference of Ray's
        import ray

        self._work, self._pairs = work, ray.get(pairs)
        loaded: tuple[Any, Any] = load_model_and_tokenizer(
            work.model, revision=work.revision, dtype=work.dtype
        )
        self._model, self._tokenizer = loaded[0].to(work.device), loaded[1]

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        work, found = self._work, []
        for share in batch["id"]:
            part, _ = read_part(
                self._model,
                self._tokenizer,
                self._pairs,
                work.plan,
                layers=work.layers,
                base_model=work.base_model,
                base_revision=work.revision if work.base_model else None,
                team=Team(Share(int(share), work.shares)),
            )
            found.append(_packed(part))
        return {"part": found}


def _check_cores(workers: Workers, cores: float) -> None:
    if workers.number * workers.cpus >= cores:
        raise UsageError(
            f"{workers.number} workers of {workers.cpus:g} cores would take all {cores:g} of the "
            "cluster, and Ray Data would wait for ever for one of its own. Use fewer."
        )


def _packed(part: Part) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part"
        part.save(path)
        return path.read_bytes()


def _parts(rows: Iterator[dict[str, bytes]]) -> Iterator[Part]:
    """What the workers sent, checked like any file of another machine."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part"
        for row in rows:
            path.write_bytes(row["part"])
            yield Part.load(path)
