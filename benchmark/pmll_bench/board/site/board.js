// A board's table: sort, find, hide rows and rank what is left, choose columns, open rows, copy.
// The address has all of it.
"use strict";

// ---- ranks: the same functions as in statistics/ranks.py, which a test compares with these

function rankIntervals(difference, significant) {
  const all = difference.map((_, i) => i);
  return all.map((i) => {
    const better = all.filter((j) => significant[i][j] && difference[i][j] < 0).length;
    const worse = all.filter((j) => significant[i][j] && difference[i][j] > 0).length;
    return [1 + better, all.length - worse];
  });
}

function compare(one, other) {
  for (let k = 0; k < Math.min(one.length, other.length); k++) {
    if (one[k] !== other[k]) return one[k] - other[k];
  }
  return one.length - other.length;
}

function letters(significant) {
  const number = significant.length;
  let groups = number ? [significant.map((_, i) => i)] : [];
  for (let i = 0; i < number; i++) for (let j = i + 1; j < number; j++) {
    if (!significant[i][j]) continue;
    const parts = groups.flatMap((group) => group.includes(i) && group.includes(j)
      ? [group.filter((each) => each !== i), group.filter((each) => each !== j)] : [group]);
    const distinct = [...new Map(parts.map((group) => [group.join(), group])).values()];
    groups = distinct.filter((group) => !distinct.some((other) =>
      other.length > group.length && group.every((each) => other.includes(each))));
  }
  groups.sort(compare);
  return significant.map((_, i) => groups.map((group, at) => group.includes(i) ? letter(at) : "").join(""));
}

function letter(at) {
  const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  const turn = Math.floor(at / alphabet.length);
  return alphabet[at % alphabet.length] + (turn || "");
}

function among(matrix, shown) {
  return shown.map((i) => shown.map((j) => matrix[i][j]));
}

// ---- light and dark: kept by the browser, where it allows that

const root = document.documentElement;
function kept(theme) {
  try {
    if (theme) localStorage.setItem("pmll-theme", theme);
    return localStorage.getItem("pmll-theme");
  } catch { return theme; }
}
if (["light", "dark"].includes(kept())) root.dataset.theme = kept();

