// Uses the playground as people do, in Chromium, and prints what was seen as JSON.
// node app.mjs ADDRESS CHROMIUM FOLDER [FOLDER FOR SCREENSHOTS]; what is saved goes to FOLDER.
import { join } from "node:path";
import { chromium } from "playwright-core";

const [address, chromiumPath, folder, screenshots] = process.argv.slice(2);
const SUM = "478+356=";
const FUNCTION = "f(x): remove 7 but not below 0, add 3 then times 4, divide by 8 rounding up";
const [SUMS, CODE] = [0, 1]; // the order of the sliders
const [UNSTEERED, STEERED] = [0, 1];

const browser = await chromium.launch({
  executablePath: chromiumPath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

try {
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 1100 } })).newPage();
  const report = { errors: [], strangers: [], saved: [] };
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) report.errors.push(message.text());
  });
  page.on("pageerror", (error) => report.errors.push(String(error)));
  page.on("response", (response) => {
    if (response.status() >= 400) report.errors.push(`${response.status()} ${response.url()}`);
  });
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (!["data:", "blob:"].includes(url.protocol) && url.origin !== new URL(address).origin) {
      report.strangers.push(request.url());
    }
  });

  const shot = (name) => screenshots
    && page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true });
  const view = (row) => page.locator(`#presence-${row} .score-token`);

  // Both texts, once nothing is under way any more: the tokens below are those of the texts above.
  async function settled() {
    let before = "";
    for (let tries = 0; tries < 200; tries += 1) {
      await page.waitForTimeout(300);
      const now = {
        unsteered: await page.inputValue("#unsteered textarea"),
        steered: await page.inputValue("#steered textarea"),
        colours: await view(STEERED).evaluateAll((nodes) => nodes.map((node) => node.style.backgroundColor)),
      };
      if (now.steered && before === JSON.stringify(now)) return now;
      before = JSON.stringify(now);
    }
    throw new Error("The texts went on changing for a minute.");
  }

  const slider = (number) => page.locator(`#coefficient-${number} input[type=range]`);
  // By keyboard, step by step, as somebody would who looks at what changes.
  async function turn(number, target) {
    await slider(number).focus();
    const key = Number(await slider(number).inputValue()) > target ? "ArrowLeft" : "ArrowRight";
    for (let steps = 0; Number(await slider(number).inputValue()) !== target; steps += 1) {
      if (steps > 200) throw new Error(`${target} is not on slider ${number}.`);
      await page.keyboard.press(key);
    }
    return settled();
  }
  async function ask(prompt) {
    await page.fill("#prompt textarea", prompt);
    await page.click("#generate");
    return settled();
  }
  async function save(name) {
    const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save")]);
    report.saved.push(download.suggestedFilename());
    await download.saveAs(join(folder, name));
  }

  await page.goto(address);
  report.own = [Number(await slider(SUMS).inputValue()), Number(await slider(CODE).inputValue())];
  report.both_sum = await ask(SUM);
  await shot("own");
  report.tokens = [await view(UNSTEERED).count(), await view(STEERED).count()];
  report.off_sum = await turn(SUMS, 0);
  await shot("off");
  report.code_alone = await ask(FUNCTION);
  await save("first.zip");
  await turn(CODE, 0);
  report.sums_alone = await turn(SUMS, report.own[SUMS]);
  report.sums_alone_sum = await ask(SUM);
  await save("second.zip");

  await page.click("#direction input");
  await page.locator("[role=option]").nth(CODE).click();
  report.other_direction = await settled();
  await shot("other-direction");
  await page.setViewportSize({ width: 390, height: 844 });
  await page.waitForTimeout(300);
  report.too_wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  await shot("phone");
  console.log(JSON.stringify(report));
} finally {
  await browser.close();
}
