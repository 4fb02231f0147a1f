// The page that calls: what is chosen, pressed and shown. No part of it comes from elsewhere.

import { Call, Trouble } from "./call.js";
import { transcript } from "./transcript.js";
import { el, page, scrollDown, show, tell } from "./view.js";

let call = null; // the one that is up, or being made

const chosen = () => document.querySelector("input[name=number]:checked");

function chose() {
  const choice = chosen();
  const prefix = choice ? choice.dataset.prefix : undefined;
  el("typed").hidden = prefix === undefined;
  if (prefix !== undefined && !el("number").value.startsWith(prefix)) el("number").value = prefix;
  remember("number", choice ? choice.value : "");
}

async function dial(event) {
  event.preventDefault();
  const choice = chosen();
  if (call !== null || !choice) return;
  const isTyped = choice.dataset.prefix !== undefined;
  const number = isTyped ? el("number").value.trim() : choice.value;
  tell("");
  if (!number || (isTyped && number === choice.dataset.prefix)) {
    tell("Write the number that you want to call.");
    el("number").focus();
    return;
  }
  remember("caller", el("caller").value.trim());
  const mine = (call = new Call(number, el("caller").value.trim(), finished));
  begun(number);
  try {
    await mine.start();
  } catch (error) {
    const sentence = error instanceof Trouble ? error.message : `This browser cannot call: ${error.message}`;
    mine.end(sentence, Boolean(sentence));
  }
}

function begun(number) {
  page.dataset.call = "starting";
  for (const name of Object.keys(page.dataset)) if (name.endsWith("Ms")) delete page.dataset[name];
  transcript.clear();
  el("dial").hidden = true;
  el("up").hidden = false;
  el("with").textContent = number;
  el("length").textContent = "0:00";
  el("pressed").textContent = "";
  el("mute").setAttribute("aria-pressed", "false");
  el("mute").querySelector("span").textContent = "Mute";
  el("you").classList.remove("muted");
  show("state", "Asking for the microphone", "");
  el("hangup").focus();
}

function finished() {
  call = null;
  page.dataset.call = "over";
  el("up").hidden = true;
  el("dial").hidden = false;
  el("call").focus();
}

function typed(event) {
  if (call === null || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (/^[0-9*#]$/.test(event.key)) call.press(event.key);
  else if (event.key === "m" || event.key === "M") call.mute();
  else if (event.key === "Escape") call.hangUp();
  else return;
  event.preventDefault();
}

function remember(name, value) {
  try {
    localStorage.setItem(`talkpath ${name}`, value);
  } catch {
    // a browser that keeps nothing
  }
}

function remembered(name) {
  try {
    return localStorage.getItem(`talkpath ${name}`) || "";
  } catch {
    return "";
  }
}

function ready() {
  el("dial").addEventListener("submit", dial);
  el("numbers").addEventListener("change", chose);
  el("hangup").addEventListener("click", () => call && call.hangUp());
  el("mute").addEventListener("click", () => call && call.mute());
  document.addEventListener("keydown", typed);
  document.querySelectorAll("[data-key]").forEach((button) =>
    button.addEventListener("click", () => call && call.press(button.dataset.key)));
  addEventListener("pagehide", () => call && call.hangUp());
  addEventListener("resize", scrollDown);
  const before = [...document.querySelectorAll("input[name=number]")].find((it) => it.value === remembered("number"));
  if (before) before.checked = true;
  el("caller").value = remembered("caller");
  if (el("caller").value) document.querySelector("details").open = true;
  chose();
  if (innerWidth < 832) el("keypad").open = false; // there, the conversation needs the room
  page.dataset.call = "none";
  if (page.dataset.ready === "no") el("call").disabled = true;
  else if (!window.isSecureContext) {
    tell("Browsers give the microphone only to pages that came by https, or from this very machine. Open this page by https.");
    el("call").disabled = true;
  } else if (!window.RTCPeerConnection) {
    tell("This browser has no WebRTC, so it cannot call.");
    el("call").disabled = true;
  }
}

ready();