function startTheme() {
  const button = document.querySelector(".theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : system.matches;
  const say = () => { button.textContent = dark() ? "Light" : "Dark"; };
  button.addEventListener("click", () => {
    root.dataset.theme = kept(dark() ? "light" : "dark");
    say();
  });
  button.hidden = false;
  say();
}

// ---- the table

function startTable(table) {
  const form = document.querySelector(".controls"), status = document.querySelector(".status");
  const pairs = JSON.parse(document.getElementById("pairs").textContent);
  const rows = [...table.querySelectorAll("tr[data-slug]")], ranked = rows.filter((row) => row.dataset.place);
  const usual = ranked.filter((row) => row.dataset.trust >= 2).length >= 2 ? "2" : "1";
  const boxes = [...form.querySelectorAll("input[name=column]")];
  const byDefault = boxes.filter((box) => box.defaultChecked).map((box) => box.value).join();
  const state = { hidden: new Set(), open: new Set(), sort: "" };
  let last = "";

  for (const row of rows) inPlace(row);
  document.getElementById("details").remove();

  function inPlace(row) { // the details of a row, in a row of their own below it
    const cell = document.createElement("td"), line = document.createElement("tr");
    const button = row.querySelector(".open");
    line.className = "opened";
    line.id = `details-${row.dataset.slug}`;
    line.hidden = true;
    cell.append(document.querySelector(`.details[data-slug="${CSS.escape(row.dataset.slug)}"]`));
    line.append(cell);
    [row, ...followers(row)].at(-1).after(line);
    button.setAttribute("aria-controls", line.id);
    button.addEventListener("click", () => {
      if (!state.open.delete(row.dataset.slug)) state.open.add(row.dataset.slug);
      apply();
    });
    row.querySelector(".hide").addEventListener("click", () => {
      const next = neighbour(row);
      state.hidden.add(row.dataset.slug);
      apply();
      next.focus();
    });
    for (const each of row.querySelectorAll(".open, .hide")) each.hidden = false;
  }

  function neighbour(row) { // where the keyboard goes on after a row is hidden
    const shown = rows.filter((each) => !each.hidden), at = shown.indexOf(row);
    return (shown[at + 1] || shown[at - 1])?.querySelector(".hide") || form.querySelector(".reset");
  }

  function valueOf(cell) {
    if (cell.tagName === "TH") return cell.innerText.trim().toLowerCase();
    return cell.dataset.value === "" ? NaN : Number(cell.dataset.value);
  }

  function apply() {
    const words = form.q.value.toLowerCase().split(/\s+/).filter(Boolean), least = Number(form.trust.value);
    for (const row of rows) {
      const found = words.every((word) => row.dataset.search.includes(word));
      const trusted = !row.dataset.place || Number(row.dataset.trust) >= least;
      row.hidden = !found || !trusted || state.hidden.has(row.dataset.slug);
      const open = state.open.has(row.dataset.slug);
      row.querySelector(".open").setAttribute("aria-expanded", open);
      for (const line of followers(row)) line.hidden = row.hidden || (line.className === "opened" && !open);
    }
    rank();
    order();
    chooseColumns();
    form.querySelector(".reset").disabled = rows.every((row) => !row.hidden);
    remember();
  }

  function followers(row) { // its reason and its details
    const found = [];
    let next = row;
    while ((next = next.nextElementSibling) && !next.dataset.slug) found.push(next);
    return found;
  }

  function rank() {
    const shown = ranked.filter((row) => !row.hidden), places = shown.map((row) => Number(row.dataset.place));
    const significant = among(pairs.significant, places);
    const intervals = rankIntervals(among(pairs.difference, places), significant);
    const tied = letters(significant);
    shown.forEach((row, i) => {
      const [best, worst] = intervals[i], cell = row.querySelector(".rank");
      cell.textContent = best === worst ? `${best}` : `${best}–${worst}`;
      cell.dataset.value = best;
      row.querySelector(".letters").textContent = tied[i];
      row.classList.toggle("first", best === 1);
    });
    const first = intervals.filter(([best]) => best === 1).length;
    const said = shown.length === ranked.length ? `All ${ranked.length} ranked rows are shown.`
      : `${shown.length} of ${ranked.length} ranked rows are shown; ranks and ties are among these.`;
    const led = first === 1 ? "One row can be first." : `${first} rows can be first.`;
    say(shown.length ? `${said} ${led}` : "No ranked row is shown.");
  }

  function say(text) { // to screen readers, too, but not twice
    if (text !== last) status.textContent = last = text;
  }

  function order() {
    const [key, direction] = state.sort.split(":"), sign = direction === "descending" ? -1 : 1;
    for (const head of table.querySelectorAll("th[aria-sort]")) head.removeAttribute("aria-sort");
    const head = table.querySelector(`th[data-key="${CSS.escape(key)}"]`);
    head?.setAttribute("aria-sort", direction);
    const before = (one, other) => {
      const [a, b] = [one, other].map((row) => valueOf(row.cells[head.cellIndex]));
      if (typeof a === "string") return sign * a.localeCompare(b, "en");
      if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b); // last in any order
      return sign * (a - b);
    };
    for (const body of table.tBodies) {
      const now = [...body.children].filter((row) => row.dataset.slug);
      const first = rows.filter((row) => row.parentNode === body), sorted = head ? first.sort(before) : first;
      if (now.every((row, at) => row === sorted[at])) continue; // a row that is moved loses the focus
      for (const row of sorted) body.append(row, ...followers(row));
    }
  }

  function chooseColumns() {
    for (const box of boxes) {
      const cells = table.querySelectorAll(`[data-column="${CSS.escape(box.value)}"]`);
      for (const cell of cells) cell.hidden = !box.checked;
    }
    const span = 7 + boxes.filter((box) => box.checked).length;
    for (const cell of table.querySelectorAll(".opened > td, .section > th")) cell.colSpan = span;
  }

  // ---- the address

  function remember() {
    const checked = boxes.filter((box) => box.checked).map((box) => box.value).join();
    const found = new URLSearchParams();
    if (form.q.value) found.set("q", form.q.value);
    if (form.trust.value !== usual) found.set("trust", form.trust.value);
    if (state.hidden.size) found.set("hide", [...state.hidden].join());
    if (state.open.size) found.set("open", [...state.open].join());
    if (state.sort) found.set("sort", state.sort);
    if (checked !== byDefault) found.set("columns", checked);
    const text = found.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
    const address = text ? `#${text}` : location.pathname + location.search;
    if (text !== location.hash.slice(1)) history.replaceState(null, "", address);
  }

  function recall() {
    const found = new URLSearchParams(location.hash.slice(1)), slugs = rows.map((row) => row.dataset.slug);
    const words = (name) => (found.get(name) || "").split(",");
    const listed = (name) => new Set(words(name).filter((slug) => slugs.includes(slug)));
    form.q.value = found.get("q") || "";
    state.hidden = listed("hide");
    state.open = listed("open"); // and shown, unless the address says otherwise
    const opened = ranked.filter((row) => state.open.has(row.dataset.slug));
    const least = Math.min(usual, ...opened.map((row) => Number(row.dataset.trust)));
    form.trust.value = ["1", "2", "3"].includes(found.get("trust")) ? found.get("trust") : least;
    const sort = /^(\w+):(ascending|descending)$/.exec(found.get("sort") || "");
    state.sort = sort ? sort[0] : "";
    const columns = (found.get("columns") ?? byDefault).split(",");
    for (const box of boxes) box.checked = columns.includes(box.value);
  }

  // ---- copies of what is shown

  function copied(kind) {
    const shown = [...table.querySelectorAll("tr[data-slug]")].filter((row) => !row.hidden);
    const lines = [table.tHead.rows[0], ...shown].map((row) => [...row.cells]
      .filter((cell) => !cell.hidden && !cell.matches(".tools, .drawn"))
      .map((cell) => cell.innerText.replace(/\s+/g, " ").trim()));
    if (kind === "csv") return lines.map((line) => line.map(guarded).join()).join("\n") + "\n";
    const [head, ...body] = lines.map((line) => line.map((text) => text.replace(/[\\|*`<]/g, "\\$&")));
    const sides = head.map((_, i) => i === 2 || i === 4 ? "---" : "---:"); // method and trust are text
    return [head, sides, ...body].map((line) => `| ${line.join(" | ")} |`).join("\n") + "\n";
  }

  function guarded(text) { // a spreadsheet takes a text that starts like this for a formula
    const safe = /^[=+\-@]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
    return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  }

  async function copy(kind) {
    const text = copied(kind);
    try {
      await navigator.clipboard.writeText(text);
    } catch { // not allowed here: the older way
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    say(`Copied as ${kind === "csv" ? "CSV" : "Markdown"}: the rows and columns that are shown.`);
  }

  // ---- what starts it all

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", apply);
  form.querySelector(".reset").addEventListener("click", () => {
    state.hidden.clear();
    form.q.value = "";
    form.trust.value = "1";
    apply();
    form.q.focus();
  });
  for (const button of form.querySelectorAll(".copy")) {
    button.addEventListener("click", () => copy(button.dataset.form));
  }
  for (const head of table.querySelectorAll("th[data-key]")) {
    head.querySelector(".sort").addEventListener("click", () => {
      const turned = { ascending: "descending", descending: "ascending" }[head.getAttribute("aria-sort")];
      state.sort = `${head.dataset.key}:${turned || head.dataset.first || "descending"}`;
      apply();
    });
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") form.querySelector(".menu").open = false;
  });
  window.addEventListener("hashchange", () => { // not for a link within the page
    if (location.hash && !location.hash.includes("=")) return;
    recall();
    apply();
  });
  form.hidden = false;
  recall();
  apply();
}

document.addEventListener("DOMContentLoaded", () => {
  startTheme();
  const table = document.getElementById("board");
  if (table) startTable(table);
});
