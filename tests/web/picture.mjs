// Draws docs/images/gallery.png from a gallery on disk, without a server.
// node picture.mjs SITE/vectors/SLUG.html PICTURE.png [CHROMIUM]
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [file, picture, chromiumPath = "/usr/bin/chromium"] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: chromiumPath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
try {
  const page = await browser.newPage({ viewport: { width: 1160, height: 1040 } });
  page.on("console", (message) => console.error(message.text()));
  await page.goto(pathToFileURL(resolve(file)).href);
  await page.waitForTimeout(300);
  await page.screenshot({ path: picture });
} finally {
  await browser.close();
}
