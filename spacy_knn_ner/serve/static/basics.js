// Requests, the status line, and building elements.

export const $ = (id) => document.getElementById(id);

// --- the server ----------------------------------------------------------

// An error that the page has shown already.
class ShownError extends Error {}
addEventListener("unhandledrejection", (event) => {
  if (event.reason instanceof ShownError) event.preventDefault();
});

// Every response describes the pipeline, too: see the event "about".
export async function request(method, path, values) {
  document.body.setAttribute("aria-busy", "true");
  try {
    const response = await fetch(`api/${path}`, {
      method,
      headers: values ? { "Content-Type": "application/json" } : {},
      body: values ? JSON.stringify(values) : undefined,
    });
    const body = await response.json();
    if (!response.ok) throw new Error(body.error);
    document.dispatchEvent(new CustomEvent("about", { detail: body.about }));
    return body;
  } catch (error) {
    show(error.message, true);
    throw new ShownError(error.message);
  } finally {
    document.body.removeAttribute("aria-busy");
  }
}

export function show(message, isError = false) {
  $("status").textContent = message;
  $("status").className = isError ? "error" : "";
}

// --- building elements ---------------------------------------------------

export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// One color per label: hues by the golden angle, so that no two are alike.
const hues = new Map();

export function hueOf(label) {
  if (!hues.has(label)) hues.set(label, Math.round(205 + 137.5 * hues.size) % 360);
  return hues.get(label);
}

export function colored(mark, label) {
  if (!label) return mark;
  const hue = hueOf(label);
  mark.style.background = `hsl(${hue} 75% 88%)`;
  mark.style.color = `hsl(${hue} 80% 20%)`;
  return mark;
}

const PLACES = { B: "begins", I: "goes on", L: "ends" };

// "L-ORG" → "ORG ends", "U-ORG" → "ORG".
export function tagInWords(tag) {
  if (tag === "O") return "no entity";
  const label = tag.slice(2), place = PLACES[tag[0]];
  return place ? `${label} ${place}` : label;
}

export const percent = (value) => value.toLocaleString("en", { style: "percent" });
