// The flow of a review: name, blind answer, decision, next pair. What the server has answered is what is shown.

import { around, difference, draw, fitted, loadPair, outline, release, whole } from "./views.js";

const $ = (id) => document.getElementById(id);
const all = (selector) => [...document.querySelectorAll(selector)];
const OTHER = { left: "right", right: "left" };
const DONE = { accept: "Accepted", reject: "Rejected", borderline: "Borderline", skip: "Skipped" };
const FLICKER = 650; // ms an image is shown: below three flashes a second

let settings;
let state = null; // as the server gave it last
let busy = false; // between a key and the server's answer to it
let lifted = false; // a key or pointer is held
let keep = false; // unsafe images of revealed pairs are shown without holding
let view = "side";
let zoomed = false;
let showing = { pairId: null, since: 0, spent: 0 };
let flicker = { side: "left", timer: null };
let began = Date.now(); // or the last break
let seenAtBreak = 0;
/** A number and its noun, which is in the plural unless the number is 1. */
const counted = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
const still = matchMedia("(prefers-reduced-motion: reduce)");
const loaded = new Map(); // pair id -> promise of its two images
const images = new Map(); // pair id -> its two images

const current = () => state?.next[0] ?? null;
const details = () => current()?.details ?? null;
const stage = () => (details() ? "revealed" : "blind");
const isUnsafe = (side) => (details().left === "unsafe") === (side === "left");

// --- what is asked of the server -----------------------------------------------------------------------------------

let failed = null; // what `Try again` does

async function post(name, body) {
  if (busy) return;
  busy = true;
  let outOfDate = false;
  try {
    const answer = await fetch(`api/${name}`, {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
    }).catch(() => null);
    if (answer === null) {
      trouble("The server does not answer, so your last key may not be recorded. If it was stopped, start the same "
        + "command again and open its new address: what is recorded is not asked again.", () => post(name, body));
      return;
    }
    const found = await answer.json().catch(() => ({ error: "this address is not valid any more; open the one that the command printed last" }));
    if (answer.ok) {
      trouble(null);
      apply(found);
      return found;
    }
    outOfDate = answer.status === 409;
    if (outOfDate) return;
    if (state === null) {
      $("name-error").textContent = found.error;
    } else {
      trouble(`Not recorded: ${found.error}`, () => post(name, body));
    }
  } finally {
    busy = false;
    if (outOfDate && (await post("open", { reviewer: state.reviewer }))) say("Not recorded: decided in another window");
  }
}

function trouble(text, again) {
  $("trouble").hidden = text === null;
  if (text !== null) $("said").classList.remove("on");
  $("trouble").firstElementChild.textContent = text ?? "";
  failed = again;
}

function spent() {
  const now = showing.since ? performance.now() - showing.since : 0;
  return Math.round(showing.spent + now) / 1000;
}

async function answer(side) {
  if (!images.has(current().pair_id)) return;
  await post("blind", { reviewer: state.reviewer, pair_id: current().pair_id, side, seconds: spent() });
}

async function decide(action, reason = "") {
  const pair = current();
  const note = stage() === "revealed" ? $("note").value.trim() : "";
  const found = await post("decide", { reviewer: state.reviewer, pair_id: pair.pair_id, action, reason, note, seconds: spent() });
  if (found) say(DONE[action]);
}

async function undo() {
  if (!state?.last) return;
  const found = await post("undo", { reviewer: state.reviewer, pair_id: state.last.pair_id });
  if (found) say("Taken back");
}

// --- what comes back -------------------------------------------------------------------------------------------------

function apply(found) {
  state = found;
  lift(false);
  const { accept, reject, borderline, skip } = state.yours;
  const done = accept + reject + borderline + skip;
  $("count").innerHTML = "<b></b> of <span></span>";
  $("count").firstElementChild.textContent = done.toLocaleString("en");
  $("count").lastElementChild.textContent = state.total.toLocaleString("en");
  $("progress").max = state.total;
  $("progress").value = done;
  $("who").textContent = state.reviewer;
  for (const button of [$("undo"), $("end-undo")]) button.disabled = !state.last;
  if (current()) showPair();
  else showEnd();
  // What comes later waits until what is there now is painted.
  if (current() && images.has(current().pair_id)) requestAnimationFrame(() => setTimeout(prefetch));
  else prefetch();
}

