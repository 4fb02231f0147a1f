"""Our own binding among all that a registrar returns for an address of record."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.transports.sip.message import NameAddress, SipResponse, SipUri


@dataclass(frozen=True, slots=True)
class Binding:
    """What a binding of ours can be known by.

    Attributes:
        here: Our Contact, as we wrote it.
        instance: Our ``+sip.instance``; empty when we gave none.
        number: Our ``reg-id``.
    """

    here: SipUri
    instance: str = ""
    number: int = 1

    def find(self, contacts: list[NameAddress]) -> NameAddress | None:
        """By instance and number; by our host, also where Asterisk keeps it beside what it sees; and last by user."""
        for is_ours in (self._is_instance, self._is_host, self._is_kept_host, self._is_user):
            found = next((contact for contact in contacts if is_ours(contact)), None)
            if found is not None:
                return found
        return None

    def _is_instance(self, contact: NameAddress) -> bool:
        instance, number = contact.param("+sip.instance"), contact.param("reg-id")
        if not self.instance or instance is None or number not in (None, str(self.number)):
            return False
        return instance.strip("<>").lower() == self.instance.lower()

    def _is_host(self, contact: NameAddress) -> bool:
        return (contact.uri.host, contact.uri.port) == (self.here.host, self.here.port)

    def _is_kept_host(self, contact: NameAddress) -> bool:
        return (contact.uri.param("x-ast-orig-host") or "").lower().partition(":")[0] == self.here.host

    def _is_user(self, contact: NameAddress) -> bool:
        return contact.uri.user == self.here.user


def granted_expiry(answer: SipResponse, ours: Binding) -> float | None:
    """For how long our binding holds, in seconds: its own ``expires`` counts more than the Expires header (RFC 3261
    section 10.3); None when neither says so."""
    own = ours.find(answer.contacts)
    for text in (own.param("expires") if own is not None else None, answer.headers.get("Expires")):
        if text is not None and text.isascii() and text.isdigit() and len(text) < 9 and int(text) > 0:
            return float(text)
    return None
