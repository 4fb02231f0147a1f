"""What an operator writes for a language model."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from config.base import Section
from config.bots import BotSection

ToolName = Literal["transfer_call", "end_call", "collect_digits", "offer_choices", "press_keys", "send_link"]


def _http(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    return url.rstrip("/")


class HttpTool(Section):
    """A tool of your own: what the model fills in is posted as JSON, what comes back is what the model reads."""

    description: str
    """What it does and when to use it; the model goes by that."""
    url: Annotated[str, AfterValidator(_http)]
    """Where it is posted."""
    parameters: dict[str, Any] = Field(default_factory=lambda: {"type": "object", "properties": {}})
    """A JSON Schema of what the model fills in."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """Headers of the request, such as a key."""
    timeout: float = Field(default=10.0, gt=0, le=60)
    """Seconds it may take; the caller hears the waiting message meanwhile."""


class OpenAiBotSection(BotSection):
    """A language model behind a chat completions endpoint: OpenAI's own, or any server of the same shape."""

    backend: Literal["openai"] = "openai"
    url: Annotated[str, AfterValidator(_http)] = "https://api.openai.com/v1"
    """The endpoint's address without `/chat/completions`."""
    api_key: SecretStr | None = None
    """Sent as `Authorization: Bearer ...`."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """Further headers, for a proxy or a gateway in front of the model."""
    model: str
    """Name of the model."""
    instructions: str
    """The system message. What the telephone needs is added to it, unless `telephone_rules` is off."""
    telephone_rules: bool = True
    """Tell the model that it is spoken aloud: short sentences, no lists, no markup, numbers in words."""
    greeting: str | None = None
    """The first words of the call. Unset: the model greets."""
    temperature: float | None = Field(default=None, ge=0, le=2)
    """As the endpoint takes it; unset: not sent."""
    max_tokens: int | None = Field(default=None, ge=16, le=32_000)
    """Most tokens of an answer; unset: not sent."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Further fields of the request, as the endpoint takes them, such as `reasoning_effort: low`."""
    stream: bool = True
    """Answers are spoken while they are written. Off, for endpoints that cannot."""
    tools: tuple[ToolName, ...] = ("transfer_call", "end_call", "collect_digits", "offer_choices")
    """What the model may do in the call. `transfer_call` needs `transfers`."""
    transfers: dict[str, str] = Field(default_factory=dict)
    """Where callers may be sent: names the model understands, and their targets, which the number's `transfer.allow`
    must match."""
    http_tools: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")], HttpTool] = Field(default_factory=dict)
    """Tools of your own."""
    history: int = Field(default=24_000, ge=1000, le=1_000_000)
    """Most characters of the conversation that are sent; the oldest turns are left out, the instructions never."""
    no_input_text: str = "(no answer)"
    """What the model is told when the caller stays silent to the end. Needs `no_input: {then: event}` of the number."""
    connect_timeout: float = Field(default=3.0, gt=0, le=30)
    """Seconds for the connection."""
    timeout: float = Field(default=20.0, gt=0, le=120)
    """Seconds until the answer begins, and between two pieces of it."""

    @model_validator(mode="after")
    def _tools_are_distinct(self) -> Self:
        taken = set(self.tools) & set(self.http_tools)
        if taken:
            raise PydanticCustomError("http_tools", "{names} is a tool of ours", {"names": ", ".join(sorted(taken))})
        return self
