// Uses the gallery as people do, in Chromium, and prints what was seen as JSON.
// node drive.mjs ADDRESS CHROMIUM [FOLDER FOR SCREENSHOTS]
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [address, chromiumPath, screenshots] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const VIEWS = {
  desktop: { width: 1280, height: 860 },
  phone: { width: 390, height: 844, isMobile: true, hasTouch: true, deviceScaleFactor: 2 },
};
const WORDS = ["careful", "qwen3 sums", "polite 7b", "xyzzy"];

const browser = await chromium.launch({
  executablePath: chromiumPath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

async function open(view) {
  const { width, height, ...device } = VIEWS[view];
  const context = await browser.newContext({
    viewport: { width, height }, ...device, permissions: ["clipboard-read", "clipboard-write"],
  });
  const page = await context.newPage();
  const seen = { errors: [], strangers: [] };
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) seen.errors.push(message.text());
  });
  page.on("pageerror", (error) => seen.errors.push(String(error)));
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== new URL(address).origin) seen.strangers.push(request.url());
  });
  return { context, page, seen };
}

async function accessibility(page) {
  // The page's policy allows no script but its own; this one comes through the debugger.
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
  return found.violations.map((fault) => ({
    id: fault.id, impact: fault.impact, where: fault.nodes.slice(0, 3).map((node) => node.html),
  }));
}

const longest = (times) => Math.max(...times);

async function drive(view) {
  const { context, page, seen } = await open(view);
  const report = { view, accessibility: {}, keys: [] };
  const shot = async (name, options = {}) => {
    if (screenshots) await page.screenshot({ path: join(screenshots, `${view}-${name}.png`), ...options });
  };
  const look = async (name) => {
    report.accessibility[name] = await accessibility(page);
    // As wide as its window: nothing has to be scrolled sideways.
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wide > 0) seen.errors.push(`${name} is ${wide} pixels too wide`);
  };

  const start = Date.now();
  await page.goto(`${address}/index.html`);
  await page.waitForSelector(".card");
  report.opened_ms = Date.now() - start;
  report.total = await page.textContent("#count");
  await shot("index");
  await look("index");

  // Every key is measured, from its event to the picture after it.
  for (const words of WORDS) {
    await page.fill("#query", "");
    await page.locator("#query").pressSequentially(words, { delay: 60 });
    await page.waitForTimeout(150);
  }
  report.keys = await page.evaluate(() =>
    performance.getEntriesByName("palrs-results").map((entry) => Math.round(entry.duration * 10) / 10));
  report.slowest_key_ms = longest(report.keys);
  report.nothing = await page.textContent("#count");
  await page.fill("#query", "careful sums");
  report.searched = await page.textContent("#count");
  report.first = await page.textContent(".card h3");
  await shot("search");

  if (!(await page.locator("#filters").evaluate((node) => node.open))) await page.click("#filters summary");
  await page.fill("#query", "careful");
  await page.selectOption("#verdict", "recommended");
  await page.selectOption("#method", "palrs");
  report.filtered = await page.textContent("#count");
  report.badges = await page.locator(".card .badge").allTextContents();
  await page.waitForTimeout(400);
  report.address = new URL(page.url()).hash;
  await page.reload();
  await page.waitForSelector(".card");
  report.restored = await page.textContent("#count");
  await look("filtered");
  await page.evaluate(() => { location.hash = ""; });
  await page.waitForFunction(() => document.getElementById("query").value === "");
  await page.waitForTimeout(400);
  await page.click("#more");
  report.after_more = await page.locator(".card").count();

  // By keyboard alone: / to the search, on to the first vector, and in.
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press("/");
  report.focused = await page.evaluate(() => document.activeElement.id);
  await page.locator(".card h3 a").first().focus();
  await page.keyboard.press("Enter");
  await page.waitForSelector("h1");
  report.vector = await page.textContent("h1");
  await shot("vector", { fullPage: true });
  await look("vector");
  await page.locator("[role=tab]").first().focus();
  await page.keyboard.press("ArrowRight");
  report.tab = await page.textContent("[role=tab][aria-selected=true]");
  await page.locator("[role=tabpanel]:not([hidden]) .copy").click();
  await page.waitForFunction(() => document.getElementById("copied").textContent !== "");
  report.copied = await page.evaluate(() => navigator.clipboard.readText());
  report.snippet = await page.textContent("[role=tabpanel]:not([hidden]) code");

  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  report.light = await background();
  await page.click("#theme");
  report.dark = await background();
  report.pressed = await page.getAttribute("#theme", "aria-pressed");
  await shot("vector-dark", { fullPage: true });
  await look("vector-dark");
  await page.goto(`${address}/index.html`);
  await page.waitForSelector(".card");
  report.stays_dark = await background();
  await shot("index-dark");
  await look("index-dark");

  await page.locator(".pick").nth(0).click();
  await page.locator(".pick").nth(1).click();
  await shot("tray");
  await page.click("#go");
  await page.waitForSelector(".compare");
  report.compared = await page.locator(".compare thead th").allTextContents();
  await shot("compare", { fullPage: true });
  await look("compare");
  await page.goto(`${address}/about.html`);
  await look("about");
  await shot("about");
  await context.close();
  return { ...report, ...seen };
}

try {
  const reports = [];
  for (const view of Object.keys(VIEWS)) reports.push(await drive(view));
  console.log(JSON.stringify(reports, null, 2));
} finally {
  await browser.close();
}
