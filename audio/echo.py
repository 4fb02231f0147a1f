"""The bot's own voice, coming back from the caller's end, is taken out before anybody listens.

Lines with a hybrid, loudspeakers and cheap headsets return 3 to 25 % of what is played, 50 to 400 ms late. Such an echo
must neither count as the caller's speech nor reach the recognizer, while a real word over it must. First the delay is
found by correlation, then the path is fitted (`audio.echo_path`); what is predicted is subtracted, and a frame in
which nothing but a remainder is left becomes silence. Until the delay is known, a frame is held back that is quiet
enough to be an echo of what was played lately. Positions are the call's, in samples.

Pure. A line that returns nothing costs nothing: a quiet frame, or one in which nothing was played, comes back as the
same object.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from audio.codecs import g711
from audio.echo_path import EchoPath, Floats, History, find_delay, power
from audio.format import AudioFormat, Encoding
from audio.frame import Frame, join
from audio.voting import QUIET_BELOW, level_gate

LONGEST_DELAY = 0.62  # s, between when we believe that a sample is heard and when its echo arrives
EARLIEST = 0.04  # s before that moment: the send clock may be late by as much
JITTER = 0.045  # s by which the delay may move from one prompt to the next
PAUSE = 0.3  # s without outgoing audio that make what follows a new prompt
MAX_SPANS = 16  # prompts that can still be heard or are ahead; the oldest is forgotten
TAPS = 0.008  # s
ADVANCE = 0.002  # s of the filter that lie before the delay
SEGMENT = 0.24  # s of caller audio that are searched for
FIRST_SEARCH = 6  # frames of caller audio that make a first search worth while
SEARCH_EVERY = 4  # loud frames
CLEAR_PEAK = 6.5  # see `find_delay`
VERY_CLEAR_PEAK = 9.0
EXPLAINED = 0.6  # share of the caller audio that the path must explain to be believed
EXPLAINED_AGAIN = 0.3  # is enough where two searches have found the same delay clearly: the caller talks as well
SAME_DELAY = 0.001  # s
GIVE_UP_AFTER = 4  # searches without a result: what we hear is no echo
SELDOM = 40  # loud frames between searches in the end
STRONGEST = 0.16  # power of an echo of unknown path relative to what was played: -8 dB
EVIDENCE = 1.5  # s back in which is looked at what returned of what was played
CHECK_EVERY = 0.2  # s
CEILING_MARGIN = 10.0  # in power: no frame's echo is so much stronger than the strongest that was seen
LEAK_MAX = 2.0  # power of a remainder relative to the predicted echo while the path is new ...
LEAK_MIN = 0.03  # ... and at best
LEAK_MARGIN = 4.0  # over the remainder that is seen on average
HOLD_AFTER = 2  # frames in a row with a voice ...
HOLD = 5  # ... that let so many more through, so that a word keeps its quiet end
NEW_FRAMES = 25  # with echo, for which a path counts as new
FORGET = 0.99
LEARN_EVERY = 4  # frames, when the path is good
SOLVE_EVERY_NEW = 5
SOLVE_EVERY = 25
GOOD_REMAINDER = 0.03
BAD_REMAINDER = 0.3
DOUBTS = 15  # frames unexplained: the caller talks, or the path has changed or was found wrongly: look for another
SILENCE_POWER = QUIET_BELOW**2 / 2.0


class EchoCanceller:
    """Takes the echo out of one call's incoming audio.

    Args:
        rate: Samples per second of both directions.
    """

    def __init__(self, rate: int = 8000) -> None:
        self._rate = rate
        self._sent: History | None = None
        self._back = History(1 << (int(rate * SEGMENT * 2) - 1).bit_length())
        self._spans: deque[list[int]] = deque(maxlen=MAX_SPANS)  # prompts: start and end of their audio
        self._path = EchoPath(round(TAPS * rate), round(ADVANCE * rate))
        self._delay: int | None = None
        self._candidate: int | None = None  # a delay that a search has found, but not proved
        self._is_settled = False  # the delay is confirmed for the prompt that is being heard
        self._is_released = False  # what comes in has been found to be no echo
        self._prompt = 0  # where the prompt began that is being heard
        self._loud = 0  # loud frames since then
        self._next_search = 0  # at this many of them
        self._held = 0  # frames in a row that may be echo
        self._is_news = False  # among them are some that are stronger than any echo that was seen
        self._failures = 0
        self._ceiling = STRONGEST  # power of an echo relative to what was played, as far as was seen in this call
        self._checked = 0  # position at which that was looked at last
        self._came_in: deque[tuple[int, float]] = deque()  # loud frames of the last `EVIDENCE`: position and power
        self._voiced = 0  # frames in a row with the caller's voice
        self._hold_left = 0
        self._remainder = LEAK_MAX / LEAK_MARGIN  # average power of what is left relative to the predicted echo
        self._predicted: deque[float] = deque([0.0] * 3, maxlen=3)
        self._frames = 0  # with echo, since the path was found
        self._doubts = 0  # of them the path did not explain
        self._format: AudioFormat | None = None
        self._piece = 0  # bytes in 20 ms
        self._is_loud = level_gate(Encoding.PCMU)

    @property
    def delay(self) -> float | None:
        """Seconds by which the echo is late; None while it is unknown or there is none."""
        return None if self._delay is None else self._delay / self._rate

    def reference(self, pcm: bytes, at_samples: int) -> None:
        """Tell what the caller hears.

        Args:
            pcm: 16-bit little-endian samples at `rate`.
            at_samples: Where on the call's time line the first of them is played, up to 3 s ahead of its audio.
        """
        samples = np.frombuffer(pcm, "<i2")
        if self._sent is None:
            self._sent = History(1 << (4 * self._rate - 1).bit_length())
        self._sent.write(at_samples, samples)
        if not len(samples) or max(int(samples.max()), -int(samples.min())) < QUIET_BELOW:
            return
        end = at_samples + len(samples)
        if self._spans and at_samples - self._spans[-1][1] < PAUSE * self._rate:
            self._spans[-1][1] = max(end, self._spans[-1][1])
        else:
            self._spans.append([at_samples, end])

    def cut(self, at_samples: int) -> None:
        """What was to be played from here on is dropped: the prompt was stopped."""
        if self._sent is None or at_samples >= self._sent.end:
            return
        self._sent.write(at_samples, np.zeros(self._sent.end - at_samples, np.int16))
        while self._spans and self._spans[-1][0] >= at_samples:
            self._spans.pop()
        if self._spans:
            self._spans[-1][1] = min(self._spans[-1][1], at_samples)

    def process(self, frame: Frame) -> Frame:
        """The caller's audio without the echo: the same object, or one with the echo removed, or silence."""
        if not self._spans:
            return frame
        if frame.format != self._format:
            self._format = frame.format
            self._piece = frame.format.size(0.02)
            self._is_loud = level_gate(frame.format.encoding)
        if len(frame.data) > self._piece:
            return self._in_pieces(frame)
        if not self._is_loud(frame.data) or not self._is_echo_due(frame.pts_samples):
            return frame
        samples = np.frombuffer(frame.pcm(), "<i2")
        self._back.write(frame.pts_samples, samples)
        self._loud += 1
        back = samples.astype(np.float32)
        return self._hold(frame, back) if self._delay is None else self._cancel(frame, back)

    def _in_pieces(self, frame: Frame) -> Frame:
        """A frame of more than 20 ms may be echo in one place and a voice in another."""
        data, size = frame.data, self._piece
        step = frame.format.samples(size)
        cut = [
            Frame(data[at : at + size], frame.format, frame.pts_samples + step * number)
            for number, at in enumerate(range(0, len(data), size))
        ]
        done = [self.process(piece) for piece in cut]
        return frame if all(new is old for new, old in zip(done, cut, strict=True)) else join(done)

    def _is_echo_due(self, now: int) -> bool:
        """Whether anything that was played can be heard now; notices the start of a prompt."""
        while self._spans and self._spans[0][1] + LONGEST_DELAY * self._rate < now:
            self._spans.popleft()
        if not self._spans or self._spans[0][0] - EARLIEST * self._rate > now:
            return False
        newest = max((span[0] for span in self._spans if span[0] <= now), default=self._spans[0][0])
        if newest != self._prompt or not self._loud:
            self._prompt = newest
            self._loud = self._failures = 0
            self._next_search = FIRST_SEARCH
            self._is_settled = self._is_released = False
            self._held = 0
        return True

    # --- the delay is unknown ---------------------------------------------------------------------------------------
    def _hold(self, frame: Frame, back: Floats) -> Frame:
        strength, loudest = power(back), self._loudest_sent(frame.pts_samples, len(back))
        self._weigh(frame.pts_samples, strength, len(back))
        self._held = self._held + 1 if strength <= STRONGEST * loudest else 0
        self._is_news = self._held > 0 and (self._is_news or strength > self._ceiling * loudest)
        is_echo = self._is_only_echo(strength <= self._ceiling * loudest)
        # Also above the ceiling is searched: a line may begin to return something, when a loudspeaker is switched on.
        if self._held >= FIRST_SEARCH and self._loud >= self._next_search:
            self._search(frame.end_samples, self._held, needs_two=self._is_news)
            if self._delay is not None:
                return self._cancel(frame, back, learn=False)
        return _silence(frame) if is_echo and not self._is_released else frame

    def _weigh(self, now: int, strength: float, count: int) -> None:
        """Learn from what came in how strong an echo can be: on most lines nothing returns, and no word is held back.

        What was played so long ago that its echo has come in by now tells, by the strongest frame since.
        """
        came_in, since = self._came_in, now - round(EVIDENCE * self._rate)
        while came_in and came_in[0][0] < since:
            came_in.popleft()
        if now - self._checked >= CHECK_EVERY * self._rate:
            self._checked = now
            assert self._sent is not None
            first = since + round(EARLIEST * self._rate)
            frames = (now - round(LONGEST_DELAY * self._rate) - first) // count
            sent = self._sent.read(first, frames * count).reshape(frames, count)
            played = float(np.einsum("ij,ij->i", sent, sent).max()) / count
            returned = max((power for _, power in came_in), default=0.0)
            if played > SILENCE_POWER:
                highest = CEILING_MARGIN * max(returned, 2 * SILENCE_POWER) / played
                self._ceiling = min(self._ceiling, highest)
        came_in.append((now, strength))

    def _loudest_sent(self, start: int, count: int) -> float:
        """Highest power of a frame that may be echoing now."""
        assert self._sent is not None
        frames = int((LONGEST_DELAY + EARLIEST) * self._rate) // count + 1
        early = start + round(EARLIEST * self._rate) + count - frames * count
        sent = self._sent.read(early, frames * count).reshape(frames, count)
        return float(np.einsum("ij,ij->i", sent, sent).max()) / count

    def _search(self, end: int, frames: int, *, needs_two: bool = False) -> None:
        """Look for the newest caller audio, so many frames of it, in what was sent.

        With ``needs_two``, one search that finds something is not enough: a voice resembles another for a moment.
        """
        assert self._sent is not None
        count = min(frames * round(0.02 * self._rate), round(SEGMENT * self._rate))
        late = self._back.read(end - count, count)
        longest, shortest = round(LONGEST_DELAY * self._rate), -round(EARLIEST * self._rate)
        early = self._sent.read(end - count - longest, count + longest - shortest)
        offset, peak = find_delay(late, early, self._rate)
        delay = longest - offset
        if peak >= CLEAR_PEAK:
            is_same = self._candidate is not None and abs(delay - self._candidate) <= SAME_DELAY * self._rate
            is_same = is_same and peak >= VERY_CLEAR_PEAK
            self._candidate = delay
            is_enough = is_same or not needs_two
            if is_enough and self._fit(end - count, count, delay, EXPLAINED_AGAIN if is_same else EXPLAINED):
                return
        self._failures += 1
        self._is_released = self._failures >= GIVE_UP_AFTER
        pause = SEARCH_EVERY * (self._failures - GIVE_UP_AFTER) if self._is_released else 0
        self._next_search = self._loud + min(max(SEARCH_EVERY, pause), SELDOM)

    def _fit(self, start: int, count: int, delay: int, explained: float) -> bool:
        """Fit a path with this delay; keep both if they explain what came back."""
        assert self._sent is not None
        path = EchoPath(self._path.taps, self._path.advance)
        sent = self._sent.read(*path.window(start, delay, count))
        back = self._back.read(start, count)
        path.learn(sent, back, 1 / (power(back) + 1), 1.0)
        path.solve()
        if power(back - path.predict(sent)) > (1 - explained) * power(back):
            return False
        self._path, self._delay = path, delay
        self._ceiling = STRONGEST
        self._is_settled, self._failures = True, 0
        self._remainder = LEAK_MAX / LEAK_MARGIN
        self._frames = self._doubts = 0
        return True

    # --- the delay is known -----------------------------------------------------------------------------------------
    def _cancel(self, frame: Frame, back: Floats, *, learn: bool = True) -> Frame:
        assert self._sent is not None
        assert self._delay is not None
        if not self._is_settled and self._loud >= self._next_search:
            self._settle(frame.end_samples)
        path = self._path
        sent = self._sent.read(*path.window(frame.pts_samples, self._delay, len(back)))
        predicted = path.predict(sent)
        left = back - predicted
        left_power, echo_power = power(left), power(predicted)
        self._predicted.append(echo_power)
        expected = max(self._predicted)
        leak = min(max(LEAK_MARGIN * self._remainder, LEAK_MIN), LEAK_MAX)
        if not self._is_settled:
            expected = max(expected, self._loudest_around(frame.pts_samples, len(back)))
            leak = LEAK_MAX
        is_echo = left_power <= leak * expected + SILENCE_POWER
        if learn and self._is_settled and echo_power > SILENCE_POWER:
            self._adapt(sent, back, left_power, echo_power, is_echo)
        if self._is_only_echo(is_echo):
            return _silence(frame)
        return _written(left, frame) if expected > SILENCE_POWER / 10 else frame

    def _is_only_echo(self, is_echo: bool) -> bool:
        self._voiced = 0 if is_echo else self._voiced + 1
        if self._voiced >= HOLD_AFTER:
            self._hold_left = HOLD
        elif is_echo and self._hold_left:
            self._hold_left -= 1
            return False
        return is_echo

    def _adapt(self, sent: Floats, back: Floats, left_power: float, echo_power: float, is_echo: bool) -> None:
        """Keep the path true to the line: often while it is new, now and then later."""
        if is_echo:
            self._remainder += 0.1 * (min(left_power / echo_power, 1.0) - self._remainder)
        self._frames += 1
        is_new = self._frames < NEW_FRAMES or (is_echo and self._remainder > GOOD_REMAINDER)
        if is_new or (is_echo and not self._frames % LEARN_EVERY):
            self._path.learn(sent, back, 1 / (left_power + 0.01 * echo_power), FORGET)
        if not self._frames % (SOLVE_EVERY_NEW if is_new else SOLVE_EVERY):
            self._path.solve()
        self._doubts += not is_echo or self._remainder > BAD_REMAINDER
        if self._doubts >= DOUBTS:
            self._doubts = 0
            self._search(self._back.end, DOUBTS)
            if self._failures >= GIVE_UP_AFTER and self._remainder > BAD_REMAINDER:
                self._delay = None  # it never was an echo

    def _loudest_around(self, start: int, count: int) -> float:
        """Highest power of an echo through the known path, were its delay off by the jitter."""
        assert self._sent is not None
        assert self._delay is not None
        jitter = round(JITTER * self._rate)
        at, length = self._path.window(start - jitter, self._delay, count + 2 * jitter)
        echo = self._path.predict(self._sent.read(at, length))
        steps = range(0, 2 * jitter + 1, jitter // 3)
        return max(power(echo[step : step + count]) for step in steps)

    def _settle(self, end: int) -> None:
        """Find by how much the delay has moved since the last prompt."""
        assert self._sent is not None
        assert self._delay is not None
        count = min(self._loud * round(0.02 * self._rate), round(SEGMENT * self._rate))
        jitter = round(JITTER * self._rate)
        at, length = self._path.window(end - count - jitter, self._delay, count + 2 * jitter)
        echo = self._path.predict(self._sent.read(at, length))
        back = self._back.read(end - count, count)
        offset, _ = find_delay(back, echo, self._rate)
        moved = jitter - offset
        self._next_search = self._loud + SEARCH_EVERY
        best = echo[offset : offset + count]
        if power(back - best) < (1 - EXPLAINED) * power(back):
            self._delay += moved
            self._is_settled = True
            return
        self._failures += 1
        if self._failures % GIVE_UP_AFTER == 0:
            self._search(end, self._loud)


def _silence(frame: Frame) -> Frame:
    return Frame(frame.format.silence(frame.samples), frame.format, frame.pts_samples)


def _written(samples: Floats, frame: Frame) -> Frame:
    pcm = np.clip(samples, -32768, 32767).astype("<i2").tobytes()
    return Frame(g711.encode(pcm, frame.format.encoding), frame.format, frame.pts_samples)
