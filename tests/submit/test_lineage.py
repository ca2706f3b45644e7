"""Lineage of a submission."""

from lib import artifacts
from lib.files import remove
from lib.layout import Work
from lib.submit import lineage


def test_inputs_are_followed_as_far_as_they_are_on_this_machine(work: Work) -> None:
    dataset = artifacts.begin(work.dataset, {}).finish()
    run = artifacts.begin(work.run("demo", 0), {}, [dataset]).finish()
    probs = artifacts.begin(work.probs("demo", 0), {}, [run, dataset]).finish()
    gone = artifacts.begin(work.probs("demo", 1), {}, [dataset]).finish()
    ensemble = artifacts.begin(work.ensemble("e"), {}, [probs, gone]).finish()
    remove(gone.location.folder)
    artifacts.begin(work.run("demo", 0), {"other": 1}, [dataset], replace=True).finish()
    ancestors = lineage.ancestors(work.root, [ensemble])
    assert {ancestor.name: ancestor.artifact is not None for ancestor in ancestors} == {
        "ensembles/e": True,
        "probs/demo/fold0": True,
        "probs/demo/fold1": False,
        "runs/demo/fold0": False,  # remade since
        "dataset": True,
    }
    text = lineage.describe_provenance(ancestors)
    assert f"probs/demo/fold1\n  id       {gone.id}\n  not on this machine" in text
    assert text.count("  command  ") == 3
