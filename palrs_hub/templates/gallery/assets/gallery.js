"use strict";
(() => {
  const { entries, VERDICTS, element, number, effect, badge, search, readHash, writeHash } = palrs;
  const PAGE = 24;
  const FIRST = 9; // what a window shows; the rest of the page follows a moment later
  const FILTERS = ["base", "task", "method", "verdict"];
  const at = (id) => document.getElementById(id);
  const query = at("query"), results = at("results"), more = at("more"), sort = at("sort");
  let found = [], shown = 0, later = 0, keeping = 0;
  const chosen = [];

  const gain = (entry) => {
    const head = entry.head;
    if (!head || head.unsteered === null) return -Infinity;
    return (head.higher ? 1 : -1) * (head.steered - head.unsteered);
  };
  const ORDERS = {
    best: null, // as they come
    gain: (a, b) => gain(b) - gain(a),
    gentle: (a, b) => (a.side ?? Infinity) - (b.side ?? Infinity),
    recent: (a, b) => b.date.localeCompare(a.date),
    name: (a, b) => (a.label < b.label ? -1 : a.label > b.label ? 1 : 0),
  };

  function fillFilters() {
    for (const name of FILTERS) {
      const counts = new Map();
      for (const entry of entries) counts.set(entry[name], (counts.get(entry[name]) || 0) + 1);
      const order = name === "verdict"
        ? VERDICTS.filter((verdict) => counts.has(verdict))
        : [...counts.keys()].sort((a, b) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1));
      at(name).append(...order.map((value) =>
        element("option", { value }, `${value} (${counts.get(value).toLocaleString("en")})`)));
    }
  }

  function card(entry) {
    const head = entry.head;
    const measured = head
      ? element("div", { class: "measured" },
        element("p", {},
          element("span", { class: "hidden" }, `${head.metric}: unsteered `),
          element("span", { class: "before" }, number(head.unsteered, head)),
          element("span", { class: "arrow", "aria-hidden": "true" }, "→"),
          element("span", { class: "hidden" }, "steered "),
          element("b", {}, number(head.steered, head)),
          element("span", { class: "small" }, head.metric)),
        effect(head))
      : element("p", { class: "small" }, "No evaluation reported");
    const box = element("input", {
      type: "checkbox", checked: chosen.includes(entry), id: `compare-${entry.slug}`,
    });
    box.addEventListener("change", () => choose(entry, box.checked));
    return element("li", { class: "card" },
      element("div", { class: "card-head" },
        element("h3", {}, element("a", { href: `vectors/${entry.slug}.html` }, entry.name)),
        badge(entry.verdict)),
      element("p", { class: "mono for" }, entry.base),
      element("p", { class: "about" }, entry.description || entry.task),
      measured,
      element("div", { class: "card-foot" },
        element("p", { class: "chips" },
          element("span", { class: "chip" }, entry.task),
          element("span", { class: "chip" }, entry.method)),
        element("label", { class: "pick", for: box.id },
          box, "Compare", element("span", { class: "hidden" }, ` ${entry.name}`))));
  }

  function append(count) {
    const next = found.slice(shown, shown + count);
    results.append(...next.map(card));
    shown += next.length;
    more.hidden = shown >= found.length;
    if (!more.hidden) more.textContent = `Show ${Math.min(PAGE, found.length - shown)} more`;
  }

  function showFirst() {
    clearTimeout(later);
    results.replaceChildren();
    shown = 0;
    append(FIRST);
    later = setTimeout(() => append(PAGE - FIRST), 120);
  }

  function update() {
    const values = Object.fromEntries(FILTERS.map((name) => [name, at(name).value]));
    const wanted = FILTERS.filter((name) => values[name]);
    const among = wanted.length
      ? entries.filter((entry) => wanted.every((name) => entry[name] === values[name]))
      : entries;
    found = search(query.value, among);
    const order = ORDERS[sort.value];
    if (order) found.sort(order);
    showFirst();
    at("filtered").textContent = wanted.length ? `(${wanted.length} set)` : "";
    at("count").textContent = found.length
      ? `${found.length.toLocaleString("en")} of ${entries.length.toLocaleString("en")} vectors`
      : "No vector matches. Fewer words or filters find more.";
    // Not at every key: a browser slows down a page that rewrites its address all the time.
    clearTimeout(keeping);
    keeping = setTimeout(() => {
      writeHash({ q: query.value, ...values, sort: sort.value === "best" ? "" : sort.value });
    }, 300);
  }

  // From the key to the picture: what a user waits for.
  function measure(event) {
    requestAnimationFrame(() => setTimeout(() => {
      performance.measure("palrs-results", { start: event.timeStamp, end: performance.now() });
    }));
  }

  function choose(entry, isChosen) {
    const place = chosen.indexOf(entry);
    if (isChosen && place < 0) chosen.push(entry);
    if (!isChosen && place >= 0) chosen.splice(place, 1);
    while (chosen.length > 2) {
      const old = at(`compare-${chosen.shift().slug}`);
      if (old) old.checked = false;
    }
    at("tray").hidden = chosen.length === 0;
    at("chosen").textContent = chosen.length === 1
      ? `${chosen[0].name}: choose one more to compare`
      : chosen.map((item) => item.name).join(" and ");
    const [a, b] = chosen.map((item) => item.slug);
    at("go").href = `compare.html#${new URLSearchParams({ a: a || "", b: b || "" })}`;
  }

  function restore() {
    clearTimeout(keeping);
    const kept = readHash();
    query.value = kept.get("q") || "";
    for (const name of FILTERS) {
      at(name).value = kept.get(name) || "";
      if (at(name).selectedIndex < 0) at(name).value = "";
    }
    sort.value = kept.get("sort") || "best";
    if (sort.selectedIndex < 0) sort.value = "best";
    update();
  }

  fillFilters();
  if (matchMedia("(max-width: 640px)").matches) at("filters").open = false;
  query.addEventListener("input", (event) => { update(); measure(event); });
  query.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && query.value) { query.value = ""; update(); event.preventDefault(); }
  });
  for (const name of [...FILTERS, "sort"]) at(name).addEventListener("change", (event) => { update(); measure(event); });
  at("clear").addEventListener("click", () => {
    query.value = "";
    for (const name of FILTERS) at(name).value = "";
    sort.value = "best";
    update();
    query.focus();
  });
  more.addEventListener("click", () => {
    const next = shown;
    append(PAGE);
    results.children[next]?.querySelector("a").focus();
  });
  at("forget").addEventListener("click", () => {
    for (const entry of chosen.slice()) {
      const box = at(`compare-${entry.slug}`);
      if (box) box.checked = false;
      choose(entry, false);
    }
  });
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      query.focus();
    }
  });
  addEventListener("hashchange", restore);
  restore();
  // The first key finds the code compiled.
  setTimeout(() => search("warm up", entries), 200);
})();
