"""A registry with twelve faults: a check names each, under its entry, and nothing else."""

import re

import pytest

from palrs_hub.registry import read_shelf
from palrs_hub.registry.checks import check_shelf
from tests.builders import an_evaluation


def moved_commit(registry):
    """The pinned commit is not in the repository: its history was rewritten."""
    record = registry.add("rewritten", repo="lab/rewritten")
    registry.change("registry/rewritten.yaml", record.entry.source.commit, "f" * 40)
    return "rewritten", "pinned"


def wrong_hash(registry):
    """One bit of the tensors flipped after they were submitted."""
    registry.add("flipped")
    file = registry.root / "registry/vectors/flipped/steering_vectors.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    return "flipped", "package"


def script_in_a_card(registry):
    registry.add("scripted")
    registry.change("cards/scripted.md", "## Limits", "<script>alert(1)</script>\n\n## Limits")
    return "scripted", "card_content"


def imitation(registry):
    """Another publisher's name with a digit in the place of a letter."""
    registry.add("honest-answers", repo="lab/honest-answers")
    registry.add("h0nest-answers", repo="stranger/h0nest-answers")
    return "h0nest-answers", "names"


def missing_baseline(registry):
    """A gain over the unsteered model alone: any vector of that length might do."""
    registry.add("unproven", evaluations=(an_evaluation(baselines={"unsteered": 0.25}),))
    return "unproven", "evaluations"


def slug_of_another_file(registry):
    registry.add("mislabelled")
    registry.change("registry/mislabelled.yaml", "slug: mislabelled", "slug: something-else")
    return "mislabelled", "slug"


def a_branch_for_a_commit(registry):
    record = registry.add("unpinned", repo="lab/unpinned")
    registry.change("registry/unpinned.yaml", record.entry.source.commit, "main")
    return "unpinned", "entry"


def a_section_missing(registry):
    registry.add("incomplete")
    file = registry.root / "cards/incomplete.md"
    file.write_text(re.sub(r"## Failure cases.*", "", file.read_text(), flags=re.DOTALL))
    return "incomplete", "card"


def another_base_model(registry):
    registry.base_model("wide", hidden_size=16)
    registry.add("misfit", base="wide")
    return "misfit", "base_model"


def a_copied_direction(registry):
    registry.add("original-work", seed=1234)
    registry.add("repackaged", seed=1234)
    return "repackaged", "duplicates"


def a_yaml_bomb(registry):
    registry.add("explosive")
    bomb = "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdef", "bcdefg", strict=True))
    registry.change("registry/explosive.yaml", "slug:", f"a: &a [x]\n{bomb}slug:")
    return "explosive", "entry"


def superseded_by_nobody(registry):
    registry.add("outdated")
    better = "verdict: superseded\n  superseded_by: not-there"
    registry.change("registry/outdated.yaml", "verdict: unreviewed", better)
    return "outdated", "successors"


FAULTS = (
    moved_commit,
    wrong_hash,
    script_in_a_card,
    imitation,
    missing_baseline,
    slug_of_another_file,
    a_branch_for_a_commit,
    a_section_missing,
    another_base_model,
    a_copied_direction,
    a_yaml_bomb,
    superseded_by_nobody,
)


def test_a_sound_registry_has_no_faults(registry, hub):
    registry.add("sound")
    registry.add("sound-elsewhere", repo="lab/sound-elsewhere")
    assert check_shelf(read_shelf(registry.root), online=True) == ()


def test_twelve_planted_faults_are_named_and_nothing_else(registry, hub):
    registry.add("sound")
    registry.add("sound-elsewhere", repo="lab/sound-elsewhere")
    planted = {plant(registry) for plant in FAULTS}
    assert len(planted) == 12
    found = check_shelf(read_shelf(registry.root), online=True)
    assert {(fault.entry, fault.finding.check) for fault in found} == planted
    assert len(found) == 12


@pytest.mark.parametrize("plant", FAULTS, ids=lambda plant: plant.__name__)
def test_each_of_them_says_what_to_do(registry, hub, plant):
    entry, check = plant(registry)
    (fault,) = check_shelf(read_shelf(registry.root), online=True)
    assert (fault.entry, fault.finding.check) == (entry, check)
    assert fault.finding.severity == "error"
    assert fault.finding.advice.endswith(".")


def test_a_link_out_of_the_repository_is_not_followed(registry, tmp_path):
    record = registry.add("linked")
    inside = registry.root / record.entry.source.path
    inside.rename(tmp_path / "elsewhere")
    inside.symlink_to(tmp_path / "elsewhere")
    found = check_shelf(read_shelf(registry.root))
    assert {fault.finding.check for fault in found} == {"package"}
    assert "out of the repository" in found[0].finding.found


def test_evidence_that_was_altered_is_named(registry):
    registry.add("altered")
    registry.change(
        "registry/evidence/altered/evidence.json", '"vocab_size": 32', '"vocab_size": 9'
    )
    ((entry, check),) = registry.check()
    assert (entry, check) == ("altered", "evidence")


def test_what_belongs_to_no_entry_is_named(registry):
    registry.add("sound")
    (registry.root / "cards" / "nobody.md").write_text("# Nobody")
    (registry.root / "registry" / "entry.yml").write_text("slug: x")
    assert registry.check() == {("cards/nobody.md", "strays"), ("registry/entry.yml", "strays")}
