"""Background jobs in Python: a client of the runner protocol (docs/runner-protocol.md).

A runner is a function that does the work, and the handler that Lambda calls::

    from background_jobs import Job, runner

    def run(job: Job) -> None:
        job.log(f"Hello, {job.owner}")

    handler = runner(run)

Copy this file beside your runner. It needs Python 3.11 and boto3, which Lambda brings.
"""

from __future__ import annotations

import functools
import http.client
import json
import os
import random
import re
import signal
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Never, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError
from botocore.response import StreamingBody

_CHUNK_BYTES = 32 * 1024
_LOG_BYTES = 64 * 1024 * 1024
_STATE_BYTES = 64 * 1024
_FILE_BYTES = 512 * 1024 * 1024
_URIS_PER_CHUNK = 100
_FLUSH_SECONDS = 1.0
_PROGRESS_SECONDS = 2.0
_LOOK_SECONDS = 1.0
_SEGMENTS = 2_500
_RESPONSE_BYTES = 64 * 1024 * 1024
_REQUEST_SECONDS = 14 * 60

Item = dict[str, Any]
T = TypeVar("T")


class JobContinue(Exception):
    """The next segment starts at once. The name is the protocol's: do not change it, and do not catch it."""


class JobWait(Exception):
    """The next segment starts after some seconds."""


class RunRefused(Exception):
    """This segment was claimed before, or may not run any more."""


class NotCurrent(Exception):
    """A write was refused: the run has ended, or another invocation goes on with it."""


class Stopped(Exception):
    """The job was canceled or reached its time limit, and does not wait."""


class FinalFailure(Exception):
    """Raise this for a failure that another attempt cannot mend: the job fails at once, whatever `retries` says."""


class ArchivesSpaceUnavailable(Exception):
    """ArchivesSpace gave no answer that can be used, or the service no session of the job's owner."""


class _Leave(BaseException):
    """Ends the body when its segment is over; a body's `except Exception` does not see it."""


# ---------------------------------------------------------------- the job, as a runner sees it


@dataclass(frozen=True)
class InputFile:
    """A file that was uploaded with the job."""

    name: str
    content_type: str
    #: In bytes.
    size: int
    _open: Callable[[int], StreamingBody]

    def open(self, start: int = 0) -> StreamingBody:
        """Opens the file for reading, from byte `start` on, which must be below its size. Close what you opened.

        Raises botocore's ClientError when the stored file is gone or was replaced since the job was created.
        """
        return self._open(start)


@dataclass(frozen=True)
class Response:
    """What ArchivesSpace answered."""

    status: int
    content_type: str
    body: bytes

    def json(self) -> Any:
        """The body as JSON. Raises ValueError when it is none."""
        return json.loads(self.body)


