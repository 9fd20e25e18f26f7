"use strict";
(() => {
  const tabs = [...document.querySelectorAll("[role=tab]")];
  const panels = tabs.map((tab) => document.getElementById(tab.getAttribute("aria-controls")));

  function open(index) {
    tabs.forEach((tab, place) => {
      tab.setAttribute("aria-selected", String(place === index));
      tab.tabIndex = place === index ? 0 : -1;
      panels[place].hidden = place !== index;
    });
  }

  tabs.forEach((tab, index) => {
    tab.addEventListener("click", () => open(index));
    tab.addEventListener("keydown", (event) => {
      const steps = { ArrowRight: 1, ArrowLeft: -1 };
      const next = event.key === "Home" ? 0 : event.key === "End" ? tabs.length - 1
        : (index + (steps[event.key] || 0) + tabs.length) % tabs.length;
      if (next === index) return;
      event.preventDefault();
      open(next);
      tabs[next].focus();
    });
  });
  if (tabs.length) open(0);

  // A page in a frame may have no clipboard: then a selection is copied the old way.
  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const field = document.createElement("textarea");
      field.value = text;
      field.className = "hidden";
      document.body.append(field);
      field.select();
      const done = document.execCommand("copy");
      field.remove();
      if (!done) throw new Error("not copied");
    }
  }

  for (const button of document.querySelectorAll(".copy")) {
    button.addEventListener("click", async () => {
      const told = document.getElementById("copied");
      try {
        await copy(button.parentElement.querySelector("code").textContent);
        button.textContent = "Copied";
        told.textContent = "Copied to the clipboard.";
      } catch {
        button.textContent = "Select and copy by hand";
        told.textContent = "The browser does not allow copying here.";
      }
      setTimeout(() => { button.textContent = "Copy"; told.textContent = ""; }, 2000);
    });
  }
})();
