"use strict";

const INTERVAL = 3000;

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function addCard(service) {
  const card = document.getElementById("card").content.cloneNode(true).firstElementChild;
  card.querySelector("h2").textContent = service.program;
  card.querySelector(".summary").textContent = service.summary;
  card.querySelector(".docs").href = `/${service.name}/docs`;
  card.querySelector(".openapi").href = `/${service.name}/openapi.json`;
  card.querySelector(".ports").replaceChildren(
    element("code", `/${service.name}`), ` · direct :${service.port} · admin :${service.admin_port}`);
  document.getElementById("services").append(card);
  return card;
}

function show(card, state, label, checks) {
  const badge = card.querySelector(".state");
  if (badge.dataset.state !== state) {
    badge.dataset.state = state;
    badge.textContent = label;
  }
  card.querySelector(".checks").replaceChildren(...Object.entries(checks).map(([name, check]) => {
    const item = element("li", check.ok ? `${name}: ok` : `${name}: ${check.error || "not ready"}`);
    item.dataset.ok = check.ok;
    return item;
  }));
}

async function refresh(service, card) {
  try {
    const answer = await fetch(`/-/status/${service.name}`, {cache: "no-store"});
    const report = await answer.json();
    if (!report.checks) {
      show(card, "failed", "not running", {});
    } else if (answer.ok) {
      show(card, "ok", "ready", report.checks);
    } else {
      show(card, "failed", "not ready", report.checks);
    }
  } catch {
    show(card, "unknown", "unreachable", {});
  }
}

async function main() {
  const stack = await (await fetch("/-/stack.json", {cache: "no-store"})).json();
  const cards = stack.services.map((service) => [service, addCard(service)]);
  document.getElementById("stores").replaceChildren(...stack.stores.map((store) => {
    const row = document.createElement("tr");
    const address = document.createElement("td");
    address.append(element("code", store.url));
    row.append(element("td", store.title), address,
      element("td", store.embedded ? "embedded here" : "the environment"));
    return row;
  }));
  const notes = [stack.asks_for_token
    ? "Requests need a token: Authorization: Bearer …"
    : "No token is needed: everyone on this machine may do everything."];
  if (stack.simulated_weather) notes.push("The weather is simulated (OFFLINE=1).");
  document.getElementById("notes").textContent = notes.join(" ");
  for (;;) {
    await Promise.all(cards.map(([service, card]) => refresh(service, card)));
    await new Promise((resolve) => setTimeout(resolve, INTERVAL));
  }
}

main();
