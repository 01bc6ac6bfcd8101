// The page of `spacy knn serve`: entities, explanations and corrections.

import { $, colored, hueOf, make, percent, request, show, tagInWords } from "./basics.js";

let text = "";        // that was tagged
let paragraphs = [];  // its tokens and entities
let chosen = null;    // {paragraph, start, end}: the tokens that are selected
let shown = null;     // and those that the panel explains
let nTagged = 0;      // how many texts were tagged
let anchor = null;    // where a selection began
let labels = [];      // of the pipeline

// --- the pipeline --------------------------------------------------------

document.addEventListener("about", ({ detail: about }) => {
  document.title = `${about.model} – spacy knn serve`;
  $("model").textContent = about.model;
  $("folder").textContent = about.folder;
  $("save").disabled = about.unsaved === 0;
  $("undo").disabled = !about.can_undo;
  const changes = about.unsaved === 1 ? "1 change" : `${about.unsaved} changes`;
  $("save").textContent = about.unsaved ? `Save ${changes}` : "Saved";
  labels = about.labels;
  labels.forEach(hueOf);  // in the same order every time
});

// --- the text ------------------------------------------------------------

// Returns the number of entities; null if another text was tagged meanwhile.
async function tag(given = text) {
  const number = ++nTagged;
  const tagged = await request("POST", "tag", { text: given });
  if (number !== nTagged) return null;
  text = given;
  paragraphs = tagged.paragraphs;
  chosen = anchor = null;
  $("paragraphs").replaceChildren(...paragraphs.map(paragraphElement));
  $("result").hidden = false;
  const first = document.querySelector(".token");
  if (first) first.tabIndex = 0;
  const n = paragraphs.reduce((sum, paragraph) => sum + paragraph.entities.length, 0);
  return n === 1 ? "1 entity" : `${n || "No"} entities`;
}

function paragraphElement({ tokens, entities }, number) {
  const element = make("p", { className: "paragraph" });
  const begins = new Map(entities.map((entity) => [entity.start, entity]));
  for (let i = 0; i < tokens.length; ) {
    const entity = begins.get(i);
    const end = entity ? entity.end : i + 1;
    const inside = [];
    for (; i < end; i++) {
      inside.push(tokenElement(tokens[i][0], number, i, entity));
      if (tokens[i][1] && i + 1 < end) inside.push(" ");
    }
    if (entity) {
      const score = entity.score === null ? "" : ` ${entity.score.toFixed(2)}`;
      const label = make("small", {}, entity.label + score);
      const mark = make("mark", { title: entity.label + score }, ...inside, label);
      element.append(colored(mark, entity.label));
    } else {
      element.append(...inside);
    }
    if (tokens[end - 1][1]) element.append(" ");
  }
  return element;
}

function tokenElement(word, paragraph, i, entity) {
  const element = make("span", { className: "token", tabIndex: -1 }, word);
  Object.assign(element.dataset, { paragraph, i });
  element.setAttribute("role", "button");
  if (entity) element.setAttribute("aria-label", `${word}, ${entity.label}`);
  return element;
}

const placeOf = (token) => ({
  paragraph: Number(token.dataset.paragraph),
  i: Number(token.dataset.i),
});

function tokenAt(paragraph, i) {
  return document.querySelector(`.token[data-paragraph="${paragraph}"][data-i="${i}"]`);
}

function select(paragraph, start, end) {
  for (const token of document.querySelectorAll(".token")) {
    const place = placeOf(token);
    const inside = place.paragraph === paragraph && start <= place.i && place.i < end;
    token.classList.toggle("selected", inside);
  }
  chosen = { paragraph, start, end };
}

// A single token stands for the entity that it is in.
function selectEntity({ paragraph, i }) {
  const around = paragraphs[paragraph].entities.find((e) => e.start <= i && i < e.end);
  select(paragraph, around ? around.start : i, around ? around.end : i + 1);
}

function selectBetween(one, other) {
  if (one.paragraph !== other.paragraph) return;
  select(one.paragraph, Math.min(one.i, other.i), Math.max(one.i, other.i) + 1);
}

function tokenOf(node) {
  const element = node && (node.nodeType === Node.TEXT_NODE ? node.parentElement : node);
  return element && element.closest(".token");
}

