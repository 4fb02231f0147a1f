"""SIPp scenarios, put together from steps: `scenario(invite("ulaw"), answered(), play(file), pause(3), *bye())`."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import quoteattr

from tools.asterisk.media import PAYLOAD_TYPES, Codec
from tools.peers.talk import EVENT_TYPE

FIRST_BRANCH = "z9hG4bK[pid]x[call_number]"
"""Of the first INVITE, of the CANCEL for it, and of the ACK when it is refused."""
NEW_TARGET = "[$there]"  # SIPp itself stays with the first one
HEAD = '<?xml version="1.0" encoding="ISO-8859-1" ?>\n<!DOCTYPE scenario SYSTEM "sipp.dtd">\n'


def scenario(*steps: str, name: str = "talkpath") -> str:
    return f"{HEAD}<scenario name={quoteattr(name)}>\n" + "\n".join(steps) + "\n</scenario>\n"


def sdp(codec: Codec, *, direction: str = "sendrecv", version: int = 1) -> str:
    kind = PAYLOAD_TYPES[codec]
    return "\n".join(
        (
            "v=0",
            f"o=- 4711 {version} IN IP[local_ip_type] [local_ip]",
            "s=-",
            "c=IN IP[media_ip_type] [media_ip]",
            "t=0 0",
            f"m=audio [media_port] RTP/AVP {kind.number} {EVENT_TYPE}",
            f"a=rtpmap:{kind.number} {kind.name}/8000",
            f"a=rtpmap:{EVENT_TYPE} telephone-event/8000",
            f"a=fmtp:{EVENT_TYPE} 0-15",
            "a=ptime:20",
            f"a={direction}",
        )
    )


def _send(text: str, attributes: str = "") -> str:
    return f"<send{attributes}><![CDATA[\n\n{text}\n\n]]></send>"


def _request(method: str, cseq: int, *, to_tag: bool, extra: str = "", body: str = "", branch: str = "[branch]") -> str:
    """``to_tag``: within the dialog, on its route."""
    target = "[next_url]" if to_tag else "sip:[service]@[remote_ip]:[remote_port];transport=[transport]"
    lines = [
        f"{method} {target} SIP/2.0",
        f"Via: SIP/2.0/[transport] [local_ip]:[local_port];branch={branch}",
        "Max-Forwards: 70",
        "From: <sip:[caller]@[local_ip]>;tag=[pid]t[call_number]",
        "To: <sip:[service]@[remote_ip]>" + ("[peer_tag_param]" if to_tag else ""),
        "Call-ID: [call_id]",
        f"CSeq: {cseq} {method}",
        "Contact: <sip:[caller]@[local_ip]:[local_port];transport=[transport]>",
        *(["[routes]"] if to_tag else []),
        *(extra.splitlines()),
        *([] if "Content-Type" in extra or not body else ["Content-Type: application/sdp"]),
        "Content-Length: [len]",
        "",
        body,
    ]
    return "\n".join(lines)


# --- what the caller sends -----------------------------------------------------------------------------------------
def invite(codec: Codec = "ulaw", *, attributes: str = ' retrans="500"') -> str:
    return _send(_request("INVITE", 1, to_tag=False, body=sdp(codec), branch=FIRST_BRANCH), attributes)


def ack(cseq: int = 1) -> str:
    return _send(_request("ACK", cseq, to_tag=True))


def ack_refusal(attributes: str = "") -> str:
    text = _request("ACK", 1, to_tag=False, branch=FIRST_BRANCH)
    return _send(text.replace("To: <sip:[service]@[remote_ip]>", "[last_To:]"), attributes)


def bye(cseq: int = 9, target: str = "[next_url]") -> tuple[str, str]:
    text = _request("BYE", cseq, to_tag=True).replace("[next_url]", target)
    return _send(text, ' retrans="500"'), receive(200)


def info(key: str, cseq: int) -> tuple[str, str]:
    body = f"Signal={key}\nDuration=160"
    text = _request("INFO", cseq, to_tag=True, extra="Content-Type: application/dtmf-relay", body=body)
    return _send(text, ' retrans="500"'), receive(200)


def reinvite(codec: Codec, direction: str, cseq: int, version: int) -> tuple[str, ...]:
    """Hold and resume; the answer is received and acknowledged."""
    text = _request("INVITE", cseq, to_tag=True, body=sdp(codec, direction=direction, version=version))
    return _send(text, ' retrans="500"'), receive(100, optional=True), receive(200, routes=True), ack(cseq)


def cancel(attributes: str = "") -> str:
    return _send(_request("CANCEL", 1, to_tag=False, branch=FIRST_BRANCH), attributes)


def reply(status: str, extra: str = "", body: str = "") -> str:
    """To the request received last."""
    copied = ("Via", "Record-Route", "From", "To", "Call-ID", "CSeq")
    contact = "Contact: <sip:[caller]@[local_ip]:[local_port];transport=[transport]>"
    kind = ["Content-Type: application/sdp"] if body else []
    lines = [f"SIP/2.0 {status}", *(f"[last_{name}:]" for name in copied), contact, *extra.splitlines(), *kind]
    return _send("\n".join([*lines, "Content-Length: [len]", "", body]))


def reinvited(codec: Codec, version: int) -> tuple[str, str, str]:
    """The other side offers again, and we take it; `NEW_TARGET` is where it says it is.

    What it tells its registrar to prove who it is, is not for us.
    """
    secret = '<ereg regexp="Authorization:" search_in="msg" check_it_inverse="true" assign_to="secret"/>'
    where = '<ereg regexp="sip:[^>]*" search_in="hdr" header="Contact:" check_it="true" assign_to="there"/>'
    used = '<Reference variables="there,secret"/>'
    offer = f'<recv request="INVITE" timeout="40000"><action>{where}{secret}</action></recv>\n{used}'
    return offer, reply("200 OK", body=sdp(codec, version=version)), request("ACK")


def notify(status: str, state: str, cseq: int) -> tuple[str, str]:
    """What became of a REFER (RFC 3515)."""
    extra = f"Event: refer\nSubscription-State: {state}\nContent-Type: message/sipfrag;version=2.0"
    text = _request("NOTIFY", cseq, to_tag=True, extra=extra, body=f"SIP/2.0 {status}")
    return _send(text, ' retrans="500"'), receive(200)


# --- what it waits for ---------------------------------------------------------------------------------------------
def receive(status: int, *, optional: bool = False, routes: bool = False, timeout: float = 15.0) -> str:
    extra = ' optional="true"' if optional else f' timeout="{round(1000 * timeout)}"'
    return f'<recv response="{status}"{extra}{" rrs=" + quoteattr("true") if routes else ""}></recv>'


def answered(pattern: str = "") -> str:
    """Ringing or not, then 200, acknowledged; ``pattern``: what must be in the answer."""
    waits = [receive(100, optional=True), receive(180, optional=True), receive(183, optional=True)]
    last = _with('search_in="msg"', 'response="200" rrs="true" timeout="15000"', pattern) if pattern else ""
    return "\n".join([*waits, last or receive(200, routes=True), ack()])


def refused(status: int, header: str = "") -> str:
    """``header``: that must be there, with a number in it."""
    waits = [receive(100, optional=True), receive(180, optional=True)]
    last = _with(_header(header), f'response="{status}" timeout="15000"', "[0-9]+") if header else receive(status)
    return "\n".join([*waits, last, ack_refusal()])


def request(method: str, timeout: float = 40.0) -> str:
    return f'<recv request="{method}" timeout="{round(1000 * timeout)}"></recv>'


def referred_to(target: str) -> str:
    """Wait for a REFER to an address."""
    return _with(_header("Refer-To"), 'request="REFER" timeout="40000"', target.replace(".", "[.]"))


def _header(name: str) -> str:
    return f'search_in="hdr" header="{name}:"'


def _with(where: str, attributes: str, pattern: str) -> str:
    """A message that has to match."""
    check = f'<ereg regexp={quoteattr(pattern)} {where} check_it="true" assign_to="found"/>'
    return f'<recv {attributes}><action>{check}</action></recv>\n<Reference variables="found"/>'


def until_bye() -> tuple[str, str]:
    return request("BYE"), reply("200 OK")


# --- what happens meanwhile ----------------------------------------------------------------------------------------
def play(file: Path) -> str:
    """Play a pcap file, while the scenario goes on."""
    return f"<nop><action><exec play_pcap_audio={quoteattr(str(file))}/></action></nop>"


def pause(seconds: float) -> str:
    return f'<pause milliseconds="{round(1000 * seconds)}"/>'


def cancel_race(longest: float) -> tuple[str, ...]:
    """Give up while the call is being answered: either is right, and both sides must agree on it.

    SIPp throws away what comes while it pauses, so it has to be told not to mind: the answer comes again.
    """
    is_cancel = '<ereg regexp="CANCEL" search_in="hdr" header="CSeq:" assign_to="given_up"/>'
    return (
        invite(attributes=""),
        receive(100),
        f'<pause distribution="uniform" min="0" max="{round(1000 * longest)}"/>',
        cancel(),
        f'<recv response="200" rrs="true" timeout="8000"><action>{is_cancel}</action></recv>',
        '<nop test="given_up" next="given_up"/>',
        receive(200),
        '<nop next="up"/>',
        '<label id="given_up"/>',
        '<recv response="200" optional="true" rrs="true" next="up"></recv>',
        receive(487),
        ack_refusal(' next="over"'),
        '<label id="up"/>',
        ack(),
        *bye(),
        '<label id="over"/>',
        pause(0.01),
    )


IGNORE_UNEXPECTED = ("-default_behaviors", "all,-abortunexp")
