// Marks the pins of a pasted or dropped list that are withdrawn. The list is read here; for each
// pinned project this mirror is asked for project/<name>/withdrawn.json, and no other server.
"use strict";
(() => {
  const section = document.getElementById("pins");
  const list = document.getElementById("pins-list");
  const file = document.getElementById("pins-file");
  const status = document.getElementById("pins-status");
  const found = document.getElementById("pins-found");
  const AT_ONCE = 8;
  if (location.protocol === "file:") return; // a directory answers no requests

  // PEP 440: equal versions become equal texts, as packaging.utils.canonicalize_version has it.
  const VERSION = new RegExp(
    "^v?(?:(\\d+)!)?(\\d+(?:\\.\\d+)*)" +
    "(?:[-_.]?(alpha|beta|preview|pre|rc|a|b|c)[-_.]?(\\d*))?" +
    "(?:-(\\d+)|[-_.]?(post|rev|r)[-_.]?(\\d*))?" +
    "(?:[-_.]?(dev)[-_.]?(\\d*))?(?:\\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?$");
  const STAGES = { alpha: "a", beta: "b", c: "rc", pre: "rc", preview: "rc" };
  const number = digits => String(BigInt(digits || 0));
  const canonical = text => {
    const version = text.trim().toLowerCase();
    const parts = version.length <= 256 && VERSION.exec(version);
    if (!parts) return version;
    const [, epoch, release, pre, preNumber, bare, post, postNumber, dev, devNumber, local] = parts;
    const numbers = release.split(".").map(number);
    while (numbers.length > 1 && numbers.at(-1) === "0") numbers.pop();
    return (epoch && number(epoch) !== "0" ? `${number(epoch)}!` : "") + numbers.join(".") +
      (pre ? (STAGES[pre] || pre) + number(preNumber) : "") +
      (bare || post ? `.post${number(bare || postNumber)}` : "") +
      (dev ? `.dev${number(devNumber)}` : "") +
      (local ? `+${local.split(/[-_.]/).map(part => /^\d+$/.test(part) ? number(part) : part)
        .join(".")}` : "");
  };

  const ofRequirements = text => text.split("\n").flatMap(line => {
    const parts = /^\s*([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*={2,3}\s*([^\s;,#\\]+)/.exec(line);
    return parts && !parts[2].endsWith(".*") ? [[parts[1], parts[2]]] : [];
  });

  // uv.lock, poetry.lock, pdm.lock, pylock.toml: the first lines of each table of the array.
  // Packages from elsewhere than an index are left out.
  const ofToml = text => text.split(/^\[\[packages?\]\]\s*$/m).slice(1).flatMap(table => {
    const own = table.split(/^\[/m)[0];
    const name = /^name = "([^"]+)"/m.exec(own);
    const version = /^version = "([^"]+)"/m.exec(own);
    const elsewhere = /^(?:git|path|url|vcs|directory|archive) = |^source = \{ (?!registry)/m
      .test(own) || /^\[packages\.(?:vcs|directory|archive)\]/m.test(table)
      || /^\[package\.source\]\s*\ntype = "(?:git|directory|file|url)"/m.test(table);
    return name && version && !elsewhere ? [[name[1], version[1]]] : [];
  });

  const ofPipfile = text => ["default", "develop"].flatMap(part =>
    Object.entries(JSON.parse(text)[part] || {}).flatMap(([name, { version }]) =>
      typeof version === "string" ? [[name, version.replace(/^={2,3}/, "")]] : []));

  const pinsOf = given => {
    const text = given.replace(/\r\n?/g, "\n");
    if (/^\[\[packages?\]\]\s*$/m.test(text)) return ofToml(text);
    if (!/^\s*\{/.test(text)) return ofRequirements(text);
    try {
      return ofPipfile(text);
    } catch {
      return []; // it is no Pipfile.lock
    }
  };

  // Only a valid name becomes part of an address.
  const normalized = name => {
    const plain = name.toLowerCase().replace(/[-_.]+/g, "-");
    return /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(plain) ? plain : null;
  };

  // Returns what is withdrawn of a project; null: nothing that is known; undefined: no answer.
  // Object storage that lists nothing answers 403 for what is not there.
  const ask = async name => {
    try {
      const answer = await fetch(`project/${name}/withdrawn.json`, { credentials: "same-origin" });
      if (answer.status === 404 || answer.status === 403) return null;
      return answer.ok ? await answer.json() : undefined;
    } catch {
      return undefined;
    }
  };

  const ofVersion = (versions, version) =>
    Object.hasOwn(versions, version) ? versions[version] : null;

  const cell = (row, text, kind = "td") => {
    const made = document.createElement(kind);
    made.textContent = text;
    row.append(made);
    return made;
  };

  const addRow = (name, version, said) => {
    const row = found.tBodies[0].insertRow();
    const pin = cell(row, "", "th");
    pin.scope = "row";
    const link = document.createElement("a");
    link.href = `project/${name}/index.html`;
    link.textContent = `${name}==${version}`;
    pin.append(link);
    const tag = document.createElement("span");
    tag.className = `tag ${said.kind}`;
    tag.textContent = said.what;
    cell(row, "").append(tag);
    cell(row, said.since.slice(0, 10));
    const only = said.files ? `Only ${said.files.join(", ")}. ` : "";
    const why = only + (said.reason || "");
    if (why) cell(cell(row, ""), why, "span").className = "reason";
    else cell(row, "");
    cell(row, said.installs ? "pin installs" : "pin fails").className =
      said.installs ? "pin" : "pin fails";
  };

  const counted = (count, one) => `${count} ${one}${count === 1 ? "" : "s"}`;

  const check = async texts => {
    found.hidden = true;
    found.tBodies[0].replaceChildren();
    const pins = new Map();
    for (const [name, version] of texts.flatMap(pinsOf)) {
      const project = normalized(name);
      if (project) pins.set(`${project}==${version}`, [project, version]);
    }
    if (!pins.size) {
      status.textContent = "No exact pin (name==version) was found there.";
      return;
    }
    status.textContent = `Checking ${counted(pins.size, "pin")} …`;
    const names = [...new Set([...pins.values()].map(([project]) => project))];
    const answers = new Map();
    const queue = [...names];
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      for (let name = queue.shift(); name; name = queue.shift()) answers.set(name, await ask(name));
    }));
    let affected = 0;
    let unknown = 0;
    for (const [name, version] of pins.values()) {
      const answer = answers.get(name);
      if (answer === undefined) unknown += 1;
      const said = answer && (answer.project || ofVersion(answer.versions, canonical(version)));
      if (said) {
        affected += 1;
        addRow(name, version, said);
      }
    }
    found.hidden = !affected;
    status.textContent = `${affected || "None"} of ${counted(pins.size, "pin")} ` +
      `${affected === 1 ? "is" : "are"} withdrawn.` +
      (unknown ? ` ${counted(unknown, "pin")} could not be checked: no answer.` : "");
  };

  const checkFiles = async files => {
    list.value = "";
    check(await Promise.all([...files].map(one => one.text())));
  };

  document.getElementById("pins-form").addEventListener("submit", event => {
    event.preventDefault();
    check([list.value]);
  });
  file.addEventListener("change", () => checkFiles(file.files));
  section.addEventListener("dragover", event => {
    event.preventDefault();
    section.classList.add("over");
  });
  section.addEventListener("dragleave", () => section.classList.remove("over"));
  section.addEventListener("drop", event => {
    section.classList.remove("over");
    if (!event.dataTransfer.files.length) return; // dropped text goes into the box
    event.preventDefault();
    checkFiles(event.dataTransfer.files);
  });
  section.hidden = false;
})();
