"""Answers that are kept for whoever goes on: whole, of the same pixels, and never a reason to stop."""

import os
import sqlite3

from device_agent.messages.bench import OutputValues
from groupnl_deploy.evaluation.kept_answers import KEPT_FOR_S, KeptAnswers
from groupnl_deploy.places import cache_dir

ANSWER = OutputValues("logits", "float32", (1, 2), "AAAAAAAAgD8=")


def kept(pixels, **changes):
    first = KeptAnswers("key", **changes)
    for one in pixels:
        first.put(one, 1, ANSWER)
    assert first.get(b"a") is None, "only what was there when it was opened"
    first.close()
    return KeptAnswers("key", **changes)


def file():
    (found,) = (cache_dir() / "answers").iterdir()
    return found


def test_they_are_found_by_their_pixels_until_the_end():
    again = kept([b"a", b"b"])
    assert (again.images, again.get(b"a"), again.get(b"c")) == (2, ANSWER, None)
    again.forget()
    assert KeptAnswers("key").images == 0


def test_what_was_altered_is_none_of_them():
    kept([b"a", b"b"]).close()
    with sqlite3.connect(file()) as altered:
        altered.execute("update answers set answer = replace(answer, 'A', 'B') where rowid = 1")
    altered.close()
    again = KeptAnswers("key")
    assert (again.get(b"a"), again.get(b"b")) == (None, ANSWER)
    again.close()


def test_a_damaged_file_or_a_folder_that_takes_none_stops_nobody():
    kept([b"a"]).close()
    file().write_bytes(b"no database" * 1000)
    again = kept([b"b"])
    assert (again.images, again.get(b"b")) == (1, ANSWER)
    again.close()
    file().unlink()
    file_in_the_way = cache_dir() / "answers"
    file_in_the_way.rmdir()
    file_in_the_way.write_text("")
    assert kept([b"a"]).get(b"a") is None


def test_they_take_so_much_room_and_no_more_and_grow_old():
    assert kept([bytes([one]) for one in b"abcdefgh"], most_bytes=300).images < 5
    other = KeptAnswers("other")
    other.close()
    for path in (cache_dir() / "answers").iterdir():
        os.utime(path, (0, path.stat().st_mtime - KEPT_FOR_S - 60))
    KeptAnswers("third").close()
    assert file().name == "third.sqlite"
