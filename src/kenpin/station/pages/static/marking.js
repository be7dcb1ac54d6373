// Boxes and regions over the zoomable picture: shown on a part's page, drawn and corrected in a review, also by keys alone.

import { pressed } from "./marking_keys.js";
import { around, bounded, follow, grips, moved, pulled, shape } from "./marks_view.js";
import { countMarks, showView } from "./views.js";

const NEAR = 10; // pixels of the screen within which a click means a corner that is there
const HISTORY = 100;

const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
const shown = (value) => `${Math.round(value * 10) / 10}`;
const focusOn = (element) => element.focus({ preventScroll: true });

class Editor {
  marks = []; // { kind: "box" or "region", at, label, isProposal, on }, and how each is drawn; on: a view, or null
  chosen = null;
  corner = -1; // the chosen region's corner that arrows move
  armed = null; // what the next drag or click draws: "box", "region" or null
  pending = null; // the mark that is being drawn
  cross = [0, 0]; // where the next corner of a region goes
  grip = null; // what the pointer holds
  history = [];
  lastMoved = null; // so that a row of arrows is one change
  lastLabel = null;
  held = 0;
  view = { x: 0, y: 0, scale: 1 };

  constructor(place) {
    const given = JSON.parse(place.dataset.marking), task = place.closest("[data-review]");
    const { sizes, names, classes, most, mostCorners } = given;
    Object.assign(this, { place, sizes, names, classes, most, mostCorners, on: this.viewShown(place) });
    this.input = task.querySelector('input[name="marks"]');
    this.tools = task.querySelector(".marking");
    this.words = JSON.parse(this.tools.dataset.words);
    [this.list, this.ofChosen, this.select, this.told] = ["list", "chosen", "class", "told"].map((name) => this.tools.querySelector(`[data-mark-${name}]`));
    for (const [value, text] of [["", this.words.none], ...given.classes.map((name) => [name, name])]) this.select?.append(new Option(text, value));
    this.svg = shape("svg", { class: "marks editing", "aria-hidden": "true" });
    this.frame = shape("g", {}, this.svg);
    this.handles = shape("g", {}, this.frame);
    this.restore([...given.proposals.map((one) => this.read(one, true)), ...given.drafts.map((one) => this.read(one, false))]);
    follow(place.viewer, this.svg, this.frame, () => this.size[0], (view) => { this.view = view; this.drawHandles(); });
    this.listen();
    this.tools.hidden = false;
  }

  read({ label, box, corners, view = null }, isProposal) {
    return { kind: box ? "box" : "region", at: box ?? corners, label: this.classes.includes(label) ? label : null, isProposal, on: view };
  }

  // of the picture that is shown
  get size() { return this.sizes[this.on ?? 0]; }

  viewShown({ dataset: { at } }) { return at === undefined ? null : Number(at); }

  tool(name) { return this.tools.querySelector(`[data-mark="${name}"]`); }

  say(...sentences) { this.told.textContent = sentences.join(" "); }

  sayPlace(word, values) { this.say(filled(this.words[word], { ...values, x: shown(values.x), y: shown(values.y) })); }

  describe(mark) {
    const [x1, y1, x2, y2] = around(mark.at.length ? mark.at : this.cross);
    let text = filled(this.words[mark.kind], {
      number: this.marks.indexOf(mark) + 1, count: this.marks.length, label: mark.label ?? this.words.none, corners: mark.at.length / 2,
      x: shown(x1), y: shown(y1), width: shown(x2 - x1), height: shown(y2 - y1),
    });
    if (mark.on !== null) text = filled(this.words.onView, { mark: text, view: this.names[mark.on] });
    return mark.isProposal ? `${text} – ${this.words.proposal}` : text;
  }

  // ---- what is drawn ----

