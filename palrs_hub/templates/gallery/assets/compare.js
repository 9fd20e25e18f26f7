"use strict";
(() => {
  const { entries, element, number, effect, badge, search, readHash, writeHash } = palrs;
  const at = (id) => document.getElementById(id);
  const bySlug = new Map(entries.map((entry) => [entry.slug, entry]));
  const SIDES = ["a", "b"];
  const SUGGESTED = 12;

  const span = (range) => (range ? `${range[0]} to ${range[1]}` : "not validated");
  const short = (source) => source.replace(/@([0-9a-f]{12})[0-9a-f]+$/, "@$1…");
  const ROWS = [
    ["Verdict", (e) => `${e.verdict} (${e.date})`, (e) => [badge(e.verdict), ` ${e.date}`]],
    ["Why", (e) => e.reason],
    ["Task", (e) => e.task],
    ["Base model", (e) => e.base],
    ["Method", (e) => e.method],
    ["Layers", (e) => e.layers.join(", ")],
    ["Coefficient", (e) => String(e.coefficient)],
    ["Usable range", (e) => span(e.range)],
    ["Evaluation", (e) => (e.head ? `${e.head.task}, ${e.head.metric}, ${e.head.samples} samples` : "not reported")],
    ["Unsteered", (e) => (e.head ? number(e.head.unsteered, e.head) : "–")],
    ["Random directions", (e) => (e.head ? number(e.head.random, e.head) : "–")],
    ["Steered", (e) => (e.head ? number(e.head.steered, e.head) : "–"),
      (e) => (e.head ? [element("b", {}, number(e.head.steered, e.head)), effect(e.head)] : ["–"])],
    ["Side effect", (e) => (e.side === null ? "not measured" : `${+e.side.toPrecision(3)} nats per token`)],
    ["Licence", (e) => e.license],
    ["Package", (e) => short(e.source)],
  ];

  function suggest(side) {
    const options = search(at(side).value, entries).slice(0, SUGGESTED);
    at(`names-${side}`).replaceChildren(
      ...options.map((entry) => element("option", { value: entry.slug }, entry.name)));
  }

  function table(pair) {
    const head = element("tr", {}, element("td", {}), ...pair.map((entry) =>
      element("th", { scope: "col" }, element("a", { href: `vectors/${entry.slug}.html` }, entry.name))));
    const body = ROWS.map(([name, text, rich]) => {
      const differs = pair.length === 2 && text(pair[0]) !== text(pair[1]);
      return element("tr", { class: differs ? "differs" : "" },
        element("th", { scope: "row" }, name,
          ...(differs ? [element("span", { class: "hidden" }, " (differs)")] : [])),
        ...pair.map((entry) => element("td", {}, ...(rich ? rich(entry) : [text(entry)]))));
    });
    const made = element("table", { class: "compare" },
      element("caption", { class: "hidden" }, "The two vectors side by side"),
      element("thead", {}, head), element("tbody", {}, ...body));
    const box = element("div", { class: "scroll", role: "region", "aria-label": "Comparison" }, made);
    box.tabIndex = 0;
    return box;
  }

  function show() {
    const pair = SIDES.map((side) => bySlug.get(at(side).value.trim())).filter(Boolean);
    at("table").replaceChildren(...(pair.length ? [table(pair)] : []));
    at("command").replaceChildren();
    if (pair.length < 2) {
      at("state").textContent = pair.length ? "Choose a second vector." : "Choose two vectors.";
    } else {
      const same = pair[0].base === pair[1].base;
      at("state").textContent = same
        ? "Both are for the same base model."
        : "They are for different base models: their numbers cannot be compared directly.";
      const line = element("pre", { tabIndex: 0 }, element("code", {},
        `palrs-hub diff ${pair[0].source} ${pair[1].source}`));
      at("command").append(element("p", {}, "Field by field, with the angle between the directions:"), line);
    }
    writeHash({ a: at("a").value, b: at("b").value });
  }

  function restore() {
    const kept = readHash();
    for (const side of SIDES) at(side).value = kept.get(side) || "";
    SIDES.forEach(suggest);
    show();
  }

  for (const side of SIDES) {
    at(side).addEventListener("input", () => { suggest(side); show(); });
  }
  addEventListener("hashchange", restore);
  restore();
})();
