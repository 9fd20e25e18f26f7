// Runs before the page is painted, so that it never flashes in the other colours.
"use strict";
(() => {
  const root = document.documentElement;
  const asked = matchMedia("(prefers-color-scheme: dark)");
  let kept = null;
  try {
    kept = localStorage.getItem("palrs-theme");
  } catch {
    // A page in a sandboxed frame has no storage; the choice then lasts for this page.
  }
  if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  const isDark = () => (root.dataset.theme || (asked.matches ? "dark" : "light")) === "dark";
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const show = () => button.setAttribute("aria-pressed", String(isDark()));
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      try {
        localStorage.setItem("palrs-theme", root.dataset.theme);
      } catch {
        // As above.
      }
      show();
    });
    asked.addEventListener("change", show);
    show();
  });
})();
