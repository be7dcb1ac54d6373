// What pages do beyond links and forms; without it every page still works.

const csrf = document.querySelector('meta[name="csrf"]')?.content;
document.body.addEventListener("htmx:configRequest", (event) => {
  if (csrf) event.detail.headers["X-CSRF-Token"] = csrf;
});

// a choice in the bar takes effect at once
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});

// what is to be copied is selected whole
document.addEventListener("focusin", (event) => {
  if (event.target.matches("[data-select]")) event.target.select();
});

// opacity of the map, which lasts from part to part
let opacity = 60;
const laid = () => {
  for (const slider of document.querySelectorAll("[data-opacity]")) slider.value = opacity;
  for (const map of document.querySelectorAll(".overlay .map")) map.style.opacity = opacity / 100;
};
document.addEventListener("input", (event) => {
  if (!event.target.matches("[data-opacity]")) return;
  opacity = Number(event.target.value);
  laid();
});
document.body.addEventListener("htmx:afterSwap", () => { laid(); localTimes(); });

// times as this browser's clock shows them
const localTimes = () => {
  for (const time of document.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    if (!Number.isNaN(moment.valueOf())) {
      time.textContent = moment.toLocaleString(document.documentElement.lang, { dateStyle: "short", timeStyle: "medium" });
      time.title = time.dateTime;
    }
  }
};
laid();
localTimes();

// pictures in full resolution, with the map above them; a viewer whose part is gone holds its picture no longer
let viewers = [];
const zoomed = () => {
  for (const viewer of viewers) if (!viewer.element.isConnected) viewer.destroy();
  viewers = viewers.filter((viewer) => viewer.element?.isConnected);
  for (const place of document.querySelectorAll("[data-zoom]:not([data-opened])")) {
    if (!window.OpenSeadragon) return;
    place.dataset.opened = "";
    place.querySelector("img")?.remove();
    const viewer = OpenSeadragon({
      element: place, tileSources: { type: "image", url: place.dataset.zoom, buildPyramid: false },
      showNavigationControl: false, gestureSettingsMouse: { clickToZoom: false }, animationTime: 0.3, maxZoomPixelRatio: 12,
      imageSmoothingEnabled: false, drawer: "canvas", keyboardNavEnabled: false,
    });
    place.viewer = viewer;
    viewers.push(viewer);
    // its own keys would turn and mirror the picture, by letters that mean something else here; arrows move it
    viewer.addHandler("canvas-key", (event) => { event.preventDefaultAction = !event.originalEvent.key.startsWith("Arrow"); });
    viewer.addHandler("open", () => { // once, or for each view of a part by several that is shown
      const { map } = place.dataset, bounds = viewer.world.getItemAt(0).getBounds();
      if (!map) return;
      viewer.addTiledImage({
        tileSource: { type: "image", url: map, buildPyramid: false },
        x: bounds.x, y: bounds.y, width: bounds.width, opacity: opacity / 100,
        success: ({ item }) => { if (place.dataset.map !== map) viewer.world.removeItem(item); },
      });
    });
    place.dispatchEvent(new CustomEvent("zoom-opened", { bubbles: true })); // marking.js draws on it
  }
};
window.addEventListener("load", zoomed);
document.body.addEventListener("htmx:afterSwap", zoomed);

// keys; none where somebody writes
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const key = event.key.toLowerCase();
  const viewer = document.querySelector("[data-zoom]")?.viewer;
  if (key === "n") {
    const note = document.querySelector("[data-note]");
    if (note) { event.preventDefault(); note.focus(); }
  } else if (viewer && "+-0m".includes(key)) {
    if (key === "0") viewer.viewport.goHome();
    else if (key === "m") { const map = viewer.world.getItemAt(1); if (map) map.setOpacity(map.getOpacity() ? 0 : opacity / 100); }
    else viewer.viewport.zoomBy(key === "+" ? 1.5 : 1 / 1.5).applyConstraints();
  } else {
    const button = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (button && !event.repeat) { event.preventDefault(); button.click(); }
  }
});