function prefetch() {
  const wanted = new Set(state.next.map((pair) => pair.pair_id));
  for (const pairId of [...loaded.keys()]) {
    if (wanted.has(pairId)) continue;
    loaded.get(pairId).then(release, () => null);
    loaded.delete(pairId);
    images.delete(pairId);
  }
  for (const { pair_id: pairId } of state.next) {
    if (loaded.has(pairId)) continue;
    const coming = loadPair(state.reviewer, pairId);
    loaded.set(pairId, coming);
    coming.then(
      (pair) => {
        if (loaded.get(pairId) !== coming) return;
        images.set(pairId, pair);
        if (current()?.pair_id === pairId) showPair();
      },
      (error) => {
        if (loaded.get(pairId) !== coming) return;
        loaded.delete(pairId);
        if (current()?.pair_id === pairId) trouble(`The images of this pair cannot be shown: ${error.message}`, () => post("open", { reviewer: state.reviewer }));
      },
    );
  }
}

function screen(name) {
  document.body.dataset.screen = name;
}

function showPair() {
  const pair = current();
  const isNew = showing.pairId !== pair.pair_id;
  const wasStage = document.body.dataset.stage;
  screen("pair");
  document.body.dataset.stage = stage();
  if (isNew) {
    showing = { pairId: pair.pair_id, since: 0, spent: 0 };
    $("note").value = "";
    toggleNote(false);
    if (view === "slider") $("slider").value = 50;
  }
  if (images.has(pair.pair_id) && !showing.since && document.visibilityState === "visible") showing.since = performance.now();
  $("category").textContent = pair.category;
  $("question").textContent = stage() === "blind" ? "Which image is unsafe?" : "Is this a good pair?";
  $("answer").replaceChildren(...(details() ? outcome() : []));
  if (isNew || wasStage !== stage()) {
    if (!document.querySelector("dialog[open]")) $("stage").focus({ preventScroll: true });
    $("stage").setAttribute("aria-label", stage() === "blind" ? "Two images, veiled until you hold the space bar" : "The pair");
    writeFacts();
  }
  render();
  if (isNew) maybeBreak();
}

/** What became of the blind answer, as nodes. */
function outcome() {
  const { blind } = details();
  const text = document.createElement("span");
  text.className = blind === "unsafe" ? "right" : "wrong";
  const said = { safe: "the safe one", both: "both", neither: "neither" }[blind];
  text.textContent = blind === "unsafe" ? "Blind, you were right." : `Blind, you said ${said}.`;
  return [text];
}

const END = {
  all: ["That is all for you", "You have been through every pair that is open to you."],
  waiting: ["Others have the rest", "The pairs that are left are before other reviewers now. This page looks again by itself."],
  limit: ["Enough for now", ""],
};

function showEnd() {
  screen("end");
  showing = { pairId: null, since: 0, spent: 0 };
  const [title, text] = END[state.ended];
  $("end-title").textContent = title;
  const when = state.rested && new Date(state.rested).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  $("end-text").textContent = state.ended === "limit"
    ? `You have seen ${counted(state.seen, "pair")}, and ${state.limit} is the limit of a session. Please rest; a new session can begin at ${when}.` : text;
  const tally = [["Accepted", "accept"], ["Rejected", "reject"], ["Borderline", "borderline"], ["Skipped", "skip"]];
  $("tally").replaceChildren(...tally.map(([name, action]) => {
    const [box, term, value] = ["div", "dt", "dd"].map((tag) => document.createElement(tag));
    term.textContent = name;
    value.textContent = state.yours[action];
    box.append(term, value);
    return box;
  }));
  const left = state.total - state.complete;
  $("end-next").textContent = left
    ? `${state.complete} of ${state.total} pairs are complete; ${left === 1 ? "one needs" : `${left} need`} another reviewer, or a further opinion.`
    : "Every pair is complete. You may close this page and end the command; what came of it:";
  $("end-command").hidden = left > 0;
  $("end-command").textContent = `safetypairs review ${settings.name} --figures`;
  const { skip } = state.yours;
  $("again").hidden = !(state.ended === "all" && skip);
  $("again").textContent = skip === 1 ? "Look at the skipped pair" : `Look at the ${skip} skipped pairs`;
  $("look").hidden = state.ended === "all";
  $("end-title").focus({ preventScroll: true });
}

