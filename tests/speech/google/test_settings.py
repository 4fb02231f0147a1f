"""Google's settings, and what is said when its client or its credentials are missing."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import SecretStr, ValidationError

from audio.format import PCMU_8K
from gateway.errors import ConfigError, VendorRejected
from gateway.speech.google.settings import GoogleSpeechSection
from gateway.speech.google.vendor import GoogleSpeech
from gateway.speech_interfaces import ListenSettings, Utterance
from tests.emulators.google_rules import account_key
from tests.emulators.google_speech import GoogleEmulator
from tests.fakes.google_speech import google

SETTINGS = ListenSettings(format=PCMU_8K)

WITHOUT_CLIENT = """
import asyncio, sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("grpc", "google"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocker())
from gateway.errors import ConfigError
from gateway.speech.google.vendor import GoogleSpeech
vendor = GoogleSpeech("google", GoogleSpeech.Section())
assert vendor.recognizer.capabilities.takes_hints and vendor.synthesizer.capabilities.ssml
try:
    asyncio.run(vendor.start())
except ConfigError as error:
    print(error.reason)
"""


def printed(script: str) -> str:
    """What another process prints that runs the script, and nothing else."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    return done.stdout


def test_a_missing_client_is_one_line_that_names_the_command() -> None:
    assert printed(WITHOUT_CLIENT) == "speech.google needs Google's client: pip install 'talkpath[google]'\n"


def test_the_client_is_not_loaded_before_it_is_needed() -> None:
    loaded = "[name for name in sys.modules if name.split('.')[0] in ('grpc', 'google')]"
    assert printed(f"import sys, gateway.speech.google.vendor; print({loaded})") == "[]\n"


@pytest.mark.parametrize("url", ["ftp://x", "http://speech.example.com:80", "https://", "localhost:1", "https://a/b"])
def test_an_endpoint_is_encrypted_or_on_this_machine(url: str) -> None:
    with pytest.raises(ValidationError, match="url"):
        GoogleSpeechSection(url=url)


@pytest.mark.parametrize("key", ["no json", "[]", '{"type": "authorized_user"}'])
def test_credentials_are_the_key_of_a_service_account(key: str) -> None:
    with pytest.raises(ValidationError, match="credentials") as raised:
        GoogleSpeechSection(credentials=SecretStr(key))
    assert key not in str(raised.value)


@pytest.mark.asyncio
async def test_a_key_that_is_none_stops_the_start_and_a_call() -> None:
    vendor = GoogleSpeech("google", GoogleSpeechSection(credentials=SecretStr('{"type": "service_account"}')))
    with pytest.raises(ConfigError, match="no usable credentials"):
        await vendor.start()
    with pytest.raises(VendorRejected, match="no usable credentials"):
        await anext(aiter(vendor.synthesizer.speak(Utterance(text="Hello", plain="Hello"))))
    await vendor.close()


@pytest.mark.asyncio
async def test_version_2_takes_its_project_from_the_key_or_says_that_there_is_none() -> None:
    nameless = SecretStr(account_key().replace('"project_id": "example-project", ', ""))
    emulator = GoogleEmulator(script=())
    async with emulator, google(emulator, api="v2") as vendor, vendor.recognizer.listen(SETTINGS) as stream:
        await stream.finish()
        assert [result async for result in stream.results()] == []
    assert emulator.recognitions[0].opening.recognizer == "projects/example-project/locations/global/recognizers/_"
    async with GoogleEmulator() as emulator, google(emulator, api="v2", credentials=nameless) as vendor:
        with pytest.raises(VendorRejected, match="needs a project"):
            async with vendor.recognizer.listen(SETTINGS):
                pass
