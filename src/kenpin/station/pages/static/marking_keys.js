// Marks drawn and corrected by keys alone; `editor` is the `Editor` of marking.js.

import { moved, pulled } from "./marks_view.js";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const RIGHT = 3, BOTTOM = 5; // grips of a box
const HELD = 8; // steps that a held key takes at once, after as many single ones

// a key that was pressed while a mark has the focus
export const pressed = (editor, event, mark) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const isDrawn = mark === editor.pending && mark.kind === "region", { key } = event, deletes = key === "Delete" || key === "Backspace";
  if (key in ARROWS) arrow(editor, mark, ARROWS[key], event, isDrawn);
  else if (key === "Enter" && isDrawn) editor.setCorner(editor.cross);
  else if (key === "Enter" && mark.isProposal) editor.accept([mark]);
  else if (key === "Enter") editor.finish();
  else if (key === "Escape" && editor.armed) editor.giveUp();
  else if (key === "Escape" && editor.corner >= 0) {
    editor.corner = -1;
    editor.draw();
  } else if (key === "Backspace" && isDrawn) {
    mark.at = mark.at.slice(0, -2);
    editor.draw();
    editor.say(editor.describe(mark));
  } else if (deletes && mark === editor.pending) editor.giveUp();
  else if (deletes && editor.corner >= 0) removeCorner(editor, mark);
  else if (deletes) editor.remove(mark);
  else if (key.toLowerCase() === "v" && mark.kind === "region" && !isDrawn) nextCorner(editor, mark, event.shiftKey ? -1 : 1);
  else return;
  event.preventDefault();
  event.stopPropagation();
};

const arrow = (editor, mark, [dx, dy], event, isDrawn) => {
  editor.held = event.repeat ? editor.held + 1 : 0;
  // as far as can be seen: where the view is near, a step is a pixel
  const step = Math.max(1, Math.round(1 / editor.view.scale)) * (editor.held > HELD ? HELD : 1), { size, corner } = editor, { at } = mark;
  if (isDrawn) {
    editor.cross = moved(editor.cross, [dx * step, dy * step], size);
    editor.drawHandles();
    editor.sayPlace("cross", { x: editor.cross[0], y: editor.cross[1] });
    return;
  }
  if (event.shiftKey && mark.kind === "region") {
    editor.say(editor.words.corners);
    return;
  }
  if (mark !== editor.pending) editor.remember(mark);
  mark.isProposal = false;
  if (event.shiftKey) mark.at = pulled(mark, dx ? RIGHT : BOTTOM, [Math.round(at[2] + dx * step), Math.round(at[3] + dy * step)], size);
  else if (corner >= 0) mark.at = pulled(mark, corner, [at[2 * corner] + dx * step, at[2 * corner + 1] + dy * step], size);
  else mark.at = moved(at, [dx * step, dy * step], size);
  editor.draw();
  if (corner >= 0) sayCorner(editor, mark);
  else editor.say(editor.describe(mark));
};

const nextCorner = (editor, mark, by) => {
  const count = mark.at.length / 2;
  editor.corner = editor.corner < 0 ? 0 : (editor.corner + by + count) % count;
  editor.draw();
  sayCorner(editor, mark);
};

const removeCorner = (editor, mark) => {
  if (mark.at.length <= 6) {
    editor.say(editor.words.few);
    return;
  }
  editor.remember();
  mark.at = mark.at.filter((_, n) => n >> 1 !== editor.corner);
  mark.isProposal = false;
  nextCorner(editor, mark, 0);
};

const sayCorner = (editor, mark) => {
  const [x, y] = mark.at.slice(2 * editor.corner);
  editor.sayPlace("corner", { number: editor.corner + 1, count: mark.at.length / 2, x, y });
};