setInterval(() => {
  if (document.body.dataset.screen === "end" && state?.ended === "waiting" && !busy) post("open", { reviewer: state.reviewer });
}, 5000);

// --- drawing ---------------------------------------------------------------------------------------------------------

const canvases = all(".stage canvas");
const captions = all(".stage figcaption");

/** What lies over an image: "grey", "colour", or null where it is shown as it is. */
function veilOver(side) {
  if (lifted) return null;
  if (stage() === "blind") return "grey";
  return isUnsafe(side) && !keep ? "colour" : null;
}

function render() {
  const pair = current() && images.get(current().pair_id);
  const shown = stage() === "blind" ? "side" : view;
  const box = details()?.edit_box;
  const zoom = zoomed && box && stage() === "revealed";
  document.body.classList.toggle("lifted", lifted);
  $("stage").classList.toggle("one", shown !== "side");
  $("second").hidden = shown !== "side";
  $("slider").hidden = shown !== "slider";
  $("pause").hidden = shown !== "flicker";
  $("legend").hidden = shown !== "difference";
  $("hold").hidden = shown === "difference" || (stage() === "revealed" && keep);
  $("zoom").disabled = !box;
  $("zoom").setAttribute("aria-pressed", String(Boolean(zoom)));
  $("show").setAttribute("aria-pressed", String(keep));
  for (const button of all("[data-view]")) button.setAttribute("aria-pressed", String(button.dataset.view === view));
  runFlicker(shown === "flicker" && Boolean(pair));
  if (!pair) {
    for (const canvas of canvases) canvas.width = 1;
    for (const caption of captions) caption.textContent = "Loading…";
    delete document.body.dataset.pair;
    return;
  }
  const part = zoom ? around(box, pair.left) : whole(pair.left);
  if (shown === "side") {
    ["left", "right"].forEach((side, at) => paint(canvases[at], captions[at], pair, side, zoom ? around(box, pair[side]) : whole(pair[side])));
  } else if (shown === "flicker") {
    paint(canvases[0], captions[0], pair, flicker.side, part);
  } else if (shown === "slider") {
    paintSlider(pair, part);
  } else {
    paintDifference(pair, part, box);
  }
  document.body.dataset.pair = `${current().pair_id} ${stage()}`;
  drawn = sizeOfStage();
}

const sizeOfStage = () => `${$("stage").clientWidth} ${$("stage").clientHeight}`;
let drawn = ""; // the size of the stage that was drawn for

function paint(canvas, caption, pair, side, part) {
  const veil = veilOver(side);
  draw(fitted(canvas, part), pair[side], part, veil);
  const what = stage() === "blind" ? `The ${side} image` : `The ${isUnsafe(side) ? "unsafe" : "safe"} image`;
  canvas.setAttribute("aria-label", veil ? `${what}, veiled` : what);
  caption.replaceChildren(...(stage() === "blind" ? PLACES[side].map(placed) : [tag(side)]));
}

const PLACES = { left: ["Left", "Upper"], right: ["Right", "Lower"] }; // in a row, and on a narrow page one above the other

function placed(name, at) {
  return Object.assign(document.createElement("span"), { textContent: name, className: `place ${at ? "stack-place" : "row-place"}` });
}

function tag(side) {
  const name = document.createElement("span");
  name.className = `tag ${isUnsafe(side) ? "unsafe" : "safe"}`;
  name.textContent = isUnsafe(side) ? "Unsafe" : "Safe";
  return name;
}

function paintSlider(pair, part) {
  const [canvas, caption] = [canvases[0], captions[0]];
  const context = fitted(canvas, part);
  const at = $("slider").value / 100;
  draw(context, pair.left, part, veilOver("left"), 0, at);
  draw(context, pair.right, part, veilOver("right"), at, 1);
  const ratio = window.devicePixelRatio || 1;
  context.fillStyle = "#ffffff";
  context.fillRect(at * canvas.width - ratio, 0, 2 * ratio, canvas.height);
  canvas.setAttribute("aria-label", "Both images, one on each side of a line");
  caption.replaceChildren(tag("left"), tag("right"));
}

