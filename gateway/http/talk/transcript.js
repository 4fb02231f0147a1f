// The conversation so far, from the call's live record: who said what, and where the time of each answer went.

import { clock, el, make, scrollDown, span, svg } from "./view.js";

export const transcript = {
  shown: new Map(),
  ending: null, // the last line, once the call is over

  clear() {
    this.shown.clear();
    this.ending = null;
    el("talk").replaceChildren();
    el("empty").hidden = false;
    el("legend").hidden = true;
    el("record").hidden = true;
  },

  show(record) {
    const turns = record.exchange.map((turn) => ({ at: turn.at.asked ?? 0, key: `t${turn.turn}`, turn }));
    const said = record.said.map((said, index) => ({ at: said.at - said.seconds, key: `s${index}`, said }));
    const entries = [...turns, ...said.filter((entry) => entry.said.text)].sort((a, b) => a.at - b.at);
    if (record.saying) entries.push({ key: `s${record.said.length}`, said: { text: record.saying, result: "now" } });
    const longest = Math.max(0.001, ...record.exchange.map((turn) => turn.answer_seconds || 0));
    const before = el("talk").scrollHeight;
    const items = entries.map((entry) => this.item(entry, longest));
    this.place(this.ending ? [...items, this.ending] : items);
    el("empty").hidden = el("talk").children.length > 0;
    el("legend").hidden = !record.exchange.some((turn) => turn.answer_seconds !== null);
    if (el("talk").scrollHeight !== before) scrollDown();
  },

  // Elements that have not changed stay, so that a screen reader says only what is new.
  item(entry, longest) {
    const wanted = JSON.stringify([entry, longest]);
    const known = this.shown.get(entry.key);
    if (known && known.wanted === wanted) return known.item;
    const item = known ? known.item : document.createElement("li");
    item.replaceChildren();
    if (entry.turn) this.turn(item, entry.turn, longest);
    else this.prompt(item, entry.said);
    this.shown.set(entry.key, { wanted, item });
    return item;
  },

  place(items) {
    const list = el("talk");
    items.forEach((item, index) => {
      if (list.children[index] !== item) list.insertBefore(item, list.children[index] || null);
    });
    while (list.children.length > items.length) list.lastChild.remove();
  },

  turn(item, turn, longest) {
    const words = {
      start: null, no_input: "Nothing was heard", transfer_failed: "The transfer failed", recording: "A message was left",
    };
    if (turn.kind in words) {
      item.className = "note";
      if (words[turn.kind]) item.append(words[turn.kind]);
    } else {
      item.className = "you";
      const isKeys = turn.kind === "digits";
      const text = turn.caller || (turn.masked ? "(kept secret)" : "…");
      item.append(make("span", "who", isKeys ? "You pressed" : "You"), make("div", isKeys ? "bubble digits" : "bubble", text));
    }
    if (turn.answer_seconds !== null) item.append(took(turn, longest));
    item.hidden = !item.hasChildNodes();
  },

  prompt(item, said) {
    item.className = said.result === "now" ? "bot now" : "bot";
    const who = said.result === "now" ? "Bot, speaking" : said.result === "stopped" ? "Bot, interrupted" : "Bot";
    item.append(make("span", "who", who), make("div", "bubble", said.text));
  },

  close(sentence, seconds) {
    if (!sentence) return;
    el("empty").hidden = true;
    this.ending = make("li", "note", seconds ? `${sentence} ${clock(seconds)} min.` : sentence);
    el("talk").append(this.ending);
    scrollDown();
  },
};

function took(turn, longest) {
  const seconds = turn.answer_seconds;
  const stages = Object.entries(turn.stages);
  const line = make("div", "took", "");
  line.append(make("span", "", turn.kind === "start" ? "First words after" : "Answered after"), make("b", "", span(seconds)));
  const drawing = svg("svg", { viewBox: "0 0 1000 10", preserveAspectRatio: "none", role: "img" });
  drawing.setAttribute("aria-label", stages.map(([name, spent]) => `${name} ${span(spent)}`).join(", "));
  const title = svg("title", {});
  title.textContent = drawing.getAttribute("aria-label");
  drawing.append(title);
  let x = 0;
  for (const [name, spent] of stages) {
    const width = (spent / longest) * 1000;
    drawing.append(svg("rect", { class: name, x, y: 0, width, height: 10 }));
    x += width;
  }
  line.append(drawing);
  return line;
}
