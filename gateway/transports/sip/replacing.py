"""Calls that take the place of others (RFC 3891): of ours, by their INVITE; of theirs, by our REFER (RFC 5589)."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

from gateway.transports.sip.call_state import Call, CallState
from gateway.transports.sip.context import Context
from gateway.transports.sip.errors import SipParseError
from gateway.transports.sip.message import SipRequest, SipUri
from gateway.transports.sip.replaces import NO_TAG, Replaces, replaces_of

BAD_REQUEST, NO_SUCH_CALL, BUSY, DECLINED = 400, 481, 486, 603


def replaced_by(context: Context, invite: SipRequest) -> Call | int | None:
    """Whose place a call wants to take (RFC 3891 section 3): None: nobody's; or the status of its refusal.

    Nothing is said of who may do that: whoever may call, and knows our tag.
    """
    try:
        wanted = replaces_of(invite.headers)
    except SipParseError:
        return BAD_REQUEST
    if wanted is None:
        return None
    call = context.named(wanted.call_id, wanted.to_tag)
    if call is None or call.dialog is None or (call.dialog.remote.tag or NO_TAG) != wanted.from_tag:
        return NO_SUCH_CALL
    match call.state:
        case CallState.ANSWERED | CallState.UP if not call.wants_bye:
            return BUSY if wanted.is_early_only else call
        case CallState.OFFERED | CallState.CALLING:
            return NO_SUCH_CALL  # early, and not begun by us
        case _:
            return DECLINED


def invitation_to_replace(call: Call) -> SipUri | None:
    """Whom to refer somebody else to, so that he takes our place in a call that is up; None where that cannot be done.

    The address is the one that was called, by which others find the way, unless the Contact is known to lead there from
    everywhere (a GRUU, RFC 5627): by itself it may be one behind NAT (RFC 5589 section 6).
    """
    dialog = call.dialog
    if call.state is not CallState.UP or dialog is None or "replaces" not in call.peer_supports:
        return None
    called = call.calling.request.uri if call.calling is not None else dialog.target
    address = dialog.target if dialog.target.param("gr") is not None else called
    named = Replaces(dialog.call_id, dialog.remote.tag or NO_TAG, dialog.local.tag or NO_TAG)
    return replace(address, headers=(("Replaces", quote(str(named), safe="")),))


def can_be_sent_to_another_call(call: Call) -> bool:
    """Whether the peer says that it takes a REFER and can replace the call that this one names; and no REFER is open,
    for it would be the last one to be told of."""
    takes_refer = not call.peer_allows or "REFER" in call.peer_allows
    is_free = call.refer is None or call.refer.is_over
    return call.state is CallState.UP and is_free and takes_refer and "replaces" in call.peer_supports
