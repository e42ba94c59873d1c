// Colours of payers: the same name has the same colour on every page, and is always shown beside it.

const HUES = [212, 158, 32, 268, 352, 188, 88, 318, 52, 236, 122, 12, 290, 172, 70, 336];
const TONES = ["pale", "full", "deep"];
const PATTERNS = ["plain", "plain", "striped"];

/** Return the colour of a payer: a hue, a tone and a pattern. */
export function payerColour(name) {
  const hash = hashOf(name);
  return { hue: HUES[hash % 16], tone: TONES[(hash >>> 4) % 3], pattern: PATTERNS[(hash >>> 12) % 3] };
}

/** Return the attributes with which `h` and `s` colour an element by a payer's name. */
export function coloured(name, more = "") {
  const { hue, tone, pattern } = payerColour(name);
  return { class: `payer ${tone} ${pattern} ${more}`.trim(), style: { "--hue": hue } };
}

function hashOf(text) {
  let hash = 197798; // any seed works; this one keeps the names in the examples well apart
  for (const character of text) hash = Math.imul(hash ^ character.codePointAt(0), 0x01000193) >>> 0;
  // Names that differ only in their last letter must not all get similar colours.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35) >>> 0;
  return (hash ^ (hash >>> 16)) >>> 0;
}