  draw() {
    for (const mark of this.marks) {
      if (!mark.row) this.make(mark);
      const [x1, y1, x2, y2] = around(mark.at.length ? mark.at : this.cross);
      const look = mark.kind === "box" ? { x: x1, y: y1, width: x2 - x1, height: y2 - y1 } : { points: mark.at.join(" ") };
      for (const [name, value] of Object.entries(look)) mark.outline.setAttribute(name, value);
      mark.text.setAttribute("x", x1);
      mark.text.setAttribute("y", y1);
      mark.text.setAttribute("dy", y1 < this.sizes[mark.on ?? 0][1] / 30 ? "1.1em" : "-0.35em"); // above, or at the upper edge within
      mark.text.textContent = mark.label ?? "";
      mark.drawn.classList.toggle("proposal", mark.isProposal);
      mark.drawn.classList.toggle("gone", mark.on !== this.on);
      mark.drawn.classList.toggle("chosen", mark === this.chosen);
      mark.button.textContent = this.describe(mark);
      if (mark === this.chosen) mark.button.setAttribute("aria-current", "true");
      else mark.button.removeAttribute("aria-current");
    }
    this.drawHandles();
    this.ofChosen.hidden = !this.chosen;
    this.tool("accept").hidden = !this.chosen?.isProposal;
    if (this.select && this.chosen) this.select.value = this.chosen.label ?? "";
    this.svg.classList.toggle("armed", Boolean(this.armed));
    for (const kind of ["box", "region"]) this.tool(kind).setAttribute("aria-pressed", this.armed === kind);
    const own = this.marks.filter((mark) => !mark.isProposal && (mark.kind === "box" || mark.at.length >= 6));
    this.input.value = own.length ? JSON.stringify(own.map(({ kind, label, at, on }) => ({ label, [kind === "box" ? "box" : "corners"]: at, ...(on === null ? {} : { view: on }) }))) : "";
    countMarks(this.place, (view) => own.filter(({ on }) => on === view).length, (count) => filled(this.words.marksOn, { count }));
  }

  make(mark) {
    mark.row = this.list.appendChild(document.createElement("li"));
    mark.button = mark.row.appendChild(Object.assign(document.createElement("button"), { type: "button" }));
    mark.button.addEventListener("focus", () => { if (this.chosen !== mark) this.choose(mark); });
    mark.button.addEventListener("click", () => this.choose(mark));
    mark.button.addEventListener("keydown", (event) => pressed(this, event, mark));
    mark.drawn = shape("g", { class: "mark" });
    this.frame.insertBefore(mark.drawn, this.handles);
    mark.outline = shape(mark.kind === "box" ? "rect" : "polygon", {}, mark.drawn);
    mark.text = shape("text", {}, mark.drawn);
    mark.outline.addEventListener("pointerdown", (event) => { if (!this.armed) this.hold(event, { mark, from: this.pixel(event), was: mark.at }); });
  }

  drawHandles() {
    this.handles.replaceChildren();
    const { chosen, view: { scale } } = this;
    if (this.armed === "region" && this.pending) {
      const [x, y] = this.cross, reach = 9 / scale, last = this.pending.at.slice(-2);
      const line = last.length ? `M${last.join(" ")}L${x} ${y}` : "";
      shape("path", { class: "cross", d: `M${x - reach} ${y}h${2 * reach}M${x} ${y - reach}v${2 * reach}${line}` }, this.handles);
    } else if (chosen && !this.armed) {
      grips(chosen).forEach(([x, y], n) => {
        const handle = shape("g", { class: n === this.corner ? "handle current" : "handle" }, this.handles);
        for (const [name, r] of [["reach", 12], ["knob", 5]]) shape("circle", { class: name, cx: x, cy: y, r: r / scale }, handle);
        handle.addEventListener("pointerdown", (event) => this.hold(event, { mark: chosen, handle: n }));
      });
    }
  }

  // ---- changes ----

  // moves of one mark by arrows, one after the other, are one change
  remember(moving = null) {
    if (moving && moving === this.lastMoved) return;
    this.lastMoved = moving;
    this.history.push(this.marks.map(({ kind, at, label, isProposal, on }) => ({ kind, at, label, isProposal, on })));
    this.history.splice(0, this.history.length - HISTORY);
  }

  restore(marks) {
    for (const mark of [...this.marks]) this.drop(mark);
    Object.assign(this, { marks, chosen: null, corner: -1, lastMoved: null });
    this.draw();
  }

  takeBack() {
    if (this.armed) return this.giveUp();
    const marks = this.history.pop();
    if (marks) this.restore(marks);
    this.say(marks ? this.words.back : this.words.nothing);
  }

  // another view is shown
  turn() {
    this.settle();
    this.on = this.viewShown(this.place);
    if (this.chosen?.on !== this.on) Object.assign(this, { chosen: null, corner: -1 });
    this.draw();
  }

  choose(mark, focuses = false) {
    if (mark.on !== this.on) showView(this.place, mark.on);
    if (this.pending && this.pending !== mark) this.settle();
    if (this.chosen !== mark) Object.assign(this, { chosen: mark, corner: -1, lastMoved: null });
    this.draw();
    if (focuses) focusOn(mark.button);
  }

  add(kind, at) {
    this.remember();
    this.pending = this.chosen = { kind, at, label: this.lastLabel, isProposal: false, on: this.on };
    this.corner = -1;
    this.marks.push(this.pending);
  }

