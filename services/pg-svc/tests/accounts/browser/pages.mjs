// The accounts' pages in a real browser: first without script, then a look at what script could see.
import assert from "node:assert/strict";
import chromium from "@sparticuz/chromium";
import { chromium as playwright } from "playwright-core";

const [address, password] = process.argv.slice(2);
const browser = await playwright.launch({
  args: chromium.args,
  executablePath: await chromium.executablePath(),
  headless: true,
});

async function heading(page) {
  return (await page.locator("h1").textContent()).trim();
}

try {
  const plain = await browser.newContext({ javaScriptEnabled: false });
  const page = await plain.newPage();
  await page.goto(`${address}/auth/sessions`);
  assert.equal(await heading(page), "Log in");
  assert.match(await page.getByRole("note").textContent(), /^Development:/);

  await page.getByRole("link", { name: "Make an account" }).click();
  await page.getByLabel("Name").fill("ada");
  await page.getByLabel("Password").fill("password12");
  await page.getByRole("button", { name: "Sign up" }).click();
  assert.match(await page.getByRole("alert").textContent(), /easy to guess|tried first/);
  await page.getByLabel("Name").fill("ada");
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign up" }).click();
  assert.equal(await heading(page), "Sessions of ada");

  const cookies = await plain.cookies();
  assert.deepEqual(cookies.map((cookie) => cookie.name).sort(), ["dev-access", "dev-refresh"]);
  assert.ok(cookies.every((cookie) => cookie.httpOnly && cookie.sameSite === "Lax" && cookie.path === "/"));

  // Another page's form, sent by the browser itself, changes nothing
  const evil = await plain.newPage();
  await evil.goto(
    `data:text/html,<form method="post" action="${address}/auth/logout"><button>A prize</button></form>`,
  );
  const [refused] = await Promise.all([
    evil.waitForResponse((answer) => answer.url().endsWith("/auth/logout")),
    evil.getByRole("button").click(),
  ]);
  assert.equal(refused.status(), 403);
  await page.reload();
  assert.equal(await heading(page), "Sessions of ada");

  // A login elsewhere is seen here, and ended here
  const scripted = await browser.newContext();
  const other = await scripted.newPage();
  const complaints = [];
  other.on("console", (message) => complaints.push(message.text()));
  await other.goto(`${address}/auth/login`);
  await other.getByLabel("Name").fill("ada");
  await other.getByLabel("Password").fill(password);
  await other.getByRole("button", { name: "Log in" }).click();
  assert.equal(await heading(other), "Sessions of ada");
  assert.equal(await other.evaluate(() => document.cookie), "");
  assert.notEqual(await other.evaluate(() => getComputedStyle(document.querySelector("main")).maxWidth), "none");
  assert.deepEqual(complaints, []);
  const script = other.evaluate(() => {
    const element = document.createElement("script");
    element.textContent = "window.ran = true";
    document.body.append(element);
    return window.ran === true;
  });
  assert.equal(await script, false, "the Content-Security-Policy lets a script run");
  await page.reload();
  await page.getByRole("button", { name: "End" }).click();
  assert.equal(await page.getByRole("button", { name: "End" }).count(), 0);
  await other.reload();
  assert.equal(await heading(other), "Log in");

  await page.getByRole("link", { name: "Change the password" }).click();
  await page.getByLabel("Present password").fill(password);
  await page.getByLabel("New password").fill("entirely different words");
  await page.getByRole("button", { name: "Change it" }).click();
  assert.equal(await heading(page), "Sessions of ada");
  await page.getByRole("button", { name: "Log out" }).click();
  assert.equal(await heading(page), "Log in");
  assert.deepEqual(await plain.cookies(), []);
} finally {
  await browser.close();
}