function paintDifference(pair, part, box) {
  const found = difference(pair, isUnsafe("left") ? pair.right : pair.left);
  const context = fitted(canvases[0], part);
  context.drawImage(found.canvas, ...part.map((value) => value * found.scale), 0, 0, canvases[0].width, canvases[0].height);
  if (box) outline(context, box, part);
  canvases[0].setAttribute("aria-label", "What differs between the two images");
  captions[0].replaceChildren("What differs");
  $("legend").textContent = `Amber: pixels that differ (${(100 * found.share).toFixed(1)}% of the image). Dashes: the edit box.`;
}

function runFlicker(on) {
  const button = $("pause");
  if (on && flicker.timer === null && !flicker.paused) {
    flicker.timer = setInterval(turn, FLICKER);
  } else if (!on || flicker.paused) {
    clearInterval(flicker.timer);
    flicker.timer = null;
  }
  const running = flicker.timer !== null;
  button.innerHTML = `<svg class="icon" aria-hidden="true"><use href="#i-${running ? "pause" : "play"}"/></svg><span>${running ? "Pause" : "Play"}</span>`;
}

function turn() {
  flicker.side = OTHER[flicker.side];
  if (view === "flicker" && stage() === "revealed") render();
}

function lift(on) {
  if (lifted === on) return;
  lifted = on;
  if (document.body.dataset.screen === "pair") render();
}

function choose(name) {
  if (stage() !== "revealed") return;
  if (name === view && name === "flicker") flicker.paused = !flicker.paused;
  else if (name === "flicker") flicker = { side: "left", timer: flicker.timer, paused: still.matches };
  view = name;
  render();
  if (name === "slider") $("slider").focus();
}

// --- details, note, reasons, breaks ----------------------------------------------------------------------------------

function writeFacts() {
  const known = details();
  const facts = [];
  const add = (title, ...nodes) => {
    const section = document.createElement("section");
    const head = document.createElement("h3");
    head.textContent = title;
    section.append(head, ...nodes);
    facts.push(section);
  };
  const text = (value, name = "") => Object.assign(document.createElement("p"), { textContent: value, className: name });
  if (known) {
    if (known.critical_feature) add("What makes it unsafe", text(known.critical_feature));
    if (known.instruction) add("The edit", text(known.instruction));
    if (known.judges.length) add("Judges: P(unsafe)", table(["judge", "unsafe", "safe"], known.judges.map((judge) => [judge.name, figure(judge.p_unsafe_before), figure(judge.p_unsafe_after)])));
    if (known.preservation) add("What stayed", table(["measure", "value"], preserved(known.preservation)));
  } else {
    facts.push(text("The edit and the judges' figures are shown after your blind answer.", "quiet"));
  }
  add("Policy", text(current().policy.trim(), "policy"));
  add("Pair", text(current().pair_id));
  $("facts").replaceChildren(...facts);
}

const figure = (value) => (value === null ? "none" : value.toFixed(3));

function preserved(found) {
  const rows = [["SSIM outside the edit", figure(found.ssim_outside)], ["share of pixels changed", figure(found.changed_fraction)]];
  return [...rows, ...(found.distances ?? []).map(({ name, distance }) => [name, figure(distance)])];
}

function table(columns, rows) {
  const made = document.createElement("table");
  const head = made.createTHead().insertRow();
  for (const name of columns) head.append(Object.assign(document.createElement("th"), { textContent: name, scope: "col" }));
  const body = made.createTBody();
  for (const [first, ...rest] of rows) {
    const row = body.insertRow();
    row.append(Object.assign(document.createElement("th"), { textContent: first, scope: "row" }));
    for (const value of rest) row.insertCell().textContent = value;
  }
  return made;
}

function toggleDetails(on = $("details").hidden) {
  $("details").hidden = !on;
  $("open-details").setAttribute("aria-expanded", String(on));
  if (document.body.dataset.screen === "pair") render();
}

function toggleNote(on = $("note-row").hidden) {
  $("note-row").hidden = !on;
  $("open-note").setAttribute("aria-expanded", String(on));
  if (on) $("note").focus();
  if (document.body.dataset.screen === "pair") render();
}

function askReason() {
  $("other-reason").value = "";
  $("reject-dialog").showModal();
  $("reasons").querySelector("button").focus();
}

function reject(reason) {
  $("reject-dialog").close();
  decide("reject", reason);
}

