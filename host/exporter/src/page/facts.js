// What a module's sandbox is: what it is granted, and its limits.

import { say } from "./format.js";

function facts({ client, host, sandbox: { started, process } }) {
  const list = (words) => (words.length > 0 ? words.join(" ") : "defaults");
  const found = [];
  if (started) {
    found.push(
      ["Component", started.component],
      ["SHA-256", started.sha256],
      ["Grants", started.grants || "nothing"],
      ["Limits", started.limits],
    );
    if (started.rates) {
      found.push(["Rates", started.rates]);
    }
    found.push(["Keys", started.keys > 0 ? String(started.keys) : "none"]);
  } else {
    found.push(["Component", "does not run now"]);
  }
  if (process) {
    const none = /^0+$/.test(process.capabilities);
    found.push([
      `Process ${process.pid}`,
      [
        process.seccomp ? "system calls filtered (seccomp)" : "system calls not filtered",
        process.no_new_privs ? "no new privileges" : "may gain privileges",
        none ? "no capabilities" : `capabilities ${process.capabilities}`,
      ].join(", "),
    ]);
  }
  found.push(["Client options", list(client)], ["Host options", list(host)]);
  return found;
}

/** Shows the facts of `module` in the list `dl`, in place. */
export function show(dl, module) {
  const found = facts(module).flat();
  while (dl.children.length > found.length) {
    dl.lastChild.remove();
  }
  for (const [index, text] of found.entries()) {
    const item = dl.children[index] ?? dl.appendChild(document.createElement(index % 2 ? "dd" : "dt"));
    say(item, text);
  }
}
