"use strict";
// Shows openapi.json beside this page and sends requests to the service that serves it. Text from the
// document and from answers only ever becomes text nodes.
(async () => {
  const main = document.getElementById("operations");
  const token = document.getElementById("token");
  const filter = document.getElementById("filter");
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element[name] = value;
    element.append(...children);
    return element;
  };

  let api;
  try {
    api = await (await fetch("openapi.json")).json();
  } catch (error) {
    main.replaceChildren(make("p", {}, `The document could not be read: ${error}`));
    return;
  }
  const resolve = (node) => {
    for (let steps = 0; node && node.$ref && steps < 8; steps++) {
      node = node.$ref.slice(2).split("/").reduce((at, key) => at && at[key.replace("~1", "/").replace("~0", "~")], api);
    }
    return node || {};
  };
  document.title = api.info.title;
  document.getElementById("title").replaceChildren(api.info.title, " ", make("small", {}, api.info.version));
  document.getElementById("summary").textContent = api.info.description || "";
  const base = ((api.servers || [{}])[0].url || "").replace(/\/$/, "");

  const example = (content) => {
    const [type, media] = Object.entries(content || {})[0] || ["", {}];
    const schema = resolve(media.schema);
    const value = media.example ?? Object.values(media.examples || {}).map(resolve)[0]?.value ?? schema.example;
    const text = value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value, null, 2);
    return { type, text };
  };

  const operation = (path, method, shared, spec) => {
    const parameters = [...(shared || []), ...(spec.parameters || [])].map(resolve);
    const fields = parameters.map((parameter) => ({
      parameter,
      input: make("input", {
        value: parameter.example ?? resolve(parameter.schema).example ?? "",
        placeholder: resolve(parameter.schema).default ?? "",
        ariaLabel: parameter.name,
      }),
    }));
    const body = spec.requestBody ? example(resolve(spec.requestBody).content) : null;
    const kinds = body ? Object.keys(resolve(spec.requestBody).content) : [];
    const kind = make("select", {}, ...kinds.map((type) => make("option", { value: type }, type)));
    const text = make("textarea", { value: body ? body.text : "", spellcheck: false, ariaLabel: "body" });
    const output = make("pre", { hidden: true });

    const send = async () => {
      let address = path;
      const query = new URLSearchParams();
      const headers = {};
      for (const { parameter, input } of fields) {
        if (parameter.in === "path") address = address.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
        else if (!input.value) continue;
        else if (parameter.in === "query") query.append(parameter.name, input.value);
        else if (parameter.in === "header") headers[parameter.name] = input.value;
      }
      if (token.value) headers.Authorization = `Bearer ${token.value}`;
      if (body && text.value) headers["Content-Type"] = kind.value;
      output.hidden = false;
      output.textContent = "…";
      try {
        const url = base + address + (query.size ? `?${query}` : "");
        const answer = await fetch(url, { method: method.toUpperCase(), headers, body: body && text.value ? text.value : undefined });
        const shown = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
        output.textContent = `${method.toUpperCase()} ${url}\n\n${answer.status} ${answer.statusText}\n${shown}\n\n`;
        const type = answer.headers.get("content-type") || "";
        if (type.includes("event-stream")) {
          for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) output.append(piece);
          return;
        }
        const content = await answer.text();
        output.append(type.includes("json") && content ? JSON.stringify(JSON.parse(content), null, 2) : content);
      } catch (error) {
        output.append(String(error));
      }
    };

    const rows = fields.map(({ parameter, input }) => make("tr", {},
      make("td", {}, make("code", {}, parameter.name), make("div", { className: "hint" }, parameter.in + (parameter.required ? ", required" : ""))),
      make("td", {}, input), make("td", {}, parameter.description || "")));
    const answers = Object.entries(spec.responses || {}).map(([status, answer]) => make("tr", {},
      make("td", {}, make("code", {}, status)), make("td", {}, resolve(answer).description || "")));
    return make("details", {},
      make("summary", {}, make("span", { className: `method ${method}` }, method.toUpperCase()), make("code", {}, path),
        make("span", {}, spec.summary || "")),
      make("div", { className: "body" }, make("p", {}, spec.description || ""),
        ...(rows.length ? [make("table", {}, ...rows)] : []),
        ...(body ? [make("h2", {}, "Body"), kind, text] : []),
        make("p", {}, make("button", { type: "button", onclick: send }, "Send")), output,
        make("h2", {}, "Answers"), make("table", {}, ...answers)));
  };

  const groups = new Map();
  for (const [path, item] of Object.entries(api.paths || {})) {
    for (const [method, spec] of Object.entries(item)) {
      if (!["get", "put", "post", "patch", "delete", "head", "options", "query"].includes(method)) continue;
      const tag = (spec.tags || ["Endpoints"])[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operation(path, method, item.parameters, spec));
    }
  }
  main.replaceChildren(...[...groups].flatMap(([tag, items]) => [make("h2", {}, tag), ...items]));
  filter.addEventListener("input", () => {
    for (const item of main.querySelectorAll("details")) {
      item.hidden = !item.querySelector("summary").textContent.toLowerCase().includes(filter.value.toLowerCase());
    }
  });
})();