class Job:
    """What a runner's function is given.

    Returning from it completes the job. Raising fails the job, and the message is what staff read.
    """

    def __init__(self, segment: _Segment, item: Item, recorder: _Recorder, yield_at: float) -> None:
        self.id: int = item["id"]
        self.type: str = item["type"]
        #: URI of the repository that the job was created in, such as `/repositories/2`.
        self.repository = f"/repositories/{item['repo']}"
        #: Username of who created the job.
        self.owner: str = item["owner"]
        #: Which attempt this is, from 1.
        self.attempt: int = item["attempt"]
        #: Which invocation of the runner this is, from 1.
        self.segment = segment.number
        #: What the last checkpoint or wait saved; None before the first.
        self.resumed: Any = json.loads(item["state"]) if "state" in item else None
        #: The job's parameters, checked against the schema of its type.
        self.params: dict[str, Any] = json.loads(segment.params(item))
        self.files: Sequence[InputFile] = segment.inputs(item)
        self._segment = segment
        self._recorder = recorder
        self._yield_at = yield_at
        self._next: Exception | None = None
        self._stop = threading.Event()
        self._stop_reason: str | None = None
        self._archivesspace: _ArchivesSpace | None = None

    @property
    def stopping(self) -> bool:
        """True from when the job was canceled or reached its time limit: tidy up and return.

        After the type's `grace_seconds` the process is killed.
        """
        return self._stop.is_set()

    @property
    def seconds_left(self) -> float:
        """Until this invocation is to be saved: from 0 on, the next `checkpoint` ends it."""
        return max(0.0, self._yield_at - time.monotonic())

    def pause(self, seconds: float) -> None:
        """Waits within this invocation; not to the end when the job is to stop."""
        self._stop.wait(seconds)

    def job_params(self) -> str | None:
        """The free text that the client sent beside the parameters, which nothing checks; most jobs have none."""
        return self._segment.read("JOB_PARAMS").get("jobParams")

    def log(self, line: str) -> None:
        """Appends one line to the job's log. Lines are sent together, and show within 2 seconds."""
        self._recorder.log(line)

    def progress(self, done: float, total: float, message: str | None = None) -> None:
        """How far the job is: `done` of `total`, in whatever it counts, with up to 200 characters of text."""
        self._recorder.progress({"done": done, "total": total, **({"message": message[:200]} if message else {})})

    def add_file(self, name: str, body: bytes | str, content_type: str = "application/octet-stream") -> None:
        """Adds an output file of at most 512 MB. It becomes visible when the job has ended."""
        content = body.encode() if isinstance(body, str) else body
        if not is_file_name(name):
            raise ValueError(f"{name!r} is not a file's name: 1 to 255 characters, no path, no control characters.")
        if not re.fullmatch(r"[\w.+-]+/[\w.+-]+(; ?[\w=.+-]+)*", content_type, re.ASCII):
            raise ValueError(f"{content_type!r} is not a content type.")
        if len(content) > _FILE_BYTES:
            raise ValueError(f"An output file has at most {_FILE_BYTES} bytes; {name} has {len(content)}.")
        self._recorder.file(name, content_type, content)

    def record_created(self, uri: str) -> None:
        """Notes a record of ArchivesSpace that this job created, by its URI, such as `/repositories/2/resources/1`."""
        self._recorder.record("created", uri)

    def record_modified(self, uri: str) -> None:
        """Notes a record that this job changed."""
        self._recorder.record("modified", uri)

    def checkpoint(self, state: Any) -> None:
        """Saves `state` (JSON, at most 64 KB).

        In the last minute of the invocation (the last fifth of a short one) it ends the segment and never returns; the
        next segment starts from the top of the runner's function, with `resumed` = `state`.
        """
        text = _state_text(state)
        if time.monotonic() >= self._yield_at:
            self._leave(JobContinue(str(self.segment + 1)), text)
        self._recorder.state(text)

    def wait(self, seconds: float, state: Any, on_cancel: str = "end") -> Never:
        """Ends the segment; the next one starts after 1 to 3600 seconds with `resumed` = `state`. No Lambda is held.

        A job that is canceled meanwhile ends at once. With `on_cancel="resume"` its next segment starts as planned,
        with `stopping` true, to pass the cancel on. Raises Stopped when the job is canceled already.
        """
        if not 1 <= seconds <= 3600:
            raise ValueError(f"A job waits 1 to 3600 seconds, not {seconds}.")
        if self.stopping:
            raise Stopped("A job that is to stop does not wait.")
        after = int(-(-seconds // 1))
        self._leave(JobWait(f"{self.segment + 1}|{after}"), _state_text(state), heeds_cancel=on_cancel == "resume")

    def archivesspace(
        self, path: str, method: str = "GET", body: bytes | str | None = None, content_type: str = "application/json"
    ) -> Response:
        """Sends one request to ArchivesSpace as the job's owner. Any HTTP status is returned, not raised.

        `path` begins with `/`, inside the job's repository or a prefix that the manifest lists; ValueError otherwise.
        Raises ArchivesSpaceUnavailable for a redirect, a network fault, or when the service gives no session.
        """
        self._archivesspace = self._archivesspace or _ArchivesSpace(self._segment, self.repository)
        return self._archivesspace.request(path, method, body.encode() if isinstance(body, str) else body, content_type)

    def _leave(self, error: Exception, state: str, heeds_cancel: bool = False) -> Never:
        if not self._next:
            self._recorder.close_segment(state, heeds_cancel=heeds_cancel)
            self._next = error
        raise _Leave()

    def _on_stop(self, why: str) -> None:
        if not self.stopping:
            self._stop_reason = why
            self._stop.set()


def runner(run: Callable[[Job], None], checkpoint_version: int = 1) -> Callable[[Mapping[str, Any], Any], None]:
    """Makes the Lambda handler of a runner.

    It claims the segment, so that no body runs twice; watches for a cancel; runs `run`; and says how it ended.

    `checkpoint_version` is that of what `run` gives to `checkpoint` and `wait`. Raise it when new code cannot go on
    from what the old one saved: a job that meets another version fails and says so.
    """

    def handler(event: Mapping[str, Any], context: Any) -> None:
        remaining = context.get_remaining_time_in_millis() / 1000
        yield_at = time.monotonic() + remaining - min(60.0, remaining / 5)
        segment = _Segment(event, checkpoint_version)
        item = segment.claim(int((time.time() + remaining) * 1000))
        recorder = _Recorder(segment, item)
        try:
            end = _early_end(item, segment.number, checkpoint_version)
            if end:
                recorder.end(end)
                return
            watch: _Watch | None = None
            try:
                job = Job(segment, item, recorder, yield_at)
                if "cancelAt" in item:
                    job._on_stop("canceled")
                watch = _Watch(segment, item, job._on_stop)
                _run_body(run, job, item, recorder)
            finally:
                # Before the handler returns: Lambda freezes what is left, and thaws it in the next job.
                if watch:
                    watch.stop()
        finally:
            recorder.stop()

    return handler


def _run_body(run: Callable[[Job], None], job: Job, item: Item, recorder: _Recorder) -> None:
    because = item.get("interruption", {})
    if item.get("resumable") and because.get("segment") == job.segment - 1:
        job.log(f"The job was interrupted. {because['reason']}")
        job.log(f"It goes on from its {'beginning' if job.resumed is None else 'last checkpoint'}.")
    thrown: Exception | None = None
    try:
        run(job)
    except _Leave:
        pass
    except Exception as error:
        thrown = error
    if job._next:
        raise job._next from None
    if job._stop_reason == "canceled":
        recorder.end({"outcome": "canceled"})
    elif job._stop_reason:
        recorder.end(_failed("time_limit", "The job took longer than its type allows and was stopped."))
    elif thrown is None:
        recorder.end({"outcome": "completed"})
    else:
        message = str(thrown) or type(thrown).__name__
        retries = item.get("retries", 0)
        if item.get("resumable") and job.attempt <= retries and not isinstance(thrown, FinalFailure):
            seconds = min(10 * 4 ** (job.attempt - 1), 900)
            job.log(f"Attempt {job.attempt} of {retries + 1} failed: {message}")
            job.log(f"The job is tried again in {seconds} s.")
            recorder.close_segment(None, attempt=job.attempt + 1)
            raise JobWait(f"{job.segment + 1}|{seconds}") from thrown
        job.log(f"The job failed: {message}")
        recorder.end(_failed("runner_error", message[:500]))


def _early_end(item: Item, segment: int, version: int) -> Item | None:
    """How a segment ends without its body."""
    if "cancelAt" in item and not item.get("heedsCancel"):
        return {"outcome": "canceled"}
    if segment > _SEGMENTS:
        return _failed("protocol", f"The runner went on more than {_SEGMENTS} times.")
    saved = item.get("stateVersion", 1)
    if "state" in item and saved != version:
        reason = (
            f"The job's last checkpoint has version {saved}, and the runner that is to go on reads version {version}."
        )
        return _failed("protocol", reason)
    return None


def _failed(kind: str, reason: str) -> Item:
    return {"outcome": "failed", "failure": {"kind": kind, "reason": reason}}


# ---------------------------------------------------------------- the run in table and bucket


class _Segment:
    """One segment of a run: its reads and its writes, each under the run's token."""

    def __init__(self, event: Mapping[str, Any], checkpoint_version: int) -> None:
        self.job: int = event["job"]
        self.type: str = event["type"]
        self.token: str = event["token"]
        self.number = segment_of(event)
        self._version = checkpoint_version
        self._saves = 0
        self._pk = f"RUN#{self.type}#{self.job}"
        self._table = _environment("TABLE")
        self._bucket = _environment("BUCKET")
        self._dynamodb = _client("dynamodb")
        self._s3 = _client("s3")

    def claim(self, deadline_ms: int) -> Item:
        """Claims this segment and returns the run. Raises RunRefused when it may not run, or no more."""
        claim = str(uuid.uuid4())
        done = self._update(
            {"segment": self.number, "open": True, "claim": claim, "deadline": deadline_ms},
            {"token": self.token, "segment": self.number - 1, "open": False, "end": None},
        )
        item = self.read("RUN", consistent=True)
        # A claim whose answer was lost is refused by its own success.
        if done or item.get("claim") == claim:
            self._saves = item.get("saves", 0)
            return item
        raise RunRefused(f"Segment {self.number} of job {self.job} was claimed before, or may not run any more.")

    def read(self, sk: str, consistent: bool = False) -> Item:
        key = {"pk": {"S": self._pk}, "sk": {"S": sk}}
        answer = _patiently(lambda: self._dynamodb.get_item(TableName=self._table, Key=key, ConsistentRead=consistent))
        return from_attributes(answer.get("Item", {}))

    def look(self, client: Any) -> Item:
        """What the watch needs of the run, or {} when it is gone."""
        key = {"pk": {"S": self._pk}, "sk": {"S": "RUN"}}
        answer = client.get_item(
            TableName=self._table,
            Key=key,
            ConsistentRead=True,
            ProjectionExpression="#t, cancelAt",
            ExpressionAttributeNames={"#t": "token"},
        )
        return from_attributes(answer.get("Item", {}))

    def params(self, item: Item) -> str:
        return str(item["params"] if "params" in item else self.read("PARAMS").get("params", "{}"))

    def inputs(self, item: Item) -> list[InputFile]:
        files = self.read("INPUTS").get("files", []) if item["inputs"] else []
        return [
            InputFile(file["name"], file["contentType"], file["size"], self._opener(n, file["etag"]))
            for n, file in enumerate(files)
        ]

    def _opener(self, n: int, etag: str) -> Callable[[int], StreamingBody]:
        def open_at(start: int) -> StreamingBody:
            place = {"Bucket": self._bucket, "Key": f"inputs/{self.type}/{self.job}/{n}", "IfMatch": etag}
            body: StreamingBody = self._s3.get_object(**place, **({"Range": f"bytes={start}-"} if start else {}))[
                "Body"
            ]
            return body

        return open_at

    def ends(self, item: Item) -> dict[str, int]:
        """Where this segment's writes begin. After the first segment the log itself says it, not a counter."""
        ends = item["ends"]
        return ends if self.number == 1 else {**ends, "log": self._log_end(), "records": self._records_end()}

    def log(self, offset: int, content: bytes) -> int:
        return self._append("LOG", offset, {"bytes": content, "size": len(content)}, self._log_end) + len(content)

    def records(self, n: int, created: list[str], modified: list[str]) -> int:
        return self._append("RECORD", n, {"created": created, "modified": modified}, self._records_end) + 1

    def file(self, n: int, name: str, content_type: str, content: bytes) -> None:
        place = {"Bucket": self._bucket, "Key": f"runs/{self.type}/{self.job}/{self.token}/{self.number}/{n}"}
        _patiently(lambda: self._s3.put_object(**place, Body=content, ContentType=content_type))
        sk = f"FILE#{n:012}"
        what = {"name": name, "contentType": content_type, "size": len(content)}
        if self._put(sk, what):
            return
        there = self.read(sk, consistent=True)
        if self._is_mine(there, what):
            return
        # From an earlier segment that broke off after it: this one goes on from the checkpoint before.
        earlier = {"token": self.token, "segment": there.get("segment", self.number)}
        if earlier["segment"] < self.number and (
            self._put(sk, what, earlier) or self._is_mine(self.read(sk, True), what)
        ):
            return
        raise NotCurrent(f"Output file {n} of job {self.job} is there already.")

    def progress(self, progress: Item) -> None:
        self._update_mine({"progress": progress})

    def state(self, state: str, ends: Item, interruptions: int) -> None:
        saved, gone = self._checkpoint(state, ends, interruptions)
        # A request that was given up and arrives after all replaces no later state.
        before, self._saves = self._saves, self._saves + 1
        saved["saves"] = self._saves
        self._update_mine(
            saved,
            gone,
            lambda there: there["segment"] == self.number and there.get("saves") == self._saves,
            {"saves": before or None},
        )

    def close(self, state: str | None, ends: Item, interruptions: int, heeds_cancel: bool, attempt: int | None) -> None:
        saved, gone = self._checkpoint(state, ends, interruptions)
        saved["open"] = False
        if heeds_cancel:
            saved["heedsCancel"] = True
        else:
            gone.append("heedsCancel")
        if attempt:
            saved["attempt"] = attempt
        self._update_mine(saved, gone, lambda there: there["segment"] == self.number and not there["open"])

    def end(self, end: Item, ends: Item, progress: Item | None) -> None:
        said = {"open": False, "end": end, "ends": ends, **({"progress": progress} if progress else {})}
        self._update_mine(said, (), lambda there: there["segment"] == self.number and "end" in there)

    def _checkpoint(self, state: str | None, ends: Item, interruptions: int) -> tuple[Item, list[str]]:
        saved: Item = {"ends": ends}
        gone: list[str] = []
        if state is not None:
            saved["state"] = state
            if self._version == 1:
                gone.append("stateVersion")
            else:
                saved["stateVersion"] = self._version
        if interruptions:
            saved["interruptions"] = interruptions
        else:
            gone.append("interruptions")
        return saved, gone

    def _log_end(self) -> int:
        last = self._last("LOG#")
        return int(last["sk"][4:]) + last["size"] if last else 0

    def _records_end(self) -> int:
        last = self._last("RECORD#")
        return int(last["sk"][7:]) + 1 if last else 0

    def _last(self, prefix: str) -> Item | None:
        answer = _patiently(
            lambda: self._dynamodb.query(
                TableName=self._table,
                KeyConditionExpression="pk = :p AND sk BETWEEN :f AND :t",
                ExpressionAttributeValues=to_attributes({":p": self._pk, ":f": prefix, ":t": f"{prefix}~"}),
                ConsistentRead=True,
                ScanIndexForward=False,
                Limit=1,
            )
        )
        return from_attributes(answer["Items"][0]) if answer["Items"] else None

    def _append(self, kind: str, n: int, what: Item, next_place: Callable[[], int]) -> int:
        """Puts an item at the first free place from `n` on; a late write of a segment before may have taken one."""
        for _ in range(3):
            sk = f"{kind}#{n:012}"
            if self._put(sk, what) or self._is_mine(self.read(sk, consistent=True), what):
                return n
            n = next_place()
        raise NotCurrent(f"The log of job {self.job} is written by somebody else as well.")

    def _is_mine(self, there: Item, what: Item) -> bool:
        wanted = {**what, "token": self.token, "segment": self.number}
        return all(there.get(name) == value for name, value in wanted.items())

    def _update_mine(
        self,
        values: Item,
        remove: Sequence[str] = (),
        happened: Callable[[Item], bool] = lambda _: False,
        when: Mapping[str, Any] | None = None,
    ) -> None:
        mine = {"token": self.token, "segment": self.number, "open": True, **(when or {})}
        if self._update(values, mine, remove):
            return
        there = self.read("RUN", consistent=True)
        # A write whose answer was lost is refused by its own success.
        if there.get("token") == self.token and happened(there):
            return
        raise NotCurrent("A run that is no longer current cannot write.")

    def _put(self, sk: str, what: Item, when: Item | None = None) -> bool:
        item = {"pk": self._pk, "sk": sk, "v": 1, "token": self.token, "segment": self.number, **what}
        names = _Names()
        condition = names.condition({"pk": None} if when is None else when)
        request = {"Item": to_attributes(item), "ConditionExpression": condition, **names.rendered()}
        return self._write(self._dynamodb.put_item, request)

    def _update(self, values: Item, when: Item, remove: Sequence[str] = ()) -> bool:
        names = _Names()
        sets = ", ".join(f"{names.name(name)} = {names.value(value)}" for name, value in values.items())
        removes = f" REMOVE {', '.join(names.name(name) for name in remove)}" if remove else ""
        request = {
            "Key": {"pk": {"S": self._pk}, "sk": {"S": "RUN"}},
            "UpdateExpression": f"SET {sets}{removes}",
            "ConditionExpression": names.condition(when),
            **names.rendered(),
        }
        return self._write(self._dynamodb.update_item, request)

    def _write(self, call: Callable[..., Any], request: Item) -> bool:
        """False when the condition did not hold."""
        try:
            _patiently(lambda: call(TableName=self._table, **request))
            return True
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise


class _Names:
    """The placeholders of one request: many of our names are reserved words of DynamoDB."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._values: Item = {}

    def name(self, name: str) -> str:
        return self._names.setdefault(name, f"#n{len(self._names)}")

    def value(self, value: Any) -> str:
        key = f":v{len(self._values)}"
        self._values[key] = value
        return key

    def condition(self, when: Item) -> str:
        """`None` stands for: the attribute is not there."""
        return " AND ".join(
            f"attribute_not_exists({self.name(name)})" if value is None else f"{self.name(name)} = {self.value(value)}"
            for name, value in when.items()
        )

    def rendered(self) -> Item:
        names = {key: name for name, key in self._names.items()}
        values = {"ExpressionAttributeValues": to_attributes(self._values)} if self._values else {}
        return {"ExpressionAttributeNames": names, **values}


class _Recorder:
    """Gathers what a runner says and writes it in few, ordered writes. Once closed, it takes nothing more.

    A write that fails is raised by the next call: a run that cannot be recorded cannot go on.
    """

    def __init__(self, segment: _Segment, item: Item) -> None:
        ends = segment.ends(item)
        self._segment = segment
        self._logged = ends["log"]
        self._records = ends["records"]
        self._files = ends["files"]
        self._saved_files = ends["files"]
        self._began_with: str | None = item.get("state")
        self._interruptions: int = item.get("interruptions", 0)
        self._lines = bytearray()
        self._accepted = ends["log"]
        self._full = False
        self._uris: dict[str, list[str]] = {"created": [], "modified": []}
        self._progress: Item | None = None
        self._progress_written: Item | None = None
        self._progress_at = -_PROGRESS_SECONDS
        self._failure: Exception | None = None
        self._closed = False
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write_often, name="recorder", daemon=True)
        self._thread.start()

    def log(self, line: str) -> None:
        content = f"{line}\n".encode(errors="replace")
        with self._lock:
            if self._closed or self._full:
                return
            self._full = self._accepted + len(content) > _LOG_BYTES
            if self._full:
                content = f"The log is full at {_LOG_BYTES} bytes; further lines are dropped.\n".encode()
            # A chunk is full before the line that would not fit.
            if self._lines and len(self._lines) + len(content) > _CHUNK_BYTES:
                self._write()
            self._lines += content
            self._accepted += len(content)
            if len(self._lines) >= _CHUNK_BYTES:
                self._write()

    def record(self, what: str, uri: str) -> None:
        if not is_record_uri(uri):
            raise ValueError(f"{uri!r} is not the URI of a record, such as /repositories/2/resources/1.")
        with self._lock:
            if self._closed:
                return
            self._uris[what].append(uri)
            if sum(map(len, self._uris.values())) >= _URIS_PER_CHUNK:
                self._write()

    def progress(self, progress: Item) -> None:
        with self._lock:
            if not self._closed:
                self._progress = progress

    def file(self, name: str, content_type: str, content: bytes) -> None:
        with self._lock:
            if self._closed:
                return
            self._write()
            n = self._files
            self._files += 1
            self._guarded(lambda: self._segment.file(n, name, content_type, content))

    def state(self, state: str) -> None:
        with self._lock:
            if self._closed:
                return
            self._write()
            self._saved(state)
            self._guarded(lambda: self._segment.state(state, self._ends(), self._interruptions))

    def close_segment(self, state: str | None, heeds_cancel: bool = False, attempt: int | None = None) -> None:
        """Another segment follows. Without a new state it goes on from the last checkpoint, and so do the files."""
        self.stop()
        with self._lock:
            self._write(progress_now=True)
            self._closed = True
            if state is None:
                self._files = self._saved_files
            else:
                self._saved(state)
            self._guarded(lambda: self._segment.close(state, self._ends(), self._interruptions, heeds_cancel, attempt))

    def end(self, end: Item) -> None:
        self.stop()
        with self._lock:
            # The end of a run bears its progress itself.
            self._progress_written = self._progress
            self._write()
            self._closed = True
            self._guarded(lambda: self._segment.end(end, self._ends(), self._progress))

    def stop(self) -> None:
        """Ends the thread that writes by itself."""
        self._over.set()
        self._thread.join()

    def _saved(self, state: str) -> None:
        # It differs from what the segment began with: the run has got past whatever broke it.
        if state != self._began_with:
            self._interruptions = 0
        self._saved_files = self._files

    def _ends(self) -> dict[str, int]:
        return {"log": self._logged, "files": self._files, "records": self._records}

    def _write_often(self) -> None:
        while not self._over.wait(_FLUSH_SECONDS):
            with self._lock:
                try:
                    self._write()
                except Exception:
                    return  # It is kept, and raised by the next call of the runner's own.

    def _write(self, progress_now: bool = False) -> None:
        def write() -> None:
            while self._lines:
                self._logged = self._segment.log(self._logged, bytes(self._lines[:_CHUNK_BYTES]))
                del self._lines[:_CHUNK_BYTES]
            if any(self._uris.values()):
                created, modified = self._uris["created"], self._uris["modified"]
                self._records = self._segment.records(self._records, created, modified)
                self._uris = {"created": [], "modified": []}
            due = progress_now or time.monotonic() >= self._progress_at + _PROGRESS_SECONDS
            if due and self._progress and self._progress is not self._progress_written:
                self._segment.progress(self._progress)
                self._progress_written = self._progress
                self._progress_at = time.monotonic()

        self._guarded(write)

    def _guarded(self, write: Callable[[], None]) -> None:
        if self._failure:
            raise self._failure
        try:
            write()
        except Exception as error:
            self._failure = error
            raise


class _Watch:
    """Reads the run each second, says when the runner is to stop, and ends the process when its time is over.

    It kills when the grace time is over or the run's token was taken away, also while the runner's own code loops. Code
    in C that holds Python's global lock for long keeps it from looking; such a run ends with its Lambda.
    """

    def __init__(self, segment: _Segment, item: Item, on_stop: Callable[[str], None]) -> None:
        self._segment = segment
        self._grace = item["graceSeconds"]
        self._limit_at: int | None = item.get("limitAt")
        self._on_stop = on_stop
        self._kill_at = float("inf")
        self._over = threading.Event()
        # A read that fails says nothing: the next one asks again.
        self._client = _client("dynamodb", quick=True)
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the watch, and returns when it has ended; it kills no more."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        look_at = time.monotonic() + _LOOK_SECONDS
        while not self._over.wait(0.25):
            if time.monotonic() >= self._kill_at:
                self._kill("its grace time is over.")
            if self._limit_at is not None and time.time() * 1000 >= self._limit_at:
                self._stop("time_limit")
            if time.monotonic() >= look_at:
                self._look()
                look_at = time.monotonic() + _LOOK_SECONDS

    def _look(self) -> None:
        try:
            item = self._segment.look(self._client)
        except (ClientError, HTTPClientError):
            return
        if item and item["token"] != self._segment.token:
            self._kill("the token of its run was taken away.")
        if "cancelAt" in item:
            self._stop("canceled")

    def _stop(self, why: str) -> None:
        if self._kill_at == float("inf"):
            self._kill_at = time.monotonic() + self._grace
            self._on_stop(why)

    def _kill(self, why: str) -> None:
        if self._over.is_set():
            return
        line = {"level": "WARN", "message": f"Ending the process: {why}", "job": self._segment.job}
        # Straight to the descriptor: the runner's code may hold the lock of `print`.
        os.write(1, f"{json.dumps(line)}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)


# ---------------------------------------------------------------- ArchivesSpace


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the session to another host."""

    def redirect_request(self, *_: Any) -> None:
        return None


class _ArchivesSpace:
    def __init__(self, segment: _Segment, repository: str) -> None:
        url, function = os.environ.get("ARCHIVESSPACE_URL"), os.environ.get("SESSION_FUNCTION")
        if not url or not function:
            raise RuntimeError(
                'This runner has no ArchivesSpace: say "archivesspace": true in its manifest, '
                "and check that the service is set up with one."
            )
        self._url = url.rstrip("/")
        self._function = function
        self._repository = repository
        self._prefixes = [path for path in os.environ.get("ARCHIVESSPACE_PATHS", "").split(",") if path]
        self._question = {"job": segment.job, "type": segment.type, "token": segment.token}
        self._session: str | None = None
        self._opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))

    def request(self, path: str, method: str, body: bytes | None, content_type: str) -> Response:
        if not is_within(path, self._repository, self._prefixes, method):
            raise ValueError(f"{path!r} is outside the job's repository and what the runner's manifest lists.")
        for again in (False, True):
            self._session = self._session or self._ask()
            response = self._send(path, method, body, content_type, self._session)
            # 412 is answered before anything is done (archivesspace: backend/app/main.rb), so asking again is safe.
            if response.status != 412 or again:
                break
            self._session = None
        return response

    def _send(self, path: str, method: str, body: bytes | None, content_type: str, session: str) -> Response:
        headers = {"Accept": "application/json", "X-ArchivesSpace-Session": session}
        if body is not None:
            headers["Content-Type"] = content_type
        request = urllib.request.Request(self._url + path, data=body, headers=headers, method=method)
        try:
            try:
                answer = self._opener.open(request, timeout=_REQUEST_SECONDS)
            except urllib.error.HTTPError as error:
                answer = error
            with answer:
                content = answer.read(_RESPONSE_BYTES + 1)
                status = answer.status or 0
                kind = answer.headers.get("Content-Type", "")
        except (OSError, http.client.HTTPException) as error:
            raise ArchivesSpaceUnavailable(f"ArchivesSpace could not be reached: {method} {path}: {error}") from error
        if 300 <= status < 400:
            raise ArchivesSpaceUnavailable(f"ArchivesSpace answered with a redirect: {method} {path}")
        if len(content) > _RESPONSE_BYTES:
            raise ArchivesSpaceUnavailable(f"ArchivesSpace answered more than {_RESPONSE_BYTES} bytes: {method} {path}")
        return Response(status, kind, content)

    def _ask(self) -> str:
        """A session of the job's owner, against the run's token."""
        called = _client("lambda").invoke(FunctionName=self._function, Payload=json.dumps(self._question).encode())
        answer = {} if "FunctionError" in called else json.loads(called["Payload"].read() or b"{}")
        if "session" in answer:
            return str(answer["session"])
        unknown = "The service could not get a session of the job's owner in ArchivesSpace."
        raise ArchivesSpaceUnavailable(answer.get("refused", unknown))


