"""The agent's sign of life: regular, and silent while something is measured."""

import queue
import time

from device_agent.heartbeat import Heartbeat

EVERY_S = 0.01


def test_it_beats_until_it_is_paused_and_again_when_it_is_resumed() -> None:
    beats: queue.SimpleQueue[None] = queue.SimpleQueue()
    heart = Heartbeat(lambda: beats.put(None), EVERY_S)
    heart.start()
    for _ in range(3):
        beats.get(timeout=30)
    heart.pause()
    while not beats.empty():
        beats.get()
    time.sleep(20 * EVERY_S)
    assert beats.empty()
    heart.resume()
    beats.get(timeout=30)


def test_it_ends_where_nobody_listens() -> None:
    beats: queue.SimpleQueue[None] = queue.SimpleQueue()

    def beat() -> None:
        beats.put(None)
        raise BrokenPipeError

    heart = Heartbeat(beat, EVERY_S)
    heart.start()
    beats.get(timeout=30)
    heart.pause()
    heart.resume()
    assert beats.empty()
