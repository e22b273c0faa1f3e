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

const gallery = document.querySelector(".pairs[data-filtered]");
if (gallery) {
  const cards = [...gallery.children];
  const choices = [...document.querySelectorAll("select[data-filter]")];
  const told = document.querySelector("[data-shown]");
  const filter = () => {
    const wanted = Object.fromEntries(choices.map((choice) => [choice.dataset.filter, choice.value]));
    const found = new Map();
    for (const card of cards) {
      const said = [...card.querySelectorAll("[data-guard]")].filter(
        (line) =>
          (!wanted.guard || line.dataset.guard === wanted.guard) &&
          (!wanted.outcome || line.dataset.outcome === wanted.outcome));
      const here = said.length > 0 && (!wanted.category || card.dataset.category === wanted.category);
      card.hidden = !here;
      if (here) found.set(card, wanted.guard ? Number(said[0].dataset.rank) : cards.indexOf(card));
    }
    [...found].sort((one, two) => one[1] - two[1]).forEach(([card]) => gallery.append(card));
    told.textContent = `${found.size} of ${cards.length} pairs shown`;
  };
  choices.forEach((choice) => choice.addEventListener("change", filter));
  filter();
}

for (const choice of document.querySelectorAll("input[name=colours]")) {
  try {
    choice.checked = (localStorage.getItem("safetypairs-colours") ?? "auto") === choice.value;
    choice.addEventListener("change", () => localStorage.setItem("safetypairs-colours", choice.value));
  } catch {} // a browser that keeps nothing for files
}