# ---------------------------------------------------------------- pure parts


def segment_of(event: Mapping[str, Any]) -> int:
    """The segment to claim. Raises ValueError when the invocation does not say it."""
    message = json.loads(event["last"]["Cause"]).get("errorMessage", "")
    digits = re.match(r"[0-9]+", str(message))
    if not digits or int(digits[0]) < 1:
        raise ValueError(f"The invocation does not say which segment to run: {event['last']}")
    return int(digits[0])


def to_attributes(values: Mapping[str, Any]) -> Item:
    """Plain values as DynamoDB has them."""
    return {name: _to_attribute(value) for name, value in values.items()}


def _to_attribute(value: Any) -> Item:
    match value:
        case bool():
            return {"BOOL": value}
        case int() | float():
            return {"N": str(value)}
        case str():
            return {"S": value}
        case bytes():
            return {"B": value}
        case list():
            return {"L": [_to_attribute(one) for one in value]}
        case dict():
            return {"M": to_attributes(value)}
    raise TypeError(f"The table does not take a {type(value).__name__}.")


def from_attributes(item: Mapping[str, Any]) -> Item:
    """An item of DynamoDB as plain values."""
    return {name: _from_attribute(value) for name, value in item.items()}


def _from_attribute(attribute: Mapping[str, Any]) -> Any:
    (kind, value), *_ = attribute.items()
    match kind:
        case "N":
            return int(value) if re.fullmatch(r"-?[0-9]+", value) else float(value)
        case "L":
            return [_from_attribute(one) for one in value]
        case "M":
            return from_attributes(value)
        case "NULL":
            return None
    return value


