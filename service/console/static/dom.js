// Creates elements. Text is only ever set as text: neither this module nor any other parses markup from a string.

const SVG = "http://www.w3.org/2000/svg";

/** Return an element. `given` holds attributes; `on` listeners by event; `style` custom properties, set one by one. */
export function h(tag, given = {}, ...children) {
  return furnish(document.createElement(tag), given, children);
}

/** Return an SVG element. */
export function s(tag, given = {}, ...children) {
  return furnish(document.createElementNS(SVG, tag), given, children);
}

/** Replace the children of an element. */
export function fill(element, ...children) {
  element.replaceChildren(...nodes(children));
  return element;
}

function furnish(element, given, children) {
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (name === "style") for (const [property, text] of Object.entries(value)) element.style.setProperty(property, text);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...nodes(children));
  return element;
}

function nodes(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}
