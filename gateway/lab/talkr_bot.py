"""What the lab's TALKR bot can be told and what it says: a small reception desk, in English and in French.

The phrases it understands are short, and most of them are among the recordings of people that Debian packages for
Asterisk, so that a demonstration call can be made of human speech and heard by the local recognizer.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topic:
    """Something a caller can ask for; ``hears``: the words, the first of them is what is suggested."""

    name: str
    hears: tuple[str, ...]
    says: str
    waiting: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bot:
    """One language's script."""

    name: str
    slug: str
    tag: str
    other: str
    other_voice: str
    greeting: str
    again: str
    unknown: str
    code_again: str
    code_heard: str
    topics: tuple[Topic, ...]

    @property
    def phrases(self) -> tuple[str, ...]:
        return tuple(phrase for topic in self.topics for phrase in topic.hears)


ENGLISH = Bot(
    name="English",
    slug="EN",
    tag="en-GB",
    other="fr",
    other_voice="female",
    greeting="Hello, this is Acme. Say hours, location, telephone number, or information about your last call.",
    again="Sorry, what did you say?",
    unknown="I did not understand that. You can say hours, location or telephone number.",
    code_again="Please key in your four digit code, then press hash.",
    code_heard="Thank you. Your code is {code}. What else can I do for you?",
    topics=(
        Topic("hours", ("hours", "opening hours"), "We are open from nine to five, Monday to Friday."),
        Topic("location", ("location",), "You will find us at 12 Station Road."),
        Topic("telephone", ("telephone number",), "Our telephone number is 0 1 2 3, 4 5 6 7."),
        Topic(
            "lookup",
            ("information about your last call",),
            "Your last call was on Monday and lasted three minutes.",
            waiting="One moment please, I am looking that up.",
        ),
        Topic("code", ("password", "the number i have is"), "Please key in your four digit code, then press hash."),
        Topic("sales", ("sales",), "Our sales team will call you back this afternoon."),
        Topic(
            "support",
            ("support", "something is terribly wrong"),
            "Our support team will call you back within the hour.",
        ),
        Topic("language", ("speak french",), "Très bien, parlons français. Que puis-je faire pour vous ?"),
        Topic("voice", ("another voice",), "This is another voice. Do you like it?"),
        Topic("repeat", ("please try again",), ""),
        Topic("thanks", ("thank you",), "You are welcome. Anything else?"),
        Topic("goodbye", ("goodbye", "thank you for your patience"), "Thank you for calling. Goodbye!"),
    ),
)

FRENCH = Bot(
    name="French",
    slug="FR",
    tag="fr-FR",
    other="en",
    other_voice="female",
    greeting="Bonjour, vous êtes chez Acme. Dites heures, endroit, numéro de téléphone, ou information à propos du "
    "dernier appel.",
    again="Pardon, qu'avez-vous dit ?",
    unknown="Je n'ai pas compris. Vous pouvez dire heures, endroit ou numéro de téléphone.",
    code_again="Tapez votre code à quatre chiffres, puis dièse.",
    code_heard="Merci. Votre code est {code}. Que puis-je faire d'autre pour vous ?",
    topics=(
        Topic("hours", ("heures", "horaires"), "Nous sommes ouverts de neuf heures à dix-sept heures, en semaine."),
        Topic("location", ("endroit", "adresse"), "Nous sommes au 12, rue de la Gare."),
        Topic("telephone", ("numéro de téléphone",), "Notre numéro est le 01 23 45 67."),
        Topic(
            "lookup",
            ("information à propos du dernier appel",),
            "Votre dernier appel date de lundi et a duré trois minutes.",
            waiting="Un instant s'il vous plaît, je cherche.",
        ),
        Topic("code", ("mot de passe", "le numéro est"), "Tapez votre code à quatre chiffres, puis dièse."),
        Topic("sales", ("service commercial",), "Notre service commercial vous rappellera cet après-midi."),
        Topic(
            "support",
            ("assistance", "ça ne fonctionne vraiment pas"),
            "Notre équipe d'assistance vous rappellera dans l'heure.",
        ),
        Topic("language", ("parler anglais",), "All right, let us speak English. What can I do for you?"),
        Topic("voice", ("une autre voix",), "Voici une autre voix. Vous plaît-elle ?"),
        Topic("repeat", ("essayez à nouveau",), ""),
        Topic("thanks", ("merci",), "Je vous en prie. Autre chose ?"),
        Topic("goodbye", ("au revoir", "merci de votre patience"), "Merci de votre appel. Au revoir !"),
    ),
)

BOTS = {"en": ENGLISH, "fr": FRENCH}
BLOCKS = ("menu", "code", "end")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one turn leads to.

    Attributes:
        says: The final answer; with ``waiting``, what is said after it.
        block: Where the conversation is then, one of `BLOCKS`.
        voice: A voice to change to; empty: back to the caller's own.
    """

    says: str
    waiting: str = ""
    block: str = "menu"
    language: str = "en"
    voice: str | None = None
    topic: str = ""


def answer(text: str, *, block: str, language: str, last: str) -> Answer:
    """The bot's answer to what the caller said in a block; ``last``: what it said before."""
    bot = BOTS[language]
    if block == "code":
        code = re.sub(r"\D", "", text)
        if len(code) != 4:
            return Answer(says=bot.code_again, block="code", language=language, topic="code")
        return Answer(says=bot.code_heard.format(code=" ".join(code)), language=language, topic="code heard")
    topic = _topic(bot, text)
    match topic.name if topic else "":
        case "":
            return Answer(says=bot.unknown if text.strip() else bot.again, language=language, topic="unknown")
        case "repeat":
            return Answer(says=last, language=language, topic="repeat")
        case name:
            assert topic is not None
            return Answer(
                says=topic.says,
                waiting=topic.waiting,
                block={"code": "code", "goodbye": "end"}.get(name, "menu"),
                language=bot.other if name == "language" else language,
                voice=bot.other_voice if name == "voice" else "" if name == "language" else None,
                topic=name,
            )


def _topic(bot: Bot, text: str) -> Topic | None:
    """The topic whose words occur in the text, the longest first."""
    said = f" {_plain(text)} "
    found = [(len(words), topic) for topic in bot.topics for words in topic.hears if f" {_plain(words)} " in said]
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _plain(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text.casefold())
    return " ".join(re.sub(r"[^\w\s]", " ", "".join(c for c in letters if not unicodedata.combining(c))).split())