def is_file_name(name: str) -> bool:
    """A name, not a path: it may be shown and saved as it is."""
    return re.fullmatch(r"[^/\\\x00-\x1f\x7f-\x9f]{1,255}", name) is not None and name not in (".", "..")


def is_record_uri(uri: str) -> bool:
    """The URI of one record, such as `/repositories/2/resources/1` or `/agents/people/4`."""
    return re.fullmatch(r"/(?:repositories/[0-9]+/)?[a-z_]+(?:/[a-z_]+)*/[0-9]+", uri) is not None


_PATH = re.compile(r"(?:/(?:[A-Za-z0-9._~:!'()*-]|%[0-9A-Fa-f]{2})+)+")
_QUERY = re.compile(r"(?:[A-Za-z0-9._~:!'()*/?&=+,\[\]-]|%[0-9A-Fa-f]{2})*")
# Escapes that some server might decode to a separator, a dot, another escape or a control character.
_HIDDEN = re.compile(r"%(?:2e|2f|5c|25|[01][0-9a-f]|7f)", re.IGNORECASE)


def is_within(path: str, repository: str, prefixes: Sequence[str], method: str) -> bool:
    """Whether a job of this repository may send `method` to `path`, at which a query may follow.

    Inside the repository, at or below one of the prefixes, or reading the repository itself; and nothing that another
    reader of the path could take for a host or a step upwards.
    """
    name, _, query = path.partition("?")
    if not _PATH.fullmatch(name) or not _QUERY.fullmatch(query) or _HIDDEN.search(name):
        return False
    if ".." in name or "." in name.split("/"):
        return False
    if name == repository:
        return method == "GET"
    starts = [repository + "/", *(f"{prefix.rstrip('/')}/" for prefix in prefixes if prefix.strip("/"))]
    return any(f"{name}/".startswith(start) for start in starts)


