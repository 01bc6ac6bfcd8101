// What the page is made with: asking the server, saying something, building elements.

export const $ = (id) => document.getElementById(id);

// --- the server ----------------------------------------------------------

// An error that the page has shown; whoever waited for an answer stops.
class Said extends Error {}
addEventListener("unhandledrejection", (event) => {
  if (event.reason instanceof Said) event.preventDefault();
});

// Every answer tells about the pipeline, too: whoever wants to know listens.
export async function ask(method, path, values) {
  document.body.setAttribute("aria-busy", "true");
  try {
    const response = await fetch(`api/${path}`, {
      method,
      headers: values ? { "Content-Type": "application/json" } : {},
      body: values ? JSON.stringify(values) : undefined,
    });
    const found = await response.json();
    if (!response.ok) throw new Error(found.error);
    document.dispatchEvent(new CustomEvent("about", { detail: found.about }));
    return found;
  } catch (error) {
    say(error.message, true);
    throw new Said(error.message);
  } finally {
    document.body.removeAttribute("aria-busy");
  }
}

export function say(message, isError = false) {
  $("status").textContent = message;
  $("status").className = isError ? "error" : "";
}

// --- building elements ---------------------------------------------------

export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export const percent = (value) => value.toLocaleString("en", { style: "percent" });
