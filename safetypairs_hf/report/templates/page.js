"use strict";
// All of the page can be read without this: it sorts tables, filters the gallery, and remembers the colours.
document.documentElement.classList.add("scripted");

for (const table of document.querySelectorAll("table.sorted")) {
  table.querySelectorAll("thead th").forEach((head, column) => {
    if (!head.textContent.trim()) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const falling = head.getAttribute("aria-sort") !== "descending";
      for (const other of table.querySelectorAll("thead th")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      sort(table, column, falling ? -1 : 1);
    });
  });
}

// The leaderboard has a <tbody> for each guard, so that its second row stays with the first.
function sort(table, column, sign) {
  const bodies = [...table.tBodies];
  const units = bodies.length > 1 ? bodies : [...bodies[0].rows];
  const key = (unit) => {
    const cell = (unit.rows ? unit.rows[0] : unit).cells[column];
    const value = cell.dataset.value ?? cell.textContent.trim();
    return value === "" || value === "–" ? null : isNaN(value) ? value : Number(value);
  };
  const order = (one, two) =>
    typeof one === "number" && typeof two === "number" ? one - two : String(one).localeCompare(String(two));
  const parent = units[0].parentNode;
  units
    .map((unit) => [key(unit), unit])
    .sort(([one], [two]) => (one === null) - (two === null) || (one === null ? 0 : sign * order(one, two)))
    .forEach(([, unit]) => parent.append(unit));
}

const STEP = 24; // pairs that the gallery shows at first
const gallery = document.querySelector(".pairs[data-filtered]");
if (gallery) {
  const cards = [...gallery.children];
  const choices = [...document.querySelectorAll("select[data-filter]")];
  const told = document.querySelector("[data-shown]");
  const more = document.querySelector("[data-more]");
  let most = STEP;
  const filter = () => {
    const wanted = Object.fromEntries(choices.map((choice) => [choice.dataset.filter, choice.value]));
    const rank = (card) => {
      const said = [...card.querySelectorAll("[data-guard]")].find(
        (line) =>
          (!wanted.guard || line.dataset.guard === wanted.guard) &&
          (!wanted.outcome || line.dataset.outcome === wanted.outcome));
      const here = said && (!wanted.category || card.dataset.category === wanted.category);
      return !here ? null : wanted.guard ? Number(said.dataset.rank) : cards.indexOf(card);
    };
    const found = cards.map((card) => [rank(card), card]).filter(([at]) => at !== null).sort(([a], [b]) => a - b);
    cards.forEach((card) => { card.hidden = true; });
    found.slice(0, most).forEach(([, card]) => { card.hidden = false; });
    gallery.prepend(...found.map(([, card]) => card));
    told.textContent = `${Math.min(found.length, most)} of ${found.length} pairs shown`;
    more.hidden = found.length <= most;
  };
  choices.forEach((choice) => choice.addEventListener("change", () => { most = STEP; filter(); }));
  more.addEventListener("click", () => { most += 2 * STEP; filter(); });
  filter();
}

for (const choice of document.querySelectorAll("input[name=colours]")) {
  try {
    choice.checked = (localStorage.getItem("safetypairs-colours") ?? "auto") === choice.value;
    choice.addEventListener("change", () => localStorage.setItem("safetypairs-colours", choice.value));
  } catch {} // a browser that keeps nothing for files
}
