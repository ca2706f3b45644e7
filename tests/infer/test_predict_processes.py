"""Inference in several processes gives the maps of one."""

from lib import distributed
from lib.artifacts import Artifact
from lib.files import Journal, remove
from lib.infer import predict
from lib.layout import Work
from tests.processes import run_in_processes
from tests.tiny_runs import hashes, inference_job


def test_two_processes_make_the_maps_of_one_and_continue_its_work(
    work: Work, run: Artifact
) -> None:
    job = inference_job(work, run, batch=3)
    predict.infer_fold(job)
    records = job.draft.journal.read()
    job.draft.journal.path.unlink()
    expected = hashes(job.draft.folder)
    remove(job.draft.folder)
    job.draft.lock.release()

    def task() -> None:
        predict.infer_fold(distributed.run_on_main(lambda: inference_job(work, run, batch=3)))

    journal = job.draft.journal
    for finished in ([], records[:3]):
        assert journal.read() == finished
        assert run_in_processes(task) == [0, 0]
        assert sorted(r["ImageId"] for r in journal.read()) == sorted(r["ImageId"] for r in records)
        journal.path.unlink()
        assert hashes(job.draft.folder) == expected
        for path in job.draft.folder.glob("*/*.png"):
            if path.stem not in {record["ImageId"] for record in records[:3]}:
                path.unlink()
        Journal(journal.path).append(records[:3])
