"""Tests of what needs no AWS: `python3 -m unittest discover examples/python_lines/tests`."""

import io
import json
import sys
import threading
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parents[1]))

import background_jobs as jobs  # noqa: E402
import runner as sample  # noqa: E402


def invocation(message: str) -> dict[str, Any]:
    return {"last": {"Error": "JobContinue", "Cause": json.dumps({"errorMessage": message})}}


class TheSegmentOfAnInvocation(unittest.TestCase):
    def test_begins_the_message(self) -> None:
        for message, segment in (("1", 1), ("2|30", 2), ("2500", 2500)):
            self.assertEqual(jobs.segment_of(invocation(message)), segment)

    def test_is_not_guessed(self) -> None:
        for message in ("", "x", "0", "-1"):
            with self.subTest(message), self.assertRaisesRegex(ValueError, "does not say which segment"):
                jobs.segment_of(invocation(message))


class Values(unittest.TestCase):
    def test_come_back_from_the_table_as_they_were_put(self) -> None:
        item = {
            "text": "Größe",
            "n": 12,
            "part": 0.5,
            "yes": True,
            "bytes": b"\xff",
            "list": ["a", {"b": -1}],
            "map": {},
        }
        self.assertEqual(jobs.from_attributes(jobs.to_attributes(item)), item)

    def test_have_the_types_of_dynamodb(self) -> None:
        attributes = jobs.to_attributes({"n": 3, "yes": False, "list": [b"x"]})
        self.assertEqual(attributes, {"n": {"N": "3"}, "yes": {"BOOL": False}, "list": {"L": [{"B": b"x"}]}})

    def test_of_another_kind_are_refused(self) -> None:
        with self.assertRaises(TypeError):
            jobs.to_attributes({"what": object()})


class Names(unittest.TestCase):
    def test_of_files_are_no_paths(self) -> None:
        for name in ("a.csv", "Tři kočky.txt", "..a", "x" * 255):
            self.assertTrue(jobs.is_file_name(name), name)
        for name in ("", ".", "..", "../x", "a/b", "a\\b", "a\n", "x" * 256, "\x85"):
            self.assertFalse(jobs.is_file_name(name), name)

    def test_of_records_are_uris(self) -> None:
        for uri in ("/repositories/2/resources/1", "/agents/people/4", "/subjects/7"):
            self.assertTrue(jobs.is_record_uri(uri), uri)
        for uri in ("", "/repositories/2", "resources/1", "/subjects/7\n", "https://x/subjects/1", "/subjects/٣"):
            self.assertEqual(jobs.is_record_uri(uri), uri == "/repositories/2", uri)


class APathOfArchivesSpace(unittest.TestCase):
    def is_within(self, path: str, method: str = "POST") -> bool:
        return jobs.is_within(path, "/repositories/2", ["/subjects", "/agents/"], method)

    def test_is_in_the_repository_or_below_a_prefix(self) -> None:
        for path in ("/repositories/2/resources", "/subjects", "/subjects/7?page=1", "/agents/people/1"):
            self.assertTrue(self.is_within(path), path)

    def test_may_be_the_repository_only_to_read_it(self) -> None:
        self.assertTrue(self.is_within("/repositories/2", "GET"))
        self.assertFalse(self.is_within("/repositories/2", "DELETE"))

    def test_leads_nowhere_else(self) -> None:
        elsewhere = (
            "/repositories/3/resources", "/repositories/22/x", "/subjects_x", "/users/1", "", "subjects/7",
            "//evil.example/subjects", "/subjects/../users/1", "/subjects/./1", "/subjects/%2e%2e/users",
            "/subjects/%2F", "/subjects/a\\b", "/subjects/1#x", "/subjects/1\n", "/subjects/1?a=\r\nb", "/subjects/@x",
        )  # fmt: skip
        for path in elsewhere:
            self.assertFalse(self.is_within(path), path)


