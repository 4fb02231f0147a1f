// Small things that every part of the page needs.

export const el = (id) => document.getElementById(id);
export const page = document.querySelector("main.talk");
export const make = (tag, style, text) => {
  const made = document.createElement(tag);
  if (style) made.className = style;
  made.textContent = text;
  return made;
};
export const svg = (tag, attributes) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  return made;
};
export const span = (seconds) => (seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`);
export const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
export const scrollDown = () => {
  const box = document.querySelector(".scroll");
  box.scrollTop = box.scrollHeight;
};


export function show(id, text, mood) {
  el(id).textContent = text;
  el(id).className = `pill ${mood}`;
}

export function tell(sentence) {
  el("problem").textContent = sentence;
  el("problem").hidden = !sentence;
}