function maybeBreak() {
  if (Date.now() - began < settings.break_minutes * 60000 || document.querySelector("dialog[open]")) return;
  const seen = state.seen - seenAtBreak;
  $("break-text").textContent = `You have been looking for ${counted(settings.break_minutes, "minute")}`
    + `${seen > 0 ? `, at ${counted(seen, "pair")}` : ""}. A few minutes away from the screen keep your eye fair. Everything so far is recorded.`;
  $("break-dialog").showModal();
}

$("break-dialog").addEventListener("close", () => {
  began = Date.now();
  seenAtBreak = state.seen;
  if (showing.since) showing.since = performance.now();
});

let saying;
function say(text) {
  $("said").textContent = text;
  $("said").classList.add("on");
  clearTimeout(saying);
  saying = setTimeout(() => $("said").classList.remove("on"), 1400);
}

// --- keys and pointers -----------------------------------------------------------------------------------------------

const BLIND_KEYS = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "both", ArrowDown: "neither" };
const VIEWS = ["side", "flicker", "slider", "difference"];

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.body.dataset.screen === "loading") return;
  const typing = event.target.matches("input:not([type=range]), textarea");
  const dialog = document.querySelector("dialog[open]");
  if (dialog) {
    const number = Number(event.key);
    if (dialog.id === "reject-dialog" && !typing && number >= 1 && number <= Object.keys(settings.reasons).length) {
      event.preventDefault();
      reject(Object.keys(settings.reasons)[number - 1]);
    }
    return;
  }
  if (event.key === "Escape") {
    if (!$("note-row").hidden && event.target === $("note")) $("stage").focus();
    else if (!$("details").hidden) toggleDetails(false);
    return;
  }
  if (typing) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (key === "?") return $("help-dialog").showModal();
  const name = document.body.dataset.screen;
  if (key === "z" && (name === "pair" || name === "end") && !event.repeat) return void undo();
  if (name !== "pair") return;
  if (key === " ") {
    if (event.target.matches("button:not(#hold), .facts")) return; // the space bar presses the button that has the focus
    event.preventDefault();
    return lift(true);
  }
  if (event.repeat || busy) return;
  const act = keyOf(key, event.target);
  if (act) {
    event.preventDefault();
    act();
  }
});

function keyOf(key, target) {
  if (key === "s") return () => decide("skip");
  if (key === "i") return () => toggleDetails();
  if (stage() === "blind") return key in BLIND_KEYS && !target.matches(".facts") ? () => answer(BLIND_KEYS[key]) : null;
  if (VIEWS[key - 1]) return () => choose(VIEWS[key - 1]);
  return { a: () => decide("accept"), b: () => decide("borderline"), r: askReason, n: () => toggleNote(), v: toggleShow, x: toggleZoom }[key];
}

function toggleShow() {
  keep = !keep;
  render();
}

function toggleZoom() {
  if (!details()?.edit_box) return;
  zoomed = !zoomed;
  render();
}

addEventListener("keyup", (event) => {
  if (event.key === " ") lift(false);
});
for (const name of ["blur", "pagehide"]) addEventListener(name, () => lift(false));
document.addEventListener("visibilitychange", () => {
  lift(false);
  if (document.visibilityState === "hidden" && showing.since) {
    showing.spent += performance.now() - showing.since;
    showing.since = 0;
  } else if (showing.pairId && images.has(showing.pairId)) {
    showing.since = performance.now();
  }
});

// Holding the pointer on an image, or on the button, is holding the key.
for (const element of [...all(".frame"), $("hold")]) {
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    if (view === "slider" && stage() === "revealed" && element.matches(".frame")) return slide(event, element);
    event.preventDefault();
    element.setPointerCapture(event.pointerId);
    lift(true);
  });
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) element.addEventListener(name, () => lift(false));
  element.addEventListener("contextmenu", (event) => event.preventDefault());
}

function slide(event, frame) {
  const box = canvases[0].getBoundingClientRect();
  const move = ({ clientX }) => {
    $("slider").value = Math.round(100 * Math.min(1, Math.max(0, (clientX - box.left) / box.width)));
    render();
  };
  move(event);
  frame.setPointerCapture(event.pointerId);
  frame.addEventListener("pointermove", move);
  frame.addEventListener("lostpointercapture", () => frame.removeEventListener("pointermove", move), { once: true });
}