class FakeSegment:
    """Notes what a recorder writes."""

    number = 1

    def __init__(self, fails: bool = False) -> None:
        self.written: list[tuple[Any, ...]] = []
        self._fails = fails

    def ends(self, item: dict[str, Any]) -> dict[str, int]:
        return item["ends"]

    def log(self, offset: int, content: bytes) -> int:
        if self._fails:
            raise jobs.NotCurrent("no")
        self.written.append(("log", offset, content))
        return offset + len(content)

    def records(self, n: int, created: list[str], modified: list[str]) -> int:
        self.written.append(("records", n, len(created), len(modified)))
        return n + 1

    def file(self, n: int, name: str, content_type: str, content: bytes) -> None:
        self.written.append(("file", n, name))

    def progress(self, progress: dict[str, Any]) -> None:
        self.written.append(("progress", progress["done"]))

    def state(self, state: str, ends: dict[str, int], interruptions: int) -> None:
        self.written.append(("state", state, ends, interruptions))

    def close(self, *what: Any) -> None:
        self.written.append(("close", *what))

    def end(self, *what: Any) -> None:
        self.written.append(("end", *what))


class ARecorder(unittest.TestCase):
    def setUp(self) -> None:
        # It writes only when it is asked to: by itself it would after a second.
        patched = mock.patch.object(jobs, "_FLUSH_SECONDS", 3600)
        patched.start()
        self.addCleanup(patched.stop)

    def make(self, fails: bool = False, **item: Any) -> tuple[FakeSegment, jobs._Recorder]:
        segment = FakeSegment(fails)
        recorder = jobs._Recorder(segment, {"ends": {"log": 0, "files": 0, "records": 0}, **item})  # type: ignore[arg-type]
        self.addCleanup(recorder.stop)
        return segment, recorder

    def test_sends_lines_together_and_in_order(self) -> None:
        segment, recorder = self.make()
        recorder.log("Größe")
        recorder.log("two")
        recorder.end({"outcome": "completed"})
        text = "Größe\ntwo\n".encode()
        ends = {"log": len(text), "files": 0, "records": 0}
        self.assertEqual(segment.written, [("log", 0, text), ("end", {"outcome": "completed"}, ends, None)])

    def test_cuts_the_log_into_chunks_of_32_kb(self) -> None:
        segment, recorder = self.make()
        recorder.log("x" * 70_000)
        sizes = [len(content) for _, _, content in segment.written]
        self.assertEqual(sizes, [32_768, 32_768, 70_001 - 65_536])
        self.assertEqual([offset for _, offset, _ in segment.written], [0, 32_768, 65_536])

    def test_says_once_that_the_log_is_full(self) -> None:
        segment, recorder = self.make(ends={"log": jobs._LOG_BYTES - 10, "files": 0, "records": 0})
        recorder.log("fits")
        recorder.log("does not fit")
        recorder.log("x")
        recorder.end({"outcome": "completed"})
        text = segment.written[0][2].decode()
        self.assertRegex(text, r"^fits\nThe log is full at 67108864 bytes; further lines are dropped.\n$")

    def test_writes_progress_at_most_each_two_seconds_and_the_last_with_the_end(self) -> None:
        segment, recorder = self.make()
        for done in range(100):
            recorder.progress({"done": done, "total": 100})
            recorder.state("1")
        self.assertEqual([what for what in segment.written if what[0] == "progress"], [("progress", 0)])
        recorder.end({"outcome": "completed"})
        self.assertEqual(segment.written[-1][3], {"done": 99, "total": 100})

    def test_sends_records_by_the_hundred(self) -> None:
        segment, recorder = self.make()
        for n in range(150):
            recorder.record("created", f"/subjects/{n}")
        recorder.record("modified", "/subjects/1")
        recorder.end({"outcome": "completed"})
        self.assertEqual(segment.written[:2], [("records", 0, 100, 0), ("records", 1, 50, 1)])

    def test_forgets_files_since_the_checkpoint_when_it_is_tried_again(self) -> None:
        segment, recorder = self.make()
        recorder.file("a", "text/plain", b"")
        recorder.state("1")
        recorder.file("b", "text/plain", b"")
        recorder.close_segment(None, attempt=2)
        self.assertEqual(segment.written[-1], ("close", None, {"log": 0, "files": 1, "records": 0}, 0, False, 2))

    def test_counts_interruptions_until_a_state_is_new(self) -> None:
        segment, recorder = self.make(state="1", interruptions=2)
        recorder.state("1")
        recorder.state("2")
        self.assertEqual([what[3] for what in segment.written], [2, 0])

    def test_that_could_not_write_says_so_to_whoever_calls_next(self) -> None:
        _, recorder = self.make(fails=True)
        recorder.log("lost")
        for call in (lambda: recorder.state("1"), lambda: recorder.end({"outcome": "completed"})):
            with self.assertRaises(jobs.NotCurrent):
                call()

    def test_takes_nothing_more_when_it_is_closed(self) -> None:
        segment, recorder = self.make()
        recorder.end({"outcome": "completed"})
        before = list(segment.written)
        recorder.log("late")
        recorder.progress({"done": 1, "total": 1})
        recorder.file("late", "text/plain", b"")
        recorder.state("1")
        self.assertEqual(segment.written, before)


