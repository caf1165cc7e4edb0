"""Counts the lines of uploaded files, however large: a runner in Python, to copy from."""

import csv
import io
from contextlib import closing
from typing import Any

from background_jobs import InputFile, Job, runner

# There is a checkpoint after each: what has to be done again when an invocation breaks off is never more than this.
CHUNK_BYTES = 8 * 1024 * 1024

State = dict[str, Any]


def run(job: Job) -> None:
    # The segment before may have ended in the middle of a file. Its state says what was counted, and how far.
    state: State = job.resumed or {"counts": [], **new_file()}
    total = sum(file.size for file in job.files)
    for file in job.files[len(state["counts"]) :]:
        count_file(job, file, state, total)
        if job.stopping:
            # Canceled, or at its time limit. There is nothing to tidy up here; what was said so far stays.
            job.log(f"Stopped in {file.name} after {state['lines']} lines.")
            return
        job.log(f"{file.name}: {state['lines']} lines")
        state = {"counts": [*state["counts"], state["lines"]], **new_file()}
        job.checkpoint(state)
    job.progress(total, total, "bytes")
    job.add_file("lines.csv", as_csv(job, state["counts"]), "text/csv")


def new_file() -> State:
    return {"offset": 0, "lines": 0, "open_line": False}


def count_file(job: Job, file: InputFile, state: State, total: int) -> None:
    """Counts on in one file from where the state says, and notes in the state how far it is."""
    done = sum(before.size for before in job.files[: len(state["counts"])])
    if state["offset"] < file.size:
        with closing(file.open(state["offset"])) as body:
            while not job.stopping and (chunk := body.read(CHUNK_BYTES)):
                state["lines"] += chunk.count(b"\n")
                state["open_line"] = not chunk.endswith(b"\n")
                state["offset"] += len(chunk)
                job.progress(done + state["offset"], total, file.name)
                # Near the end of the invocation this does not return: the next one begins at the top of `run`.
                job.checkpoint(state)
    # A last line without a line break is one as well.
    if not job.stopping:
        state["lines"] += state["open_line"]


def as_csv(job: Job, counts: list[int]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    if job.params.get("heading", True):
        table.writerow(["file", "lines"])
    table.writerows((file.name, lines) for file, lines in zip(job.files, counts, strict=True))
    return text.getvalue()


handler = runner(run)
