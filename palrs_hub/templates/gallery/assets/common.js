// What the pages with lists share. Text from entries only ever becomes text nodes.
"use strict";
const palrs = (() => {
  const SVG = "http://www.w3.org/2000/svg";
  const VERDICTS = ["recommended", "accepted", "experimental", "unreviewed", "superseded", "withdrawn"];

  // entries.js holds rows; here they become objects, with the text that is searched.
  const { fields, rows } = window.PALRS_ENTRIES;
  const entries = rows.map((row) => {
    const entry = {};
    for (let i = 0; i < fields.length; i++) entry[fields[i]] = row[i];
    entry.label = entry.name.toLowerCase();
    entry.haystack = [
      entry.slug, entry.name, entry.base, entry.task, entry.method, entry.verdict, entry.source,
      entry.description, ...entry.tags,
    ].join("\n").toLowerCase();
    return entry;
  });

  function element(tag, properties = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name === "class") made.className = value;
      else if (name.startsWith("aria-") || name === "for" || name === "scope" || name === "role") {
        made.setAttribute(name, value);
      } else made[name] = value;
    }
    made.append(...children);
    return made;
  }

  function shape(tag, attributes) {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  }

  const isShare = (head) => [head.steered, head.unsteered, head.random].every(
    (value) => value === null || (value >= 0 && value <= 1),
  );

  function number(value, head) {
    if (value === null) return "–";
    return isShare(head) ? `${(100 * value).toFixed(1)} %` : String(+value.toPrecision(4));
  }

  // The unsteered value as a mark on the steered one's bar.
  function effect(head) {
    const top = isShare(head) ? 1 : Math.max(head.steered, head.unsteered ?? 0, head.random ?? 0) || 1;
    const place = (value) => Math.max(0, Math.min(100, (100 * value) / top));
    const bar = shape("svg", { viewBox: "0 0 100 8", preserveAspectRatio: "none", class: "effect", "aria-hidden": "true" });
    bar.append(shape("rect", { class: "track", width: 100, height: 8 }));
    bar.append(shape("rect", { class: "value", width: place(head.steered), height: 8 }));
    if (head.unsteered !== null) {
      bar.append(shape("rect", { class: "mark", x: Math.min(98.5, place(head.unsteered)), width: 1.5, height: 8 }));
    }
    return bar;
  }

  const badge = (verdict) => element("span", { class: `badge ${verdict}` }, verdict);

  // Whether each word is somewhere in the entry; those with a name that fits come first.
  function search(text, among) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return among.slice();
    const first = [], second = [], third = [];
    for (const entry of among) {
      if (!words.every((word) => entry.haystack.includes(word))) continue;
      if (entry.label.startsWith(words[0])) first.push(entry);
      else if (words.every((word) => entry.label.includes(word))) second.push(entry);
      else third.push(entry);
    }
    return first.concat(second, third);
  }

  const readHash = () => new URLSearchParams(location.hash.slice(1));
  function writeHash(values) {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(values)) if (value) parameters.set(name, value);
    history.replaceState(null, "", `#${parameters}`);
  }

  return { entries, VERDICTS, element, shape, number, effect, badge, search, readHash, writeHash };
})();
