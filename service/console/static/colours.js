// Colours of payers: always the same for the same name, whichever page shows it.

const HUES = [212, 152, 32, 268, 354, 186, 84, 320, 52, 236, 118, 10, 292, 168, 64];

/** Return the class and the custom properties that give an element a payer's colour. */
export function payerColour(name) {
  const hash = hashOf(name);
  return { tone: (hash >>> 16) % 2 ? "vivid" : "soft", hue: HUES[hash % HUES.length] };
}

/** Return what `h` and `s` need to colour an element by a payer's name. */
export function coloured(name, more = "") {
  const { tone, hue } = payerColour(name);
  return { class: `payer ${tone} ${more}`.trim(), style: { "--hue": hue } };
}

function hashOf(text) {
  let hash = 0x811c9dc5;
  for (const character of text) hash = Math.imul(hash ^ character.codePointAt(0), 0x01000193) >>> 0;
  // Names that differ in their last letter alone must not get neighbouring colours only.
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0;
  return (hash ^ (hash >>> 13)) >>> 0;
}