// With a mouse or a finger: what the browser has selected, or the word that was clicked.
$("paragraphs").addEventListener("click", (event) => {
  const range = getSelection();
  const first = tokenOf(range.anchorNode), last = tokenOf(range.focusNode);
  const clicked = tokenOf(event.target) || event.target.closest("mark")?.querySelector(".token");
  if (!range.isCollapsed && first && last && first !== last) {
    selectBetween(placeOf(first), placeOf(last));
  } else if (clicked) {
    selectEntity(placeOf(clicked));
  } else {
    return;
  }
  getSelection().removeAllRanges();
  anchor = null;
  explain();
});

$("paragraphs").addEventListener("keydown", (event) => {
  const token = tokenOf(event.target);
  if (!token) return;
  const place = placeOf(token);
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (step) {
    event.preventDefault();
    const every = [...document.querySelectorAll(".token")];
    const next = every[every.indexOf(token) + step];
    if (!next) return;
    if (event.shiftKey) {
      anchor = anchor || place;
      selectBetween(anchor, placeOf(next));
    } else {
      anchor = null;
    }
    focus(next);
  } else if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    if (!anchor) selectEntity(place);
    anchor = null;
    explain();
  }
});

function focus(token) {
  for (const other of document.querySelectorAll('.token[tabindex="0"]')) other.tabIndex = -1;
  token.tabIndex = 0;
  token.focus();
}

function words(place) {
  const tokens = paragraphs[place.paragraph].tokens.slice(place.start, place.end);
  return tokens.map(([word, space]) => word + (space ? " " : "")).join("").trim();
}

// --- why -----------------------------------------------------------------

async function explain({ focus = true } = {}) {
  const place = chosen;
  const { tokens } = await request("POST", "explain", { text, ...place });
  if (place !== chosen) return;  // something else was selected meanwhile
  shown = place;
  const entities = paragraphs[place.paragraph].entities;
  const entity = entities.find((e) => e.start === place.start && e.end === place.end);
  $("chosen").textContent = `“${words(place)}”`;
  const now = entity ? entity.label : "";
  const choices = labels.map((label) => choice(label, label, label === now));
  $("labels").replaceChildren(...choices, choice("", "no entity", !entity && !overlaps(place)));
  $("label").value = "";
  $("why").replaceChildren(...tokens.flatMap(tokenExplained));
  $("panel").hidden = false;
  if (focus) $("panel").focus();
  if (focus) $("panel").scrollIntoView({ block: "nearest" });
}

const overlaps = ({ paragraph, start, end }) =>
  paragraphs[paragraph].entities.some((e) => e.start < end && start < e.end);

function choice(value, title, checked) {
  const input = make("input", { type: "radio", name: "label", value, checked });
  return make("label", {}, input, ` ${title}`);
}

function tokenExplained(token) {
  const rows = [
    ["base", token.base],
    ["store", token.store],
    [`corrections, weight ${token.correction_weight.toFixed(2)}`, token.corrections],
    ["final", token.final],
  ].filter(([, tags]) => Object.keys(tags).length);
  const table = make("table", { className: "distributions" }, ...rows.map(distribution));
  const far = token.unknown ? [make("p", { className: "soft" }, "Unknown: it is far from everything in the datastore.")] : [];
  const neighbors = make("ul", { className: "neighbors" }, ...token.neighbors.map(neighbor));
  const tag = make("span", { className: "tag" }, tagInWords(token.tag));
  const title = make("h3", {}, token.text, " ", tag);
  return [title, table, ...far, neighbors];
}

function distribution([title, tags]) {
  const bars = Object.entries(tags).map(([tag, p]) => {
    const meter = make("meter", { value: p, min: 0, max: 1 });
    meter.setAttribute("aria-hidden", "true");
    const name = tagInWords(tag);
    return make("div", { className: "bar" }, make("span", { title: name }, name),
                make("span", {}, p.toFixed(2)), meter);
  });
  return make("tr", {}, make("th", { scope: "row" }, title), make("td", {}, ...bars));
}

function neighbor({ words, spaces, token, tag, distance, share, part, source, same_words }) {
  const about = [`distance ${distance.toFixed(3)}`, `vote ${percent(share)}`];
  if (part === "corrections") about.push("correction");
  else if (same_words) about.push("same words");
  if (source) about.push(source);
  const from = Math.max(0, token - 12), to = Math.min(words.length, token + 13);
  const parts = [from ? "… " : ""];
  for (let i = from; i < to; i++) {
    parts.push(i === token ? make("b", {}, words[i]) : words[i], spaces[i] ? " " : "");
  }
  if (to < words.length) parts.push("…");
  const name = make("span", { className: "tag" }, tagInWords(tag));
  const line = make("div", { className: "soft" }, name, ` ${about.join(", ")}`);
  return make("li", {}, line, ...parts);
}