class TheWatch(unittest.TestCase):
    def setUp(self) -> None:
        self.killed = threading.Event()
        self.items: list[dict[str, Any]] = []
        for patched in (
            mock.patch.object(jobs, "_client", lambda *_, **__: None),
            mock.patch.object(jobs, "_LOOK_SECONDS", 0.0),
            mock.patch.object(jobs.os, "write"),
            mock.patch.object(jobs.os, "kill", lambda *_: self.killed.set()),
        ):
            patched.start()
            self.addCleanup(patched.stop)

    def watch(self, seen: dict[str, Any], item: dict[str, Any]) -> list[str]:
        self.reasons: list[str] = []
        self.told = threading.Event()
        segment = mock.Mock(token="t1", job=1)
        segment.look.return_value = seen

        def on_stop(why: str) -> None:
            self.reasons.append(why)
            self.told.set()

        watch = jobs._Watch(segment, item, on_stop)
        self.addCleanup(watch.stop)
        return self.reasons

    def test_says_once_that_the_job_was_canceled_and_kills_after_the_grace_time(self) -> None:
        reasons = self.watch({"token": "t1", "cancelAt": 5}, {"graceSeconds": 0})
        self.assertTrue(self.told.wait(10))
        self.assertTrue(self.killed.wait(10))
        self.assertEqual(reasons, ["canceled"])

    def test_says_that_the_time_limit_is_reached(self) -> None:
        reasons = self.watch({"token": "t1"}, {"graceSeconds": 60, "limitAt": 1})
        self.assertTrue(self.told.wait(10))
        self.assertEqual(reasons, ["time_limit"])
        self.assertFalse(self.killed.is_set())

    def test_has_ended_when_it_was_stopped(self) -> None:
        segment = mock.Mock(token="t1", job=1)
        segment.look.return_value = {"token": "t1", "cancelAt": 5}
        told = threading.Event()
        watch = jobs._Watch(segment, {"graceSeconds": 3600}, lambda _: told.set())
        self.assertTrue(told.wait(10))
        watch.stop()
        self.assertNotIn("watch", [thread.name for thread in threading.enumerate()])

    def test_kills_at_once_when_the_token_is_gone(self) -> None:
        reasons = self.watch({"token": "revoked"}, {"graceSeconds": 60})
        self.assertTrue(self.killed.wait(10))
        self.assertEqual(reasons, [])


class TheSample(unittest.TestCase):
    def count(self, *contents: bytes) -> mock.Mock:
        job = mock.Mock(resumed=None, params={}, stopping=False)
        self.states: list[str] = []
        job.checkpoint.side_effect = lambda state: self.states.append(json.dumps(state))
        job.files = []
        for n, content in enumerate(contents):
            file = mock.Mock(size=len(content))
            file.name = f"{n}.txt"
            file.open = lambda start, content=content: io.BytesIO(content[start:])
            job.files.append(file)
        with mock.patch.object(sample, "CHUNK_BYTES", 3):
            sample.run(job)
        return job

    def test_counts_lines_across_chunks_and_a_last_one_without_a_break(self) -> None:
        job = self.count(b"one\ntwo\n", b"", b"a\n\nlast", b"\n")
        job.add_file.assert_called_once_with(
            "lines.csv", "file,lines\n0.txt,2\n1.txt,0\n2.txt,3\n3.txt,1\n", "text/csv"
        )

    def test_goes_on_from_each_of_its_checkpoints_to_the_same_table(self) -> None:
        whole = self.count(b"one\ntwo\nthree", b"four\n")
        self.assertGreater(len(self.states), 3)
        for state in self.states:
            job = mock.Mock(resumed=json.loads(state), params={}, stopping=False, files=whole.files)
            with mock.patch.object(sample, "CHUNK_BYTES", 3):
                sample.run(job)
            self.assertEqual(job.add_file.call_args, whole.add_file.call_args, state)


if __name__ == "__main__":
    unittest.main()
