"""The playout against a caller's ear that follows the send clock."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.format import L16_8K, L16_16K, PCMU_8K, AudioFormat
from gateway.call.playout import Clear, Ended, Heard, Mark, Playout, Send, Started
from gateway.interfaces import LegCapabilities

BUFFERING = LegCapabilities(lookahead=1.0, message=0.2, has_marks=True, has_clear=True)
PACED = LegCapabilities(lookahead=0.06, message=0.02, multiple_of=160, has_clear=True)
WIDE = LegCapabilities(
    format=L16_16K, lookahead=0.5, message=0.1, multiple_of=640, max_message_bytes=640, has_clear=True
)
LINES = [BUFFERING, PACED, WIDE, LegCapabilities(format=L16_8K, lookahead=0.3, message=0.1)]


def audio(seconds: float, format: AudioFormat = PCMU_8K, seed: int = 0) -> bytes:
    size = format.size(seconds)
    return bytes((i * 7 + i // 251 + seed) % 256 for i in range(size))


class Run:
    """Drives a playout through call time and keeps what came out, with the time it came at."""

    def __init__(self, capabilities: LegCapabilities = BUFFERING, *, track: bool = False) -> None:
        self.playout = Playout(capabilities, track=track)
        self.format = capabilities.format
        self.now = 0.0
        self.log: list[tuple[float, object]] = []
        self.generation = 0

    def poll(self) -> None:
        self.log += [(self.now, output) for output in self.playout.poll(self.now)]

    def until(self, time: float) -> Run:
        """Let time pass; poll exactly when the playout asks for it."""
        for _ in range(100_000):
            deadline = self.playout.next_deadline()
            if deadline is None or deadline > time:
                break
            self.now = max(self.now, round(deadline, 6))
            self.poll()
        else:
            raise AssertionError("the playout asks to be polled for ever")
        self.now = time
        self.poll()
        return self

    def say(self, prompt_id: int, seconds: float, text: str = "", seed: int = 0) -> Run:
        self.playout.start(prompt_id, text)
        self.playout.feed(prompt_id, audio(seconds, self.format, seed))
        self.playout.finish(prompt_id)
        self.poll()
        return self

    def stop(self) -> Run:
        self.playout.stop(self.now)
        self.poll()
        return self

    def pause(self) -> Run:
        self.playout.pause(self.now)
        self.poll()
        return self

    def resume(self) -> Run:
        self.playout.resume(self.now)
        self.poll()
        return self

    def echo(self, mark_id: str) -> Run:
        self.playout.mark_reached(mark_id, self.now)
        self.poll()
        return self

    def of(self, kind: type) -> list:
        return [output for _, output in self.log if isinstance(output, kind)]

    def at(self, kind: type) -> list[float]:
        return [time for time, output in self.log if isinstance(output, kind)]

    @property
    def sent(self) -> bytes:
        return b"".join(send.data for send in self.of(Send))


def test_a_prompt_is_sent_in_messages_no_more_than_the_lookahead_ahead():
    run = Run().say(1, 3.0, "Bonjour").until(2.5)
    assert [len(send.data) for send in run.of(Send)] == [1600] * 15
    assert run.at(Send)[:6] == pytest.approx([0, 0, 0, 0, 0, 0.2])
    assert [send.at for send in run.of(Send)][:3] == pytest.approx([0, 0.2, 0.4])
    assert run.sent == audio(3.0)
    assert run.of(Started) == [Started(1)]


def test_the_mark_follows_the_last_message_and_confirms_the_end():
    run = Run().say(1, 0.5, "Bonjour à tous")
    (mark,) = run.of(Mark)
    assert [type(output) for _, output in run.log] == [Started, Send, Send, Send, Mark]
    run.until(0.53).echo(mark.mark_id)
    assert run.of(Ended) == [Ended(1, "played", 0.5, "Bonjour à tous")]
    assert run.at(Ended) == [0.53]


def test_a_lost_mark_ends_the_prompt_a_little_later():
    run = Run().say(1, 0.5, "Bonjour").until(10)
    assert run.at(Ended) == pytest.approx([1.5])


def test_an_echo_of_a_mark_nobody_sent_confirms_nothing():
    run = Run().say(1, 0.5).until(0.6).echo("no such mark")
    assert run.of(Ended) == []


def test_an_echo_before_the_audio_can_have_been_heard_waits_for_the_send_clock():
    run = Run().say(1, 0.5)
    run.echo(run.of(Mark)[0].mark_id)
    assert run.of(Ended) == []
    assert run.until(3).at(Ended) == pytest.approx([0.5])


def test_a_later_mark_confirms_earlier_prompts():
    run = Run().say(1, 0.2).say(2, 0.2)
    run.until(0.45).echo(run.of(Mark)[1].mark_id)
    assert [ended.prompt_id for ended in run.of(Ended)] == [1, 2]


def test_a_message_holds_the_audio_of_one_prompt_so_that_its_mark_is_exact():
    run = Run()
    for prompt_id in (1, 2):
        run.playout.start(prompt_id, "")
        run.playout.feed(prompt_id, audio(0.1))
        run.playout.finish(prompt_id)
    run.poll()
    assert [type(output) for _, output in run.log] == [Started, Send, Mark] * 2


def test_a_mark_confirms_no_later_prompt():
    run = Run().say(1, 0.2, "one").say(2, 0.2, "two")
    run.playout.start(3, "three")
    run.until(0.25).echo(run.of(Mark)[0].mark_id).until(1.0)
    assert [ended.prompt_id for ended in run.of(Ended)] == [1]
    assert run.until(2.0).at(Ended) == pytest.approx([0.25, 1.4])


def test_without_marks_the_send_clock_ends_a_prompt():
    run = Run(PACED).say(1, 0.5).until(2)
    assert run.of(Mark) == []
    assert run.at(Ended) == pytest.approx([0.5])


def test_mark_ids_are_short():
    run = Run()
    for number in range(3):
        run.say(9_999_990 + number, 0.1).stop()
    assert all(len(mark.mark_id) <= 12 for mark in run.of(Mark))
    assert len({mark.mark_id for mark in run.of(Mark)}) == 3


def test_paced_legs_get_one_packet_each_packet_time():
    run = Run(PACED).say(1, 0.5).until(1)
    times = run.at(Send)
    assert times[:3] == [0, 0, 0]
    assert times[3:] == pytest.approx([0.02 * n for n in range(1, 23)])
    assert {len(send.data) for send in run.of(Send)} == {160}


def test_a_paced_leg_gets_the_padded_tail_in_its_turn():
    assert Run(PACED).say(1, 0.11).until(1).at(Send) == pytest.approx([0, 0, 0, 0.02, 0.04, 0.06])


def test_messages_are_cut_down_to_what_the_leg_takes():
    run = Run(LegCapabilities(lookahead=1.0, message=0.05, multiple_of=160)).say(1, 0.2).until(1)
    assert [len(send.data) for send in run.of(Send)] == [320] * 5
    assert run.sent == audio(0.2)


def test_a_leg_that_takes_more_at_once_than_it_buffers_is_kept_supplied():
    run = Run(LegCapabilities(lookahead=0.01, message=0.02, multiple_of=160)).say(1, 0.06).until(1)
    assert run.at(Send) == pytest.approx([0, 0.02, 0.04])


def test_what_waits_to_be_sent_is_known():
    run = Run().say(1, 3.0)
    assert run.playout.buffered(1) == pytest.approx(2.0)
    assert run.until(5).playout.buffered(1) == 0.0
    assert run.playout.buffered(7) == 0.0


def test_a_prompt_without_audio_yet_holds_those_behind_it():
    run = Run()
    run.playout.start(1, "first")
    run.say(2, 0.2, "second").until(1.0)
    assert run.of(Send) == []
    run.playout.feed(1, audio(0.2))
    run.playout.finish(1)
    run.poll()
    assert run.of(Started) == [Started(1), Started(2)]
    assert run.of(Send)[0].at == 1.0


def test_a_stop_counts_what_was_heard_to_the_sample():
    run = Run().say(1, 2.0, "one two three four five six seven eight").say(2, 1.0, "nine").until(1.0001250)
    run.stop()
    first, second = run.of(Ended)
    assert first == Ended(1, "stopped", 8001 / 8000, "one two three four")
    assert second == Ended(2, "stopped", 0.0, "")
    assert run.of(Clear) == [Clear()]
    assert run.playout.next_deadline() is None


def test_silence_is_not_cleared():
    run = Run()
    run.playout.start(1, "not yet")
    run.stop()
    assert [output for _, output in run.log] == [Ended(1, "stopped", 0.0, "")]


def test_a_prompt_whose_end_is_not_confirmed_is_cleared_by_a_stop():
    run = Run().say(1, 0.5, "Bonjour").until(0.6).stop()
    assert [type(output) for _, output in run.log[-2:]] == [Clear, Ended]
    assert run.of(Ended) == [Ended(1, "played", 0.5, "Bonjour")]


def test_after_a_stop_the_next_prompt_is_heard_at_once():
    run = Run().say(1, 2.0).until(0.3).stop().say(2, 0.2)
    assert run.of(Send)[-1].at == 0.3


def test_what_never_had_anything_to_say_is_stopped_with_what_is_before_it():
    run = Run().say(1, 1.0, "one").say(2, 0.0, "two").until(0.5).stop()
    assert [(ended.result, ended.seconds) for ended in run.of(Ended)] == [("stopped", 0.5), ("stopped", 0.0)]


def test_a_failed_prompt_heard_to_its_end_has_failed_although_it_is_stopped():
    run = Run()
    run.playout.start(1, "alpha beta")
    run.playout.feed(1, audio(0.5), chars=5)
    run.playout.finish(1, failed=True)
    run.poll()
    run.now = 0.7
    assert run.stop().of(Ended) == [Ended(1, "failed", 0.5, "alpha")]


def test_what_was_heard_completely_before_the_stop_was_played():
    run = Run().say(1, 0.5, "Bonjour").say(2, 1.0, "Encore").until(0.7).stop()
    assert [(e.prompt_id, e.result) for e in run.of(Ended)] == [(1, "played"), (2, "stopped")]
    assert run.of(Ended)[1].seconds == pytest.approx(0.2)


def test_echoes_of_marks_after_a_clear_are_void():
    run = Run().say(1, 0.5).until(0.1).pause()
    old = run.of(Mark)[0].mark_id
    run.echo(old).until(0.3).resume()
    run.until(0.65).echo(old)
    assert run.of(Ended) == []
    new = run.of(Mark)[1].mark_id
    assert new != old
    assert run.until(0.72).echo(new).of(Ended) == [Ended(1, "played", 0.5, "")]


def test_a_pause_resumes_from_the_exact_sample():
    run = Run(track=True).say(1, 1.0).until(0.3).pause().until(5.0)
    assert run.at(Send)[-1] < 0.3
    assert run.of(Ended) == []
    run.resume().until(9)
    heard = run.playout.heard(run.now)
    assert b"".join(piece.data for piece in heard) == audio(1.0)
    assert next(piece.at for piece in heard if piece.at >= 5.0) == 5.0
    assert run.of(Ended)[0].seconds == 1.0


def test_a_pause_clears_once():
    run = Run().say(1, 1.0).until(0.3).pause().pause().until(0.5).pause()
    assert run.of(Clear) == [Clear()]
    assert run.playout.generation == 1


def test_a_pause_while_the_synthesizer_is_slow_ends_nothing():
    run = Run()
    run.playout.start(1, "un deux")
    run.playout.feed(1, audio(0.2))
    run.poll()
    run.until(0.5).pause().until(1.0).resume().until(1.5)
    assert run.of(Ended) == []
    run.playout.feed(1, audio(0.2))
    run.playout.finish(1)
    run.poll()
    assert run.until(5).of(Ended) == [Ended(1, "played", 0.4, "un deux")]


def test_a_prompt_heard_to_its_end_before_the_pause_ends_then():
    run = Run().say(1, 0.5, "a").say(2, 0.5, "b").until(0.6).pause()
    assert [e.prompt_id for e in run.of(Ended)] == [1]
    assert run.until(20).stop().of(Ended)[1].seconds == pytest.approx(0.1)


def test_prompts_added_during_a_pause_wait():
    run = Run().say(1, 0.5).until(0.2).pause().say(2, 0.5, seed=3).until(4)
    assert run.at(Send)[-1] <= 0.2
    run.resume().until(10)
    assert [e.prompt_id for e in run.of(Ended)] == [1, 2]


def test_a_slow_synthesizer_is_sent_as_it_comes_and_the_gaps_do_not_count():
    run = Run()
    run.playout.start(1, "un deux trois quatre")
    for step in range(10):
        run.until(step * 0.2)
        run.playout.feed(1, audio(0.1, seed=step))
        run.poll()
    run.until(1.85).stop()
    assert run.of(Ended)[0].seconds == pytest.approx(0.95)
    assert len(run.of(Send)) == 10


def test_the_first_audio_of_a_stream_does_not_wait_for_a_whole_message():
    run = Run()
    run.playout.start(1, "")
    for _ in range(20):
        run.playout.feed(1, audio(0.02))
        run.poll()
    assert [len(send.data) for send in run.of(Send)][:4] == [160, 160, 160, 160]
    assert max(len(send.data) for send in run.of(Send)) <= 1600
    assert run.until(0.5).sent == audio(0.02) * 20


def test_part_of_a_message_waits_until_the_caller_is_about_to_run_dry():
    run = Run()
    run.playout.start(1, "")
    run.playout.feed(1, audio(0.5))
    run.until(1)
    assert run.at(Send) == pytest.approx([0, 0, 0.34])


def test_a_whole_message_does_not_wait_for_more():
    run = Run()
    run.playout.start(1, "")
    run.playout.feed(1, audio(0.4))
    run.until(1)
    assert run.at(Send) == [0, 0]


def test_a_failure_without_audio_is_reported_in_its_place():
    run = Run(PACED).say(1, 0.5, "a")
    run.playout.start(2, "b")
    run.playout.finish(2, failed=True)
    run.say(3, 0.1, "c").until(5)
    assert [(e.prompt_id, e.result, e.heard_text) for e in run.of(Ended)] == [
        (1, "played", "a"),
        (2, "failed", ""),
        (3, "played", "c"),
    ]
    assert run.of(Started) == [Started(1), Started(3)]


def test_a_failure_in_the_middle_plays_what_is_there():
    run = Run(PACED)
    run.playout.start(1, "alpha beta gamma delta")
    run.playout.feed(1, audio(0.5), chars=10)
    run.playout.finish(1, failed=True)
    run.until(2)
    assert run.sent == audio(0.5)
    assert run.of(Ended) == [Ended(1, "failed", 0.5, "alpha beta")]


def test_nothing_to_say_ends_at_once():
    run = Run()
    run.playout.start(1, "")
    run.playout.finish(1)
    run.poll()
    assert run.of(Ended) == [Ended(1, "played", 0.0, "")]


def test_what_comes_for_a_prompt_that_is_over_is_dropped():
    run = Run().say(1, 0.2).stop()
    run.playout.feed(1, audio(1))
    run.playout.finish(1)
    run.playout.finish(7)
    run.until(9)
    assert len(run.of(Ended)) == 1


def test_where_messages_must_be_multiples_a_prompt_is_filled_up_from_the_next_and_the_tail_padded():
    run = Run(WIDE)
    run.playout.start(2, "")
    run.playout.start(3, "")
    for prompt_id, seconds in ((2, 0.030), (3, 0.025)):
        run.playout.feed(prompt_id, audio(seconds, L16_16K, prompt_id))
        run.playout.finish(prompt_id)
    run.until(1)
    assert run.sent == audio(0.030, L16_16K, 2) + audio(0.025, L16_16K, 3) + L16_16K.silence(80)
    assert {len(send.data) for send in run.of(Send)} == {640}
    assert sum(e.seconds for e in run.of(Ended)) == pytest.approx(0.055)


def test_a_remainder_is_padded_rather_than_left_behind_a_prompt_that_is_not_ready():
    run = Run(PACED)
    run.say(1, 0.03)
    run.playout.start(2, "later")
    run.until(1.0)
    assert run.sent == audio(0.03) + PCMU_8K.silence(80)
    assert run.of(Ended)[0].seconds == 0.03


def test_a_torn_last_sample_is_dropped():
    run = Run(WIDE)
    run.playout.start(1, "")
    run.playout.feed(1, audio(0.02, L16_16K) + b"\x01")
    run.playout.finish(1)
    run.until(1)
    assert run.sent == audio(0.02, L16_16K)


def test_a_torn_last_sample_is_dropped_although_its_words_are_told_later():
    run = Run(WIDE)
    run.playout.start(1, "one")
    run.playout.feed(1, audio(0.02, L16_16K) + b"\x01")
    run.playout.feed(1, b"", chars=3)
    run.playout.finish(1)
    run.until(1)
    assert run.of(Ended) == [Ended(1, "played", 0.02, "one")]
    assert run.sent == audio(0.02, L16_16K)


def test_what_is_heard_is_told_once_with_its_time_where_it_is_tracked():
    run = Run(track=True).say(1, 0.2).until(0.05)
    first, again = run.playout.heard(0.05), run.playout.heard(0.05)
    assert first == [Heard(audio(0.2)[:400], 0.0)]
    assert again == []
    assert run.playout.heard(0.1) == [Heard(audio(0.2)[400:800], 0.05)]
    assert Run().say(1, 0.2).until(1).playout.heard(1) == []


def test_a_leg_that_cannot_clear_has_heard_what_was_sent():
    run = Run(LegCapabilities(lookahead=0.2, message=0.1)).say(1, 1.0).until(0.5).stop()
    assert run.of(Ended)[0].seconds == pytest.approx(0.7)
    run.say(2, 0.1).until(1)
    assert run.of(Send)[-1].at == pytest.approx(0.7)


def test_a_prompt_id_is_used_once_at_a_time():
    run = Run().say(1, 0.5)
    with pytest.raises(ValueError, match="outstanding"):
        run.playout.start(1, "")


def test_stale_sends_can_be_told_by_their_generation():
    run = Run().say(1, 3.0).until(0.5)
    before = run.of(Send)[-1].generation
    run.stop().say(2, 0.2)
    assert run.of(Send)[-1].generation == run.playout.generation == before + 1


def test_memory_before_the_heard_position_is_let_go():
    run = Run().say(1, 5.0).until(3.0)
    prompt = run.playout._prompts[0]
    assert prompt.unsent <= PCMU_8K.size(5.0 - 3.0)
    assert sum(len(piece.data) for piece in run.playout._ahead) <= PCMU_8K.size(1.2)


# --- properties ----------------------------------------------------------------------------------------------------
cuts = st.lists(st.integers(1, 3000), max_size=12)


@given(st.sampled_from(LINES), st.integers(0, 20_000), cuts)
def test_cutting_the_feed_anywhere_sends_the_same(line, size, cuts):
    data = audio(3.0, line.format)[:size]
    whole, pieces = Run(line), Run(line)
    whole.playout.start(1, "text")
    pieces.playout.start(1, "text")
    whole.playout.feed(1, data)
    rest = data
    for cut in cuts:
        pieces.playout.feed(1, rest[:cut])
        rest = rest[cut:]
    pieces.playout.feed(1, rest)
    for run in (whole, pieces):
        run.playout.finish(1)
        run.until(20)
    assert whole.log == pieces.log


step = st.one_of(
    st.tuples(st.just("say"), st.integers(0, 9000)),
    st.tuples(st.just("open"), st.integers(0, 9000)),
    st.tuples(st.just("more"), st.integers(0, 9000)),
    st.tuples(st.just("close"), st.booleans()),
    st.tuples(st.just("wait"), st.integers(1, 1_500_000)),
    st.tuples(st.just("echo"), st.integers(0, 5)),
    st.tuples(st.sampled_from(["stop", "pause", "resume"]), st.just(0)),
)


@given(st.sampled_from(LINES), st.lists(step, max_size=40))
def test_whatever_happens_each_prompt_ends_once_in_order_and_nothing_is_heard_faster_than_time(line, steps):
    run, started, open_ = Run(line, track=True), [], []
    fed: dict[int, bytes] = {}
    for name, value in steps:
        match name:
            case "say" | "open":
                prompt_id = len(started) + 1
                started.append(prompt_id)
                run.playout.start(prompt_id, "some words to be heard")
                fed[prompt_id] = audio(4, line.format, prompt_id)[:value]
                run.playout.feed(prompt_id, fed[prompt_id])
                open_.append(prompt_id)
                if name == "say":
                    run.playout.finish(open_.pop())
            case "more" if open_:
                run.playout.feed(open_[-1], audio(4, line.format)[:value])
            case "close" if open_:
                run.playout.finish(open_.pop(), failed=value)
            case "wait":
                run.until(round(run.now + value / 1e6, 6))
            case "echo":
                for mark in run.of(Mark)[-value:]:
                    run.playout.mark_reached(mark.mark_id, run.now)
            case "stop" | "pause" | "resume":
                getattr(run.playout, name)(run.now)
        run.poll()
        if line.has_clear:
            assert run.playout.until <= run.now + line.lookahead + 1e-5
    run.playout.resume(run.now)
    for prompt_id in open_:
        run.playout.finish(prompt_id)
    run.poll()
    run.until(run.now + 60 * (len(steps) + 1))
    ended = run.of(Ended)
    assert [e.prompt_id for e in ended] == started
    assert run.playout.outstanding == 0
    assert run.playout.next_deadline() is None
    heard = run.playout.heard(run.now)
    assert sum(e.seconds for e in ended) == pytest.approx(
        sum(len(h.data) for h in heard) / line.format.bytes_per_second
    )
    for before, after in itertools.pairwise(heard):
        assert before.at + line.format.seconds(len(before.data)) <= after.at + 1e-4


@given(st.integers(100, 4000), st.lists(st.integers(1, 700_000), max_size=8))
def test_pausing_anywhere_loses_and_repeats_nothing(milliseconds, waits):
    run = Run(track=True).say(1, milliseconds / 1000, "word")
    heard: list[Heard] = []
    for index, wait in enumerate(waits):
        run.until(round(run.now + wait / 1e6, 6))
        if index % 2:
            run.resume()
        else:
            run.pause()
        heard += run.playout.heard(run.now)
    run.resume().until(run.now + 30)
    heard += run.playout.heard(run.now)
    assert b"".join(piece.data for piece in heard) == audio(milliseconds / 1000)
    assert run.of(Ended)[0].result == "played"
