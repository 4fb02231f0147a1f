// A call from this page: WebRTC to the gateway, signalled by one request (WHIP, RFC 9725). What was said is read from
// the call's live record.

import { Meter } from "./meter.js";
import { transcript } from "./transcript.js";
import { clock, el, page, show, tell } from "./view.js";

const GATHER_MS = 2000; // for ICE candidates; a host's own are there at once
const POLL_MS = 350;
const LOST_MS = 8000; // without connection, after which the call is given up
const LOUD = 0.02; // of full scale: sound, rather than noise
const BAR_MS = 50; // that one bar of a meter stands for

const api = (path) => new URL(`./api/${path}`, location.href);

const STATES = {
  ringing: "Ringing", speaking: "Bot speaks", thinking: "Bot thinks", hearing: "Hears you", finishing: "Hears you",
  closing: "Hears you", digits: "Reads your keys", transferring: "Transferring", held: "On hold", ending: "Ending",
  stopping: "Stopping", paused: "Listening", gap: "Listening", idle: "Listening", listening: "Listening", over: "Over",
};
const ENDINGS = {
  transferred: "The call was transferred. A call from a browser cannot follow.",
  no_input: "The gateway hung up because it heard nothing for too long.",
  bot_failed: "The bot failed, and the gateway ended the call. Its log says why.",
  leg_failed: "The connection to this page broke.",
  too_long: "The call reached the longest time that is allowed.",
  operator: "An operator ended the call.",
  internal_error: "Something is broken in the gateway; its log says what.",
};
const REFUSALS = {
  full: "All lines are busy: the gateway has as many calls as it may. Try again in a moment.",
  draining: "The gateway is about to stop and takes no new calls.",
  unknown_number: "There is no entry for this number in the configuration.",
  busy: "People answer this number now, not the bot.",
  too_many: "Too many calls from your address within a minute. Wait a little.",
  token: "The permission for this call was too old. Try again.",
  sdp: "This browser and the gateway have no kind of audio in common.",
  failure: "The gateway could not take the call. Its log says why.",
};

export class Trouble extends Error {} // its message is for the person before the page

// --- one call ------------------------------------------------------------------------------------------------------
export class Call {
  // over: called once, when it is.
  constructor(number, caller, over) {
    this.number = number;
    this.caller = caller;
    this.over = over;
    this.clicked = performance.now();
    this.since = null; // when it was up
    this.isOver = false;
    this.id = null; // in the gateway's records
    this.timers = [];
    this.meters = [];
    this.keys = [];
  }

  async start() {
    this.microphone = await microphone();
    this.require();
    this.note("microphone");
    show("state", "Calling", "");
    const peer = (this.peer = new RTCPeerConnection({ bundlePolicy: "max-bundle" }));
    peer.addEventListener("track", (event) => this.hear(event));
    peer.addEventListener("connectionstatechange", () => this.changed());
    const [track] = this.microphone.getAudioTracks();
    track.addEventListener("ended", () => this.end("The microphone is gone.", true));
    this.sender = peer.addTrack(track, this.microphone);
    this.sound = new AudioContext();
    this.meters.push(new Meter(el("you"), this.sound, this.microphone));
    await peer.setLocalDescription();
    await gathered(peer);
    this.require();
    this.note("gathered");
    const answer = await this.signal(peer.localDescription.sdp);
    this.require();
    this.note("answered");
    await peer.setRemoteDescription({ type: "answer", sdp: answer });
    this.timers.push(setInterval(() => this.poll(), POLL_MS), setInterval(() => this.tick(), BAR_MS));
  }

