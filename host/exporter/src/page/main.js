// Polls the exporter, and shows what it says.

import { show as showFacts } from "./facts.js";
import { count, name, percent, say, time } from "./format.js";
import { Graph } from "./graph.js";
import { Table, key } from "./table.js";

/** How often the pings of the chosen target are asked for, in ms. */
const TICK = 1000;
/** How often all targets are, in ms; less often where the answer takes long. */
const LIST = 2000;
/** How long an answer may take, in ms. */
const PATIENCE = 10_000;

const at = (id) => document.getElementById(id);

/** What the exporter said last. */
let listed = null;
/** The key of the chosen target. */
let chosen = null;
/** When the exporter that is known was started. */
let started = null;
let isRestarted = false;
let wake = () => {};

const table = new Table(at("targets"), choose);
const graph = new Graph(at("graph"), at("readout"));

function state(name, text) {
  at("status").dataset.state = name;
  say(at("status"), text);
}

async function ask(path) {
  const response = await fetch(path, { signal: AbortSignal.timeout(PATIENCE) });
  if (response.status === 404) {
    return null;
  }
  if (!response.ok) {
    throw new Error(`${path}: ${response.status}`);
  }
  return response.json();
}

function choose(target) {
  chosen = key(target);
  // It stays chosen when the page is loaded again.
  history.replaceState(null, "", `#${[target.module, name(target)].map(encodeURIComponent).join("/")}`);
  graph.clear();
  showAll();
  wake();
}

/** The key of the target that the address of the page names. */
function named() {
  try {
    const parts = location.hash.slice(1).split("/").map(decodeURIComponent);
    return parts.length === 2 ? JSON.stringify(parts) : null;
  } catch {
    return null;
  }
}

function chosenTarget() {
  return listed?.targets.find((target) => key(target) === chosen) ?? null;
}

function showAll() {
  const { targets, modules, kept, version } = listed;
  say(at("version"), version);
  if (!chosenTarget()) {
    const first = targets[0];
    chosen = first ? key(first) : null;
    graph.clear();
  }
  at("empty").hidden = targets.length > 0;
  at("all").hidden = targets.length === 0;
  say(
    at("caption"),
    `Sent and lost: since ${time(Date.parse(listed.started))}, when the exporter started. ` +
      `Loss and RTTs: of the last ${kept} pings of each target.`,
  );
  table.update(targets, chosen);
  showChosen();
  const target = chosenTarget();
  const module = modules.find(({ name }) => name === (target?.module ?? modules[0]?.name));
  at("sandbox").hidden = !module;
  if (module) {
    say(at("sandbox-name"), `Sandbox of module ${module.name}`);
    showFacts(at("facts"), module);
  }
}

function showChosen() {
  const target = chosenTarget();
  at("chosen").hidden = !target;
  if (!target) {
    return;
  }
  say(at("chosen-name"), `${name(target)} (${target.module})`);
  const done = target.lost + target.received;
  say(
    at("chosen-counts"),
    `${count(target.sent)} sent, ${count(target.received)} received, ` +
      `${count(target.lost)} lost (${percent(target.lost, done)})`,
  );
  const note = at("chosen-note");
  note.hidden = target.address !== null;
  say(
    note,
    note.hidden
      ? ""
      : "It is not pinged: its name has no address, or another target has that address. " +
          "The name is resolved again every minute.",
  );
}

async function updateTargets() {
  const answer = await ask("/api/targets");
  if (started !== null && answer.started !== started) {
    if (answer.version !== listed.version) {
      // This page is of another version.
      location.reload();
      return;
    }
    isRestarted = true;
    graph.clear();
  }
  started = answer.started;
  listed = answer;
  showAll();
}

async function updatePings() {
  const target = chosenTarget();
  if (!target) {
    return;
  }
  const asked = chosen;
  const query = new URLSearchParams({ module: target.module, target: name(target) });
  const answer = await ask(`/api/pings?${query}`);
  // Another one may have been chosen meanwhile, or it may be gone: the next list has it.
  if (answer && chosen === asked) {
    graph.update(answer.pings, answer.now_ms);
  }
}

/** Waits, until something is chosen. */
function pause(duration) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, duration);
    wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}

async function poll() {
  chosen = named();
  let due = 0;
  let heard = null;
  for (;;) {
    // A page that nobody sees asks for nothing.
    if (!document.hidden) {
      try {
        const begin = performance.now();
        if (begin >= due) {
          await updateTargets();
          const took = performance.now() - begin;
          due = begin + Math.max(LIST - TICK / 2, 5 * took);
        }
        await updatePings();
        heard = Date.now();
        const since = isRestarted
          ? `; the exporter was started again at ${time(Date.parse(started))}, and its counters with it`
          : "";
        state("live", `live${since}`);
      } catch (error) {
        const last = heard === null ? "" : ` The last answer was at ${time(heard)}.`;
        state("reconnecting", `reconnecting…${last}`);
        console.debug(error);
        due = 0;
      }
    }
    await pause(TICK);
  }
}

document.addEventListener("visibilitychange", () => wake());
addEventListener("hashchange", () => {
  chosen = named();
  graph.clear();
  wake();
});
poll();