def _state_text(state: Any) -> str:
    text = json.dumps(state, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    if len(text.encode()) > _STATE_BYTES:
        raise ValueError(f"A checkpoint is at most {_STATE_BYTES} bytes of JSON.")
    return text


# ---------------------------------------------------------------- AWS


def _environment(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise RuntimeError(f"The runner's environment has no {name}.")
    return value


@functools.cache
def _client(service: str, quick: bool = False) -> Any:
    """A client of boto3, kept for the next invocation. A `quick` one gives up after two seconds, and does not try again."""
    # Older boto3 does not read the variables that say where a service is.
    endpoint = os.environ.get(f"AWS_ENDPOINT_URL_{service.upper()}")
    options: Item = {"connect_timeout": 2, "read_timeout": 2, "retries": {"total_max_attempts": 1}} if quick else {}
    # An emulator on loopback has no host name per bucket.
    if endpoint and service == "s3":
        options["s3"] = {"addressing_style": "path"}
    return boto3.client(service, endpoint_url=endpoint, config=Config(**options))


_PASSING = {
    "InternalServerError",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "SlowDown",
    "ThrottlingException",
    "TransactionConflictException",
}


def _patiently(call: Callable[[], T], seconds: float = 20.0) -> T:
    """Calls AWS again while it says that it could not for a moment, which says nothing of the run."""
    until = time.monotonic() + seconds
    for attempt in range(1_000_000):
        try:
            return call()
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if (error.response["Error"]["Code"] not in _PASSING and status < 500) or time.monotonic() >= until:
                raise
        except HTTPClientError:
            if time.monotonic() >= until:
                raise
        time.sleep(random.random() * min(1.0, 0.01 * 2 ** min(attempt, 10)))
    raise AssertionError("unreachable")
