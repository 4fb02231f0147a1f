"""Menus by telephone: options read out as "say or press", and found again in what the caller says or presses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from gateway.actions import MenuOption
from gateway.text.catalogue import Catalogue
from gateway.text.choosing import Chooser, option_by_key, spoken_label, yes_no_options
from gateway.text.lexicon import Lexicon, lexicon
from gateway.text.numerals import number_words
from gateway.text.speakable import detect, speakable

MAX_ONE_DIGIT = 9
MAX_TWO_DIGITS = 99
GROUP = 5
"""Options of a longer menu that are read out before the caller is asked whether to go on."""
MORE_KEY = "*"
_LONG_LABEL_WORDS = 3
_LONG_LABEL_CHARS = 28


# --- reading out ---------------------------------------------------------------------------------------------------
def spoken_menu(
    prompt: str | None,
    options: Sequence[MenuOption],
    language: str,
    words: Catalogue | None = None,
    *,
    max_digits: int = 1,
    group: int = 0,
) -> tuple[str, dict[str, str]]:
    """Put a menu into words, or one of its `groups`.

    Args:
        prompt: Said before the first option; of any format.
        options: In the order in which they get their keys.
        language: BCP 47 tag.
        words: Whose wording is used; unset: the gateway's own in that language.
        max_digits: Keys an answer may have. Nine options have one key each; more need two (``01`` to ``99``), else
            those after the ninth can only be said. ``*``, ``0`` and ``#`` are never an option.
        group: Which group is read out, counted from 0.

    Returns:
        The text, plain; and the option's id for each key of the whole menu.
    """
    words = words or Catalogue.for_language(language)
    keys = _keys(options, max_digits)
    by_option = {option_id: key for key, option_id in keys.items()}
    said = [speakable(prompt, detect(prompt), language).plain] if prompt and group == 0 else []
    if pair := yes_no_options(options, language):
        yes, no = pair
        said.append(
            words.say(
                "menu_yes_no",
                yes=spoken_label(yes.label),
                yes_key=by_option[yes.id],
                no=spoken_label(no.label),
                no_key=by_option[no.id],
            )
        )
    else:
        said += [_read_out(option, by_option.get(option.id), words) for option in groups(options)[group]]
        said.append(_way_on(len(groups(options)), group, language, words))
    return " ".join(_ended(part) for part in said if part), keys


def groups(options: Sequence[MenuOption]) -> list[Sequence[MenuOption]]:
    """How a menu is read out: all at once, or, where one key is not enough for an option, a few at a time."""
    if len(options) <= MAX_ONE_DIGIT:
        return [options]
    return [options[start : start + GROUP] for start in range(0, len(options), GROUP)]


def _way_on(count: int, group: int, language: str, words: Catalogue) -> str:
    """How to hear the next group; after the last one, the first."""
    if count == 1:
        return ""
    known = lexicon(language)
    if group + 1 < count:
        return words.say("menu_more", more=known.more[0])
    return words.say("menu_again", again=known.again[0])


def _keys(options: Sequence[MenuOption], max_digits: int) -> dict[str, str]:
    if len(options) <= MAX_ONE_DIGIT or max_digits < 2:
        return {str(place): option.id for place, option in enumerate(options[:MAX_ONE_DIGIT], 1)}
    return {f"{place:02d}": option.id for place, option in enumerate(options[:MAX_TWO_DIGITS], 1)}


def _read_out(option: MenuOption, key: str | None, words: Catalogue) -> str:
    label = spoken_label(option.label)
    is_long = len(label.split()) > _LONG_LABEL_WORDS or len(label) > _LONG_LABEL_CHARS
    name = ("menu_option" if key else "menu_option_voice") + ("_long" if is_long else "")
    text = words.say(name, label=label, key=" ".join(key or ""))
    description = spoken_label(option.description or "")
    return f"{text.rstrip('.')}: {description}." if description else text


def _ended(text: str) -> str:
    return text if text[-1] in ".!?:;,…" else text + "."


# --- understanding -------------------------------------------------------------------------------------------------
def match(
    options: Sequence[MenuOption],
    keys: Mapping[str, str],
    spoken: str | None = None,
    digits: str | None = None,
    language: str = "en-GB",
    *,
    group: int | None = None,
) -> str | None:
    """The option a caller means.

    Keys first, then speech: the label or an alias, exactly or among other words; yes and no; the number or the place
    ("the second one"); part of a label; a label with a slip in it. What fits two options fits none.

    Args:
        options: As they were read out.
        keys: As `spoken_menu` gave them.
        spoken: What was said, as recognized.
        digits: What was pressed, without the terminator.
        language: BCP 47 tag of what was said.
        group: The group that was read out last, which the places are counted in; None: places of the whole menu.

    Returns:
        The option's id, or None.
    """
    if digits and (chosen := option_by_key(digits, keys)):
        return chosen
    if not spoken or not options:
        return None
    heard = options if group is None else groups(options)[group]
    return Chooser(options, keys, language, heard).choose(spoken)


def group_asked_for(
    options: Sequence[MenuOption],
    group: int | None,
    spoken: str | None = None,
    digits: str | None = None,
    language: str = "en-GB",
) -> int | None:
    """The group of a long menu that a caller asks for in place of an answer: the next one, or the first again.

    Args:
        group: The group that was read out last; None: none yet.

    Returns:
        The group, counted from 0; None: he asks for none, or there are no groups.
    """
    count = len(groups(options))
    following = 0 if group is None else (group + 1) % count
    if count == 1:
        return None
    if digits:
        return following if digits == MORE_KEY else None
    chooser, known = Chooser(options, {}, language), lexicon(language)
    if not spoken or chooser.is_named(spoken):
        return None
    if chooser.is_any_of(known.more, spoken):
        return following
    return 0 if chooser.is_any_of(known.again, spoken) else None


# --- for a recognizer ----------------------------------------------------------------------------------------------
def phrases(options: Sequence[MenuOption], language: str) -> list[str]:
    """Everything worth listening for, for a recognizer that hears only what it is told.

    Labels, aliases, numbers, places, and yes and no where they are the question. Written naturally, with accents, and
    digits as words, so that they can be pronounced.
    """
    if not options:
        return []
    known = lexicon(language)
    found = [_pronounceable(name, language) for option in options for name in (option.label, *option.aliases)]
    if yes_no_options(options, language):
        found += [*known.yes_heard, *known.no_heard]
    count = min(len(options), MAX_TWO_DIGITS)
    found += [number_words(number, language) for number in range(1, count + 1)]
    for place in range(1, min(count, len(known.ordinals)) + 1):
        found += _by_place(known, known.ordinals[place - 1])
    found += _by_place(known, known.last)
    if len(groups(options)) > 1:
        found += [*known.more, *known.again]
    return list({phrase.casefold(): phrase for phrase in reversed(found) if phrase}.values())[::-1]


def _by_place(known: Lexicon, forms: tuple[str, ...]) -> list[str]:
    """The second one: each way of saying it with its own form, or with the only one there is."""
    phrases = known.ordinal_phrases
    matching = forms[: len(phrases)] if len(forms) >= len(phrases) else forms[:1] * len(phrases)
    return [phrase.replace("{ordinal}", form) for phrase, form in zip(phrases, matching, strict=True)]


def _pronounceable(label: str, language: str) -> str:
    spelled = re.sub(r"\d{1,9}", lambda match: f" {number_words(int(match[0]), language)} ", spoken_label(label))
    return " ".join(re.sub(r"[^\w'’\-]+|(?<!\w)-|-(?!\w)", " ", spelled).split())
