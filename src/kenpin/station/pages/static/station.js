// What pages do beyond links and forms; without it every page still works.

const csrf = document.querySelector('meta[name="csrf"]')?.content;
document.body.addEventListener("htmx:configRequest", (event) => {
  if (csrf) event.detail.headers["X-CSRF-Token"] = csrf;
});

// a choice in the bar takes effect at once
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
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
