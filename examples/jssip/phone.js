// A softphone in a page: it calls a bot by SIP over the gateway's WebSocket, with JsSIP and the browser's WebRTC.
"use strict";

const at = (id) => document.getElementById(id);
let phone = null; // the user agent, with its connection
let call = null; // the call that is up, or about to be

function connect(then) {
  const server = at("server").value;
  const ua = new JsSIP.UA({
    sockets: [new JsSIP.WebSocketInterface(server)],
    uri: `sip:${at("user").value}@${new URL(server).hostname}`,
    password: at("password").value,
    register: at("register").checked, // not needed: the gateway takes calls from whoever knows the password
  });
  ua.once(at("register").checked ? "registered" : "connected", then);
  ua.on("registrationFailed", ({ response, cause }) => tell(`Not registered: ${told(cause, response)}`));
  ua.on("disconnected", () => ua === phone && !call && tell("No connection to the gateway"));
  ua.on("newRTCSession", ({ session, originator }) => originator === "local" && follow(session));
  ua.start();
  phone = ua;
}

// A call needs the microphone, and no server to find one's own address: a gateway with a public address is reached
// without, and a STUN server that does not answer costs seconds before each call.
const OPTIONS = { mediaConstraints: { audio: true, video: false }, pcConfig: { iceServers: [] } };

function follow(session) {
  const before = call;
  call = session;
  session.connection.addEventListener("track", ({ track }) => {
    at("heard").srcObject = new MediaStream([track]);
  });
  session.on("progress", () => tell("Ringing"));
  session.on("confirmed", () => tell("Connected"));
  session.on("hold", () => tell("On hold"));
  session.on("unhold", () => tell("Connected"));
  session.on("refer", ({ accept }) => accept(null, { ...OPTIONS })); // the bot puts the caller through: call there
  session.on("failed", ({ message, cause }) => over(session, `Failed: ${told(cause, message)}`, before));
  session.on("ended", ({ originator }) => over(session, originator === "local" ? "You hung up" : "The bot hung up"));
  tell("Calling");
}

function over(session, what, before = null) {
  if (call !== session) return; // the caller was put through, and the other call is up
  call = before && !before.isEnded() ? before : null;
  tell(call ? "Connected" : what);
}

function told(cause, response) {
  return response?.status_code ? `${cause} (${response.status_code})` : cause;
}

function press(key) {
  call?.sendDTMF(key, { transportType: at("keys").value }); // RFC2833: in the audio; INFO: as messages
}

function hold() {
  if (call) call.isOnHold().local ? call.unhold() : call.hold();
}

function hangUp() {
  call?.terminate();
}

function tell(what) {
  at("state").textContent = what;
  document.body.dataset.call = call ? "up" : "none";
}

at("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (call) return;
  phone?.stop(); // of the call before, if there was one: it may have been to elsewhere
  tell("Connecting");
  connect(() => phone.call(at("number").value, OPTIONS));
});
addEventListener("pagehide", hangUp); // else the gateway waits for the page to come back, for `reconnect_grace`
at("hold").addEventListener("click", hold);
at("hangup").addEventListener("click", hangUp);
at("pad").addEventListener("click", ({ target }) => target.dataset.key && press(target.dataset.key));