// Other words, where nothing can be selected by dragging.
$("bounds").addEventListener("click", (event) => {
  const step = event.target.closest(".step");
  if (!step) return;
  const { paragraph } = shown, last = paragraphs[paragraph].tokens.length;
  const start = shown.start + Number(step.dataset.start || 0);
  const end = shown.end + Number(step.dataset.end || 0);
  if (start < 0 || end > last || start >= end) return;
  select(paragraph, start, end);
  explain({ focus: false });
});

function close() {
  $("panel").hidden = true;
  const token = shown && tokenAt(shown.paragraph, shown.start);
  if (token) focus(token);
  shown = anchor = null;
}

$("close").addEventListener("click", close);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !$("panel").hidden) close();
});

// --- correcting ----------------------------------------------------------

$("correct").addEventListener("submit", async (event) => {
  event.preventDefault();
  const checked = document.querySelector('#labels input:checked');
  const other = $("label").value.trim();
  if (!checked && !other) return show("Choose what it is.", true);
  const label = other || checked.value;
  const place = shown;
  const { outcome } = await request("POST", "corrections", { text, ...place, label });
  await list();
  const n = await tag();
  if (n === null) return;
  select(place.paragraph, place.start, place.end);
  await explain();
  show(`${outcome} ${n} in the text.`);
});

async function undo() {
  const { undone } = await request("POST", "undo", {});
  await list();
  shown = null;
  $("panel").hidden = true;
  if (paragraphs.length) await tag();
  show(undone ? `Taken back: “${undone}”.` : "There is nothing to take back.");
}

$("undo").addEventListener("click", undo);
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("textarea, input:not([type=radio])");
  if (typing || event.key !== "z" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  undo();
});

// The last choice counts.
$("labels").addEventListener("change", () => { $("label").value = ""; });
$("label").addEventListener("input", () => {
  const checked = document.querySelector('#labels input:checked');
  if (checked && $("label").value.trim()) checked.checked = false;
});

async function list() {
  const query = $("query").value;
  const { corrections, count } =
    await request("GET", `corrections?query=${encodeURIComponent(query)}`);
  if (query !== $("query").value) return;
  $("count").textContent = count > corrections.length
    ? `the last ${corrections.length} of ${count}` : `${count}`;
  $("list").replaceChildren(...corrections.map(correctionElement));
}

function correctionElement({ example_id, tokens, spans, source }) {
  const parts = [];
  const marked = new Map(spans.map(([start, end, label]) => [start, [end, label]]));
  for (let i = 0; i < tokens.length; ) {
    const [end, label] = marked.get(i) || [i + 1, null];
    const inside = tokens.slice(i, end).map(([word, space], j) =>
      word + (space && i + j + 1 < end ? " " : "")).join("");
    if (label === null) parts.push(inside);
    else parts.push(colored(make("mark", { className: label ? "" : "none" }, inside,
                                 make("small", {}, label || "no entity")), label));
    if (tokens[end - 1][1]) parts.push(" ");
    i = end;
  }
  if (source) parts.push(make("span", { className: "soft" }, ` ${source}`));
  const button = make("button", { type: "button" }, "Delete");
  const sentence = tokens.map(([word, space]) => word + (space ? " " : "")).join("");
  button.setAttribute("aria-label", `Delete: ${sentence}`);
  button.addEventListener("click", () => forget(example_id));
  return make("li", {}, make("div", {}, ...parts), button);
}

async function forget(exampleId) {
  await request("DELETE", `corrections/${exampleId}`);
  await list();
  shown = null;
  $("panel").hidden = true;
  if (paragraphs.length) await tag();
  show("Deleted.");
  $("query").focus();
}

$("query").addEventListener("input", list);

$("save").addEventListener("click", async () => {
  const { folder } = await request("POST", "save", {});
  show(`Saved to ${folder}.`);
});

$("tag").addEventListener("submit", async (event) => {
  event.preventDefault();
  shown = null;
  $("panel").hidden = true;
  show("…");
  const n = await tag($("text").value);
  if (n !== null) show(`${n} found.`);
});
$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("tag").requestSubmit();
});

request("GET", "about").then(list);
