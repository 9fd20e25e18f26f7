"""``registry add``: an entry and a card from a package, all of it or nothing."""

import json
import os

import pytest

from palrs_hub.errors import RegistryError
from palrs_hub.evidence import Settings
from palrs_hub.registry import read_shelf
from palrs_hub.registry.add import Wanted, draft, faults_of, slug_of, write
from palrs_hub.registry.facts import read_samples
from palrs_hub.registry.markdown import SECTIONS, sections
from tests.builders import an_evaluation


def files(root):
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def test_a_package_of_the_hub_becomes_an_entry_that_passes_every_check(registry, hub):
    record = registry.add("careful", repo="lab/added-careful")
    assert registry.check(online=True) == set()
    (read,) = read_shelf(registry.root).records
    assert read.entry == record.entry
    assert read.entry.source.repo == "lab/added-careful"
    assert read.entry.curator.verdict == "unreviewed"
    assert {"registry/careful.yaml", "cards/careful.md"} <= files(registry.root)


def test_the_card_has_every_section_from_the_package(registry):
    record = registry.add("careful")
    found = sections(record.card)
    assert tuple(found) == SECTIONS
    assert "Adds with care." in found["Intended use"]
    assert "unsteered 0.25" in found["Evidence"]
    assert "0.5 to 2" in found["Limits"]


def test_a_draft_changes_nothing(registry):
    before = files(registry.root)
    registry.add("first")
    registry.root.joinpath("registry/first.yaml").unlink()
    draft(
        registry.root,
        str(registry.root / "registry/vectors/first"),
        Wanted(slug="second", base_model=str(registry.root / "base")),
    )
    assert not any("second" in path for path in files(registry.root) - before)


def test_what_speaks_against_a_draft_is_known_before_it_is_written(registry):
    registry.add("first", seed=7)
    record = registry.add("copy", seed=7, evaluations=(an_evaluation(baselines={}),))
    assert {fault.finding.check for fault in faults_of(record)} == {"evaluations", "duplicates"}


def test_a_divergence_is_from_the_unsteered_model_and_has_no_baseline_of_it(registry):
    neutral = Settings(kind="neutral text")
    divergence = an_evaluation(metric="kl", baselines={"random 1": 0.3}, settings=neutral)
    record = registry.add("first", evaluations=(an_evaluation(), divergence))
    assert faults_of(record) == ()
    claimed = divergence.model_copy(update={"settings": Settings(kind="problems")})
    record = registry.add("second", seed=7, evaluations=(an_evaluation(), claimed))
    assert {fault.finding.check for fault in faults_of(record)} == {"evaluations"}


def test_an_entry_that_is_there_is_not_replaced_unasked(registry):
    record = registry.add("careful")
    with pytest.raises(RegistryError, match="is there already"):
        write(record)
    registry.change("cards/careful.md", "Adds with care.", "Written by a curator.")
    write(record, over=True)
    assert "Written by a curator." in (registry.root / "cards/careful.md").read_text()
    assert registry.check() == set()


@pytest.mark.parametrize("moved", [0, 1, 2])
def test_a_failure_leaves_nothing_behind(registry, monkeypatch, moved):
    registry.add("careful")
    before = files(registry.root)
    record = draft(
        registry.root,
        str(registry.root / "registry/vectors/careful"),
        Wanted(slug="another", base_model=str(registry.root / "base")),
    )
    replace, calls = os.replace, []

    def full(source, target):
        calls.append(target)
        if len(calls) > moved:
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(RegistryError, match="Nothing was written"):
        write(record)
    assert files(registry.root) == before


def test_a_folder_outside_the_repository_is_refused(registry, tmp_path):
    record = registry.add("careful")
    elsewhere = record.vector.save_pretrained(tmp_path / "elsewhere")
    with pytest.raises(RegistryError, match="Push the vector to the Hub"):
        draft(registry.root, str(elsewhere))


@pytest.mark.parametrize(
    ("name", "slug"),
    [("Careful_Sums", "careful-sums"), ("x.y", "x.y"), ("--A--", "a"), ("a" * 99, "a" * 64)],
)
def test_a_name_becomes_a_slug(name, slug):
    assert slug_of(name) == slug


def test_samples_are_read_from_what_generate_prints():
    printed = {
        "coefficient": [1.5],
        "generations": [{"prompt": "1+1=", "steered": "2", "unsteered": "3"}],
    }
    (sample,) = read_samples(json.dumps(printed, indent=2).encode())
    assert (sample.prompt, sample.steered, sample.coefficient) == ("1+1=", "2", 1.5)
    line = {"prompt": "a", "steered": "b", "unsteered": "c", "coefficient": 1.0}
    assert len(read_samples((json.dumps(line) + "\n").encode() * 3)) == 3


@pytest.mark.parametrize("data", [b"[]", b"{}", b"no", b'{"prompt": "\\u0007"}'])
def test_what_is_no_sample_is_refused(data):
    with pytest.raises(RegistryError, match="samples"):
        read_samples(data)
