"""Does what its jobs say, step by step: a runner as the tests need it. `background_jobs.py` is put beside it by them."""

import os
import signal
import sys
import time

from background_jobs import FinalFailure, Job, runner


def run(job: Job) -> None:
    steps = job.params["do"]
    for n in range(job.resumed or 0, len(steps)):
        if job.stopping:
            job.log("stopped early")
            return
        job.log(f"{steps[n]} in segment {job.segment}")
        take(job, steps[n], n)


def take(job: Job, step: str, n: int) -> None:
    what, _, number = step.partition(" ")
    match what:
        case "log":
            for line in range(int(number)):
                job.log(f"line {line}: čaj 茶")
        case "progress":
            job.progress(n, len(job.params["do"]), f"step {n}")
        case "record":
            job.record_created("/repositories/2/resources/1")
            job.record_modified("/subjects/7")
        case "file":
            job.add_file(f"{number}.txt", f"of segment {job.segment}", "text/plain")
        case "checkpoint":
            job.checkpoint(n + 1)
        case "wait":
            job.wait(int(number), n + 1)
        case "heed":
            job.wait(int(number), n + 1, on_cancel="resume")
        case "ask":
            job.log(f"{job.archivesspace('/repositories/2/resources?page=1').status}")
        case "read":
            job.log(" ".join(file.open(2).read().decode() for file in job.files))
        case "pause":
            job.pause(float(number))
        case "tarry":
            while job.seconds_left > 0 and not job.stopping:
                job.pause(0.05)
        case "loop":
            while True:
                time.time()
        case "fail":
            raise LookupError("The cupboard is bare.")
        case "give":
            raise FinalFailure("It will never work.")
        case "exit":
            sys.exit(3)
        case "kill" if job.segment <= int(number):
            os.kill(os.getpid(), signal.SIGKILL)


handler = runner(run, checkpoint_version=int(os.environ.get("CHECKPOINT_VERSION", "1")))