  drop(mark) {
    const focused = mark.row?.contains(document.activeElement);
    this.marks.splice(this.marks.indexOf(mark), 1);
    mark.row?.remove();
    mark.drawn?.remove();
    if (this.chosen === mark) this.chosen = null;
    if (focused) focusOn(this.tool("box"));
  }

  remove(mark) {
    this.remember();
    const n = this.marks.indexOf(mark);
    this.drop(mark);
    const next = this.marks[Math.min(n, this.marks.length - 1)];
    if (next) this.choose(next, true);
    else this.draw();
    this.say(this.words.removed, next ? this.describe(next) : "");
  }

  accept(marks) {
    if (!marks.length) return;
    this.settle();
    this.remember();
    for (const mark of marks) mark.isProposal = false;
    this.draw();
    this.say(this.words.taken, this.describe(marks.at(-1)));
  }

  begin(kind, byKey) {
    if (kind === "region" && this.armed === "region") return this.finish();
    const ends = this.armed === kind && !byKey;
    this.giveUp();
    if (ends) return;
    if (this.marks.length >= this.most) return this.say(this.words.most);
    const { clientWidth, clientHeight } = this.place, { x, y, scale } = this.view, [width, height] = this.size;
    this.cross = [bounded(Math.round((clientWidth / 2 - x) / scale), 0, width), bounded(Math.round((clientHeight / 2 - y) / scale), 0, height)];
    this.armed = kind;
    if (kind === "region") this.add(kind, []);
    else if (byKey) {
      const across = bounded(Math.round(clientWidth / scale / 4), 1, width), down = bounded(Math.round(clientHeight / scale / 4), 1, height);
      const left = bounded(Math.round(this.cross[0] - across / 2), 0, width - across), top = bounded(Math.round(this.cross[1] - down / 2), 0, height - down);
      this.add(kind, [left, top, left + across, top + down]);
    }
    this.draw();
    if (this.pending) focusOn(this.pending.button);
    if (kind === "region") this.say(this.words.newRegion);
    else this.say(byKey ? this.words.newBox : this.words.dragBox, byKey ? this.describe(this.pending) : "");
  }

  // what was begun is kept, where it can be
  settle() {
    if (this.pending?.kind === "region" && this.pending.at.length < 6) return this.giveUp();
    Object.assign(this, { armed: null, pending: null, grip: null });
    this.draw();
  }

  finish() {
    const mark = this.pending;
    if (mark?.kind === "region" && mark.at.length < 6) return this.say(this.words.few);
    this.settle();
    if (!mark) return;
    this.choose(mark, true);
    this.say(this.words.taken, this.describe(mark));
  }

  giveUp() {
    const mark = this.pending;
    Object.assign(this, { armed: null, pending: null, grip: null });
    if (mark) {
      this.history.pop(); // what `add` remembered
      this.drop(mark);
    }
    this.draw();
  }

  setCorner([x, y], near = 0) {
    const { at } = this.pending, isAt = (n) => Math.hypot(at.at(n) - x, at.at(n + 1) - y) <= near;
    if (at.length >= 6 && (isAt(0) || isAt(-2))) return this.finish();
    if (at.length && isAt(-2)) return;
    if (at.length >= 2 * this.mostCorners) return this.say(this.words.most);
    this.pending.at = [...at, x, y];
    this.cross = [x, y];
    this.draw();
    this.sayPlace("corner", { number: at.length / 2 + 1, count: at.length / 2 + 1, x, y });
  }

  // ---- mouse, touch and pen ----

  pixel(event) {
    const corner = this.svg.getBoundingClientRect(), { x, y, scale } = this.view;
    return [(event.clientX - corner.left - x) / scale, (event.clientY - corner.top - y) / scale];
  }

  whole(event) {
    return this.pixel(event).map((value, axis) => bounded(Math.round(value), 0, this.size[axis]));
  }

  hold(event, grip) {
    if (event.button !== 0) return;
    event.stopPropagation(); // else the picture would be moved
    this.svg.setPointerCapture(event.pointerId);
    if (grip.mark) this.choose(grip.mark, true);
    this.grip = { ...grip, pointer: event.pointerId };
  }

