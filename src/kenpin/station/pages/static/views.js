// The views of a part by several pictures: a strip chooses which one is shown large, with its map and its marks.

const stripOf = (place) => place.parentElement.querySelector("[data-sides]");
const sidesOf = (strip) => [...strip.querySelectorAll("[data-side]")];

const show = (strip, side) => {
  const place = strip.parentElement.querySelector("[data-zoom]");
  if (!place?.viewer || place.dataset.at === side.dataset.side) return;
  for (const other of sidesOf(strip)) other.removeAttribute("aria-current");
  side.setAttribute("aria-current", "true");
  side.scrollIntoView({ block: "nearest", inline: "nearest" });
  strip.querySelector("[data-side-told]").textContent = side.innerText;
  place.dataset.at = side.dataset.side;
  place.dataset.zoom = side.getAttribute("href");
  if (side.dataset.map) place.dataset.map = side.dataset.map;
  else delete place.dataset.map;
  place.viewer.open({ type: "image", url: place.dataset.zoom, buildPyramid: false });
  place.dispatchEvent(new CustomEvent("view-chosen", { bubbles: true }));
};

// the view of this number, large
export const showView = (place, number) => {
  const strip = stripOf(place), side = strip?.querySelector(`[data-side="${number}"]`);
  if (side) show(strip, side);
};

// how many marks each view has; told: the text of a number
export const countMarks = (place, countOf, told) => {
  for (const side of stripOf(place) ? sidesOf(stripOf(place)) : []) {
    const count = countOf(Number(side.dataset.side));
    side.querySelector("[data-count]").textContent = count ? told(count) : "";
  }
};

document.addEventListener("click", (event) => {
  const strip = event.target.closest("[data-sides]"), chosen = event.target.closest("[data-side], [data-step]");
  if (!chosen || event.ctrlKey || event.metaKey || event.shiftKey || !strip.parentElement.querySelector("[data-zoom]")?.viewer) return;
  event.preventDefault();
  const sides = sidesOf(strip), at = sides.findIndex((side) => side.hasAttribute("aria-current"));
  show(strip, chosen.dataset.step ? sides[(at + Number(chosen.dataset.step) + sides.length) % sides.length] : chosen);
});

document.addEventListener("zoom-opened", ({ target: place }) => {
  const strip = stripOf(place);
  if (strip && sidesOf(strip).length > 1) for (const step of strip.querySelectorAll("[data-step]")) step.hidden = false;
});