  // The offer goes out, the answer comes back; and with it the address at which the call is ended.
  async signal(offer) {
    const invited = await request(api("browser/token"), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ number: this.number, from: this.caller }),
    });
    if (!invited.ok) throw new Trouble(await refusal(invited));
    const { token, url } = await invited.json();
    this.token = token;
    const answered = await request(new URL(url, invited.url), {
      method: "POST",
      headers: { "Content-Type": "application/sdp", Authorization: `Bearer ${token}` },
      body: offer,
    });
    if (answered.status !== 201) throw new Trouble(await refusal(answered));
    this.session = new URL(answered.headers.get("Location"), answered.url);
    return answered.text();
  }

  // Milliseconds since the click, on the page for whoever measures.
  note(what) {
    const name = `${what}Ms`;
    page.dataset[name] = page.dataset[name] || String(Math.round(performance.now() - this.clicked));
  }

  // The call may have been given up while something was waited for.
  require() {
    if (this.isOver) throw new Trouble("");
  }

  hear(event) {
    const stream = event.streams[0] || new MediaStream([event.track]);
    el("heard").srcObject = stream; // also what makes the browser decode it
    el("heard").play().catch(() => {});
    this.meters.push(new Meter(el("bot"), this.sound, stream));
  }

  changed() {
    if (this.isOver) return;
    const state = this.peer.connectionState;
    clearTimeout(this.patience);
    if (state === "connected") {
      this.since = this.since || performance.now();
      this.note("connected");
      page.dataset.call = "up";
      show("state", "Connected", "good");
    } else if (state === "disconnected") {
      show("state", "Connection interrupted", "bad");
      this.patience = setTimeout(() => this.end("The network connection to the gateway was lost.", true), LOST_MS);
    } else if (state === "failed" || state === "closed") {
      this.closed();
    }
  }

  // Either the gateway has hung up, which its record then says, or no way was found through the network.
  async closed() {
    if (this.since === null) {
      this.end(
        "The gateway answered, but no audio gets through. A firewall may block its UDP ports, or the address it " +
          "tells browsers (media.announce) is wrong.", true);
      return;
    }
    const record = await this.record();
    if (record && record.state === "over") this.ended(record);
    else this.end("The connection to the gateway broke.", true);
  }

  press(key) {
    const dtmf = this.sender && this.sender.dtmf;
    if (!dtmf || !dtmf.canInsertDTMF) return;
    dtmf.insertDTMF(dtmf.toneBuffer + key, 120, 70);
    this.keys.push(key);
    el("pressed").textContent = this.keys.slice(-12).join("");
    const button = document.querySelector(`[data-key="${key}"]`);
    button.classList.add("down");
    setTimeout(() => button.classList.remove("down"), 150);
  }

  mute() {
    const [track] = this.microphone ? this.microphone.getAudioTracks() : [];
    if (!track) return;
    track.enabled = !track.enabled;
    el("mute").setAttribute("aria-pressed", String(!track.enabled));
    el("mute").querySelector("span").textContent = track.enabled ? "Mute" : "Unmute";
    el("you").classList.toggle("muted", !track.enabled);
  }

  tick() {
    for (const meter of this.meters) meter.draw();
    const bot = this.meters[1];
    if (bot && bot.level > LOUD) this.note("heard");
    if (this.since !== null) el("length").textContent = clock((performance.now() - this.since) / 1000);
  }

  // --- its record ---
  async record() {
    try {
      if (this.id === null) {
        const leg = this.session.pathname.split("/").pop();
        const found = await fetch(api(`calls?leg_id=${leg}`));
        if (!found.ok) return null;
        const [mine] = await found.json();
        if (!mine) return null;
        this.id = mine.call_id;
      }
      const answer = await fetch(api(`calls/${this.id}`));
      this.isLoggedOut = answer.status === 401;
      return answer.ok ? await answer.json() : null;
    } catch {
      return null; // the network's trouble shows in the connection itself
    }
  }

  async poll() {
    if (this.isPolling) return;
    this.isPolling = true;
    const record = await this.record();
    this.isPolling = false;
    if (this.isLoggedOut) tell("Your login is over: the call goes on, but the page cannot show it. Log in again after it.");
    if (!record) return;
    transcript.show(record);
    if (this.isOver) return;
    if (record.state === "over") this.ended(record);
    else if (this.since !== null && this.peer.connectionState === "connected") {
      show("state", STATES[record.state] || record.state, record.state === "speaking" ? "good" : "");
    }
  }

  // The gateway says so itself.
  ended(record) {
    this.isEnded = true;
    transcript.show(record);
    const failed = ["bot_failed", "leg_failed", "internal_error"].includes(record.result);
    const by = record.by === "caller" ? "You hung up." : "The bot hung up.";
    this.end(ENDINGS[record.result] || by, failed);
  }

  // --- its end ---
  hangUp() {
    this.end("You hung up.", false);
  }

  end(sentence, isTrouble) {
    if (this.isOver) return;
    this.isOver = true;
    clearTimeout(this.patience);
    this.timers.forEach(clearInterval);
    this.leave();
    if (this.peer) this.peer.close();
    if (this.microphone) this.microphone.getTracks().forEach((track) => track.stop());
    if (this.sound) this.sound.close();
    el("heard").srcObject = null;
    const spoken = this.since === null ? 0 : (performance.now() - this.since) / 1000;
    if (isTrouble) tell(sentence);
    if (!isTrouble || spoken) transcript.close(sentence, spoken);
    this.over();
    if (this.session) setTimeout(() => this.last(), 700);
  }

  leave() {
    if (!this.session || this.isEnded) return;
    const headers = { Authorization: `Bearer ${this.token}` };
    fetch(this.session, { method: "DELETE", headers, keepalive: true }).catch(() => {});
  }

  // What the record has got to say when all is over.
  async last() {
    const record = await this.record();
    if (page.dataset.call !== "over") return; // the next one has begun
    if (record) transcript.show(record);
    if (this.id !== null) {
      el("record").href = `./calls/${encodeURIComponent(this.id)}`;
      el("record").hidden = false;
    }
  }
}

async function microphone() {
  if (!window.isSecureContext || !navigator.mediaDevices) {
    throw new Trouble("Browsers give the microphone only to pages that came by https, or from this very machine.");
  }
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    });
  } catch (error) {
    if (error.name === "NotFoundError") throw new Trouble("No microphone was found. Connect one and try again.");
    if (error.name === "NotAllowedError") {
      throw new Trouble("The microphone is not allowed. Allow it for this page, beside the address, and try again.");
    }
    if (error.name === "NotReadableError") throw new Trouble("The microphone is there, but another program holds it.");
    throw new Trouble(`The microphone cannot be used: ${error.message}`);
  }
}

function gathered(peer) {
  if (peer.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((done) => {
    setTimeout(done, GATHER_MS);
    peer.addEventListener("icegatheringstatechange", () => peer.iceGatheringState === "complete" && done());
  });
}

async function request(url, options) {
  try {
    return await fetch(url, options);
  } catch {
    throw new Trouble("The gateway cannot be reached. Is it running, and is the network there?");
  }
}

async function refusal(answer) {
  let told = {};
  try {
    told = await answer.json();
  } catch {
    // something in between has answered
  }
  if (told.reason in REFUSALS) return REFUSALS[told.reason];
  if (answer.status === 401) return "Your login is over. Load the page again and log in.";
  return told.error ? `The gateway refuses: ${told.error}.` : `The gateway refuses with status ${answer.status}.`;
}