  drag(event) {
    const { grip } = this;
    if (!grip && this.armed === "region") {
      this.cross = this.whole(event);
      this.drawHandles();
    }
    if (grip?.pointer !== event.pointerId) return;
    event.stopPropagation();
    if (grip.start) {
      const at = around([...grip.start, ...this.whole(event)]);
      if (at[0] === at[2] || at[1] === at[3]) return;
      if (this.pending) this.pending.at = at;
      else this.add("box", at);
    } else {
      if (!grip.moves) this.remember();
      grip.moves = true;
      grip.mark.isProposal = false;
      const to = this.pixel(event);
      if (grip.was) grip.mark.at = moved(grip.was, to.map((value, axis) => Math.round(value - grip.from[axis])), this.size);
      else grip.mark.at = pulled(grip.mark, grip.handle, to.map(Math.round), this.size);
    }
    this.draw();
  }

  letGo(event) {
    const { grip } = this;
    if (grip?.pointer !== event.pointerId) return;
    event.stopPropagation();
    this.grip = null;
    if (grip.start && this.pending) this.finish();
    else if (grip.moves) this.say(this.describe(grip.mark));
  }

  // the smallest mark at a pixel
  markAt(x, y) {
    const size = ({ at }) => { const [x1, y1, x2, y2] = around(at); return (x2 - x1) * (y2 - y1); };
    const isThere = ({ at }) => { const [x1, y1, x2, y2] = around(at); return x1 <= x && x <= x2 && y1 <= y && y <= y2; };
    return this.marks.filter((mark) => mark.on === this.on && isThere(mark)).sort((one, other) => size(one) - size(other))[0];
  }

  listen() {
    const { svg, tools, select } = this;
    svg.addEventListener("pointerdown", (event) => {
      if (this.armed === "box") this.hold(event, { start: this.whole(event) });
      else if (this.armed === "region" && event.button === 0) {
        event.stopPropagation();
        this.setCorner(this.whole(event), NEAR / this.view.scale);
      }
    });
    svg.addEventListener("mousedown", (event) => event.preventDefault()); // the chosen mark keeps the keys
    svg.addEventListener("pointermove", (event) => this.drag(event));
    for (const name of ["pointerup", "pointercancel"]) svg.addEventListener(name, (event) => this.letGo(event));
    this.place.viewer.addHandler("canvas-click", ({ quick, position }) => {
      const mark = quick && !this.armed && this.markAt((position.x - this.view.x) / this.view.scale, (position.y - this.view.y) / this.view.scale);
      if (mark) this.choose(mark, true);
    });
    const acts = {
      box: (byKey) => this.begin("box", byKey),
      region: (byKey) => this.begin("region", byKey),
      take: () => this.accept(this.marks.filter((mark) => mark.isProposal)),
      accept: () => { this.accept([this.chosen]); focusOn(this.chosen.button); },
      remove: () => (this.chosen === this.pending ? this.giveUp() : this.remove(this.chosen)),
      back: () => this.takeBack(),
      hide: (_, button) => {
        const hides = svg.classList.toggle("gone");
        button.setAttribute("aria-pressed", hides);
        this.say(hides ? this.words.hidden : this.words.shown);
      },
    };
    tools.addEventListener("click", (event) => {
      const button = event.target.closest("[data-mark]");
      if (button) acts[button.dataset.mark](event.detail === 0, button);
    });
    tools.addEventListener("keydown", (event) => { if (event.key === "Escape" && this.armed) this.giveUp(); });
    select?.addEventListener("change", () => {
      this.lastLabel = select.value || null; // before anything is drawn again
      this.settle();
      this.remember();
      this.chosen.label = this.lastLabel;
      this.chosen.isProposal = false;
      this.draw();
      this.say(this.describe(this.chosen));
    });
    select?.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== "Escape") return;
      event.preventDefault();
      event.stopPropagation();
      if (this.chosen) focusOn(this.chosen.button);
    });
  }
}

document.addEventListener("zoom-opened", ({ target: place }) => {
  for (const drawn of place.querySelectorAll(":scope > svg.marks")) {
    if (place.dataset.marking) drawn.remove(); // what the line found, for browsers without scripts
    else follow(place.viewer, drawn, drawn.firstElementChild, () => Number(drawn.dataset.width));
  }
  if (place.dataset.marking) place.editor = new Editor(place);
});

document.addEventListener("view-chosen", ({ target: place }) => {
  place.editor?.turn();
  for (const drawn of place.querySelectorAll("svg.marks[data-of]")) drawn.classList.toggle("gone", drawn.dataset.of !== place.dataset.at);
});

document.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() !== "c" || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select")) return;
  const editor = document.querySelector("[data-marking]")?.editor;
  if (!editor?.select || !editor.chosen) return;
  event.preventDefault();
  editor.select.focus();
});