// A button that was clicked gives the keys back: the space bar is to lift the veil, not to press it again.
addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button && event.detail > 0 && document.body.dataset.screen === "pair" && !document.querySelector("dialog[open]") && document.activeElement === button) {
    $("stage").focus({ preventScroll: true });
  }
});

for (const button of all("[data-side]")) button.addEventListener("click", () => answer(button.dataset.side));
for (const button of all("[data-action]")) {
  button.addEventListener("click", () => (button.dataset.action === "reject" ? askReason() : decide(button.dataset.action)));
}
for (const button of all("[data-view]")) button.addEventListener("click", () => choose(button.dataset.view));
for (const button of all("[data-close]")) button.addEventListener("click", () => button.closest("dialog").close());
$("zoom").addEventListener("click", toggleZoom);
$("show").addEventListener("click", toggleShow);
$("pause").addEventListener("click", () => choose("flicker"));
$("slider").addEventListener("input", render);
$("undo").addEventListener("click", undo);
$("end-undo").addEventListener("click", undo);
$("skip").addEventListener("click", () => decide("skip"));
$("open-note").addEventListener("click", () => toggleNote());
$("open-details").addEventListener("click", () => toggleDetails());
$("close-details").addEventListener("click", () => toggleDetails(false));
$("open-help").addEventListener("click", () => $("help-dialog").showModal());
$("again").addEventListener("click", () => post("again", { reviewer: state.reviewer }));
$("look").addEventListener("click", () => post("open", { reviewer: state.reviewer }));
$("retry").addEventListener("click", () => failed?.());
$("reject-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const reason = $("other-reason").value.trim();
  if (reason) reject(reason);
  else $("other-reason").focus();
});
for (const dialog of all("dialog")) dialog.addEventListener("close", () => document.body.dataset.screen === "pair" && $("stage").focus({ preventScroll: true }));
new ResizeObserver(() => document.body.dataset.screen === "pair" && drawn !== sizeOfStage() && render()).observe($("stage"));

// --- colours ---------------------------------------------------------------------------------------------------------

const THEMES = { "": "as the system has them", light: "light", dark: "dark" };
function setTheme(name) {
  if (name) document.documentElement.dataset.theme = name;
  else delete document.documentElement.dataset.theme;
  $("theme").setAttribute("aria-label", `Colours: ${THEMES[name]}`);
  $("theme").title = `Colours: ${THEMES[name]}`;
  localStorage.setItem("theme", name);
}
$("theme").addEventListener("click", () => {
  const names = Object.keys(THEMES);
  setTheme(names[(names.indexOf(document.documentElement.dataset.theme ?? "") + 1) % names.length]);
});
const chosen = localStorage.getItem("theme");
setTheme(chosen in THEMES ? chosen : "");

// --- the beginning ---------------------------------------------------------------------------------------------------

$("name-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("name-error").textContent = "";
  await begin($("name").value.trim());
});

async function begin(reviewer) {
  began = Date.now();
  if (await post("open", { reviewer })) {
    sessionStorage.setItem("reviewer", reviewer);
    return;
  }
  sessionStorage.removeItem("reviewer");
  $("name").value = reviewer;
  screen("name");
  $("name").focus();
}

async function start() {
  settings = await (await fetch("settings.json")).json();
  document.title = `Review of ${settings.name}`;
  $("what").textContent = settings.name;
  $("rules").textContent = `${counted(settings.pairs, "pair")}, each for ${counted(settings.reviewers, "reviewer")}. `
    + `At most ${counted(settings.limit, "pair")} a session, and a word about a break every ${counted(settings.break_minutes, "minute")}.`;
  $("reasons").replaceChildren(...Object.entries(settings.reasons).map(([reason, text], at) => {
    const [item, button, key] = ["li", "button", "kbd"].map((tag) => document.createElement(tag));
    button.type = "button";
    key.textContent = at + 1;
    button.append(key, text);
    button.addEventListener("click", () => reject(reason));
    item.append(button);
    return item;
  }));
  $("last-reason").textContent = Object.keys(settings.reasons).length;
  const reviewer = settings.reviewer ?? sessionStorage.getItem("reviewer");
  if (reviewer) return begin(reviewer);
  screen("name");
  $("name").focus();
}

start();
