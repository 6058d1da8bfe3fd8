// The table of targets: one row each, updated in place, so that focus stays where it is.

import { count, ms, name, percent, say } from "./format.js";

/** How many rows are shown: more are for the filter. */
const MOST = 500;

const share = (lost, all) => (all === 0 ? -1 : lost / all);

/** The columns: heading, text of a cell, and what they are sorted by. */
const COLUMNS = [
  { label: "Target", text: name, by: name },
  { label: "Module", text: (t) => t.module, by: (t) => t.module },
  { label: "Address", text: (t) => t.address ?? "no address", by: (t) => t.address ?? "" },
  { label: "Sent", text: (t) => count(t.sent), by: (t) => t.sent },
  { label: "Lost", text: (t) => count(t.lost), by: (t) => t.lost },
  {
    label: "Loss",
    text: (t) => percent(t.last.lost, t.last.pings),
    by: (t) => share(t.last.lost, t.last.pings),
  },
  {
    label: "Last, ms",
    text: (t) => (t.last.pings > 0 && t.last.last_ns === null ? "lost" : ms(t.last.last_ns)),
    by: (t) => t.last.last_ns ?? (t.last.pings > 0 ? Infinity : -1),
  },
  { label: "p50, ms", text: (t) => ms(t.last.p50_ns), by: (t) => t.last.p50_ns ?? -1 },
  { label: "p99, ms", text: (t) => ms(t.last.p99_ns), by: (t) => t.last.p99_ns ?? -1 },
];

/** The columns from this on are numbers. */
const NUMBERS = 3;

/** What a target is known by, as long as the page is open. */
export const key = (target) => JSON.stringify([target.module, name(target)]);

function compare(a, b) {
  if (typeof a === "string") {
    return a.localeCompare(b, "en", { numeric: true });
  }
  return a < b ? -1 : a > b ? 1 : 0;
}

export class Table {
  #body;
  #headings = [];
  #rows = new Map();
  #targets = [];
  #chosen;
  /** The column that it is sorted by, if any, and whether the largest comes first. */
  #sorted = null;
  #choose;

  /** Creates it in `table`; `choose` is called with the target that the user chooses. */
  constructor(table, choose) {
    this.#choose = choose;
    this.#body = table.tBodies[0];
    for (const [index, { label }] of COLUMNS.entries()) {
      const heading = document.createElement("th");
      heading.scope = "col";
      heading.setAttribute("role", "columnheader");
      heading.classList.toggle("number", index >= NUMBERS);
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = label;
      button.addEventListener("click", () => this.#sort(index));
      heading.append(button);
      table.tHead.rows[0].append(heading);
      this.#headings.push(heading);
    }
    this.#body.addEventListener("keydown", (event) => this.#move(event));
    document.getElementById("filter").addEventListener("input", () => this.#show());
  }

  /** Shows `targets`, of which the one known by `chosen` is marked. */
  update(targets, chosen) {
    this.#targets = targets;
    this.#chosen = chosen;
    this.#show();
  }

  #sort(index) {
    // Numbers are looked at from the largest; a further click turns the order round, a third ends it.
    const first = index >= NUMBERS;
    if (this.#sorted?.index !== index) {
      this.#sorted = { index, falling: first };
    } else if (this.#sorted.falling === first) {
      this.#sorted.falling = !first;
    } else {
      this.#sorted = null;
    }
    for (const [at, heading] of this.#headings.entries()) {
      if (this.#sorted?.index === at) {
        heading.setAttribute("aria-sort", this.#sorted.falling ? "descending" : "ascending");
      } else {
        heading.removeAttribute("aria-sort");
      }
    }
    this.#show();
  }

  #show() {
    const filter = document.getElementById("filter").value.trim().toLowerCase();
    let targets = this.#targets.filter((target) =>
      COLUMNS.slice(0, NUMBERS).some(({ text }) => text(target).toLowerCase().includes(filter)),
    );
    if (this.#sorted) {
      const { by } = COLUMNS[this.#sorted.index];
      const sign = this.#sorted.falling ? -1 : 1;
      targets = targets.toSorted((a, b) => sign * compare(by(a), by(b)));
    }
    const more = document.getElementById("more");
    more.hidden = targets.length <= MOST && (targets.length > 0 || this.#targets.length === 0);
    say(
      more,
      targets.length === 0
        ? "No target matches the filter."
        : `… and ${count(targets.length - MOST)} more: filter them, or sort by loss.`,
    );
    targets = targets.slice(0, MOST);

    const focused = document.activeElement;
    const shown = new Set(targets.map(key));
    for (const [known, row] of this.#rows) {
      if (!shown.has(known)) {
        row.remove();
        this.#rows.delete(known);
      }
    }
    for (const [index, target] of targets.entries()) {
      const row = this.#row(target);
      if (this.#body.rows[index] !== row) {
        this.#body.insertBefore(row, this.#body.rows[index] ?? null);
      }
    }
    // A row that is moved loses the focus.
    if (focused !== document.activeElement && focused.isConnected) {
      focused.focus();
    }
  }

  /** The row of a target, with what it has now. */
  #row(target) {
    const known = key(target);
    let row = this.#rows.get(known);
    if (!row) {
      row = this.#create();
      row.addEventListener("click", () => this.#choose(target));
      this.#rows.set(known, row);
    }
    for (const [index, { text }] of COLUMNS.entries()) {
      const cell = row.cells[index];
      say(index === 0 ? cell.firstChild : cell, text(target));
    }
    const isChosen = known === this.#chosen;
    row.classList.toggle("chosen", isChosen);
    row.cells[0].firstChild.setAttribute("aria-pressed", String(isChosen));
    row.classList.toggle("lossy", target.last.lost > 0);
    row.classList.toggle("unknown", target.address === null);
    return row;
  }

  #create() {
    const row = document.createElement("tr");
    row.setAttribute("role", "row");
    for (const [index, { label }] of COLUMNS.entries()) {
      const cell = document.createElement(index === 0 ? "th" : "td");
      cell.setAttribute("role", index === 0 ? "rowheader" : "cell");
      cell.dataset.label = label;
      cell.classList.toggle("number", index >= NUMBERS);
      if (index === 0) {
        cell.scope = "row";
        const button = document.createElement("button");
        button.type = "button";
        cell.append(button);
      }
      row.append(cell);
    }
    return row;
  }

  /** Moves the focus between targets by the arrow keys. */
  #move(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const row = event.target.closest("tr");
    if (step && row) {
      const next = this.#body.rows[row.sectionRowIndex + step];
      next?.cells[0].firstChild.focus();
      event.preventDefault();
    }
  }
}
