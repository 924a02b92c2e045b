// A board's table: sort, find, hide rows and rank what is left, choose columns, open rows, copy. All of it is in the address.
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
  for (let k = 0; k < Math.min(one.length, other.length); k++) if (one[k] !== other[k]) return one[k] - other[k];
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
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const say = () => { button.textContent = dark() ? "Light" : "Dark"; button.setAttribute("aria-label", `Use ${dark() ? "light" : "dark"} colours`); };
  button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; kept(root.dataset.theme); say(); });
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
    const cell = document.createElement("td"), line = document.createElement("tr"), button = row.querySelector(".open");
    line.className = "opened";
    line.id = `details-${row.dataset.slug}`;
    line.hidden = true;
    cell.append(document.querySelector(`.details[data-slug="${CSS.escape(row.dataset.slug)}"]`));
    line.append(cell);
    [row, ...followers(row)].at(-1).after(line);
    button.setAttribute("aria-controls", line.id);
    button.addEventListener("click", () => { toggle(state.open, row.dataset.slug); apply(); });
    row.querySelector(".hide").addEventListener("click", () => { const next = neighbour(row); state.hidden.add(row.dataset.slug); apply(); next?.focus(); });
    for (const each of row.querySelectorAll(".open, .hide")) each.hidden = false;
  }

  function neighbour(row) { // where the keyboard goes on after a row is hidden
    const shown = rows.filter((each) => !each.hidden), at = shown.indexOf(row);
    return (shown[at + 1] || shown[at - 1])?.querySelector(".hide") || form.querySelector(".reset");
  }

  function toggle(set, value) { if (!set.delete(value)) set.add(value); }

  function cellOf(row, key) {
    const fixed = { rank: ".rank", name: "th", map: ".map", trust: ".trusted" };
    return row.querySelector(fixed[key] || `[data-column="${CSS.escape(key)}"]`);
  }

  function valueOf(row, key) {
    const cell = cellOf(row, key);
    return key === "name" ? cell.innerText.trim().toLowerCase() : cell.dataset.value === "" ? NaN : Number(cell.dataset.value);
  }

  function apply() {
    const words = form.q.value.toLowerCase().split(/\s+/).filter(Boolean), least = Number(form.trust.value);
    for (const row of rows) {
      const found = words.every((word) => row.dataset.search.includes(word)) && !state.hidden.has(row.dataset.slug);
      row.hidden = !found || (row.dataset.place !== undefined && Number(row.dataset.trust) < least);
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

  function followers(row) {
    const found = [];
    for (let next = row.nextElementSibling; next && !next.dataset.slug; next = next.nextElementSibling) found.push(next);
    return found;
  }

  function rank() {
    const shown = ranked.filter((row) => !row.hidden), places = shown.map((row) => Number(row.dataset.place));
    const significant = among(pairs.significant, places);
    const intervals = rankIntervals(among(pairs.difference, places), significant), tied = letters(significant);
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
    const text = shown.length ? `${said} ${first === 1 ? "One row" : `${first} rows`} can be first.` : "No ranked row is shown.";
    if (text !== last) status.textContent = last = text;
  }

  function order() {
    const [key, direction] = state.sort.split(":"), sign = direction === "descending" ? -1 : 1;
    for (const head of table.querySelectorAll("th[data-key]")) {
      if (head.dataset.key === key) head.setAttribute("aria-sort", direction); else head.removeAttribute("aria-sort");
    }
    const before = (one, other) => {
      const [a, b] = [valueOf(one, key), valueOf(other, key)];
      if (typeof a === "string") return sign * a.localeCompare(b, "en");
      if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b); // no value: last in any order
      return sign * (a - b);
    };
    for (const body of table.tBodies) {
      const own = [...body.children].filter((row) => row.dataset.slug), first = rows.filter((row) => row.parentNode === body);
      const sorted = key ? first.sort(before) : first;
      if (own.some((row, at) => row !== sorted[at])) for (const row of sorted) body.append(row, ...followers(row));
    }
  }

  function chooseColumns() {
    for (const box of boxes) {
      for (const cell of table.querySelectorAll(`[data-column="${CSS.escape(box.value)}"]`)) cell.hidden = !box.checked;
    }
    const span = 7 + boxes.filter((box) => box.checked).length;
    for (const cell of table.querySelectorAll(".opened > td, .section > th")) cell.colSpan = span;
  }

  // ---- the address

  function remember() {
    const found = new URLSearchParams(), checked = boxes.filter((box) => box.checked).map((box) => box.value).join();
    if (form.q.value) found.set("q", form.q.value);
    if (form.trust.value !== usual) found.set("trust", form.trust.value);
    if (state.hidden.size) found.set("hide", [...state.hidden].join());
    if (state.open.size) found.set("open", [...state.open].join());
    if (state.sort) found.set("sort", state.sort);
    if (checked !== byDefault) found.set("columns", checked);
    const text = found.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
    if (text !== location.hash.slice(1)) history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
  }

  function recall() {
    const found = new URLSearchParams(location.hash.slice(1)), slugs = rows.map((row) => row.dataset.slug);
    const listed = (name) => new Set((found.get(name) || "").split(",").filter((slug) => slugs.includes(slug)));
    form.q.value = found.get("q") || "";
    state.hidden = listed("hide");
    state.open = listed("open"); // and shown, unless the address says otherwise
    const levels = ranked.filter((row) => state.open.has(row.dataset.slug)).map((row) => Number(row.dataset.trust));
    form.trust.value = ["1", "2", "3"].includes(found.get("trust")) ? found.get("trust") : Math.min(usual, ...levels);
    const sort = /^(\w+):(ascending|descending)$/.exec(found.get("sort") || "");
    state.sort = sort && table.querySelector(`th[data-key="${sort[1]}"]`) ? sort[0] : "";
    const columns = (found.get("columns") ?? byDefault).split(",");
    for (const box of boxes) box.checked = columns.includes(box.value);
  }

  // ---- copies of what is shown

  function copied(form) {
    const lines = [table.tHead.rows[0], ...rows.filter((row) => !row.hidden).sort((a, b) => a.compareDocumentPosition(b) & 4 ? -1 : 1)];
    const cells = lines.map((line) => [...line.cells].filter((cell) => !cell.hidden && !cell.matches(".tools, .drawn"))
      .map((cell) => cell.innerText.replace(/\s+/g, " ").trim()));
    if (form === "csv") return cells.map((line) => line.map(guarded).join()).join("\n") + "\n";
    const escaped = cells.map((line) => line.map((text) => text.replace(/[\\|*`<]/g, "\\$&")));
    return [escaped[0], escaped[0].map((_, i) => i === 2 || i === 4 ? "---" : "---:"), ...escaped.slice(1)]
      .map((line) => `| ${line.join(" | ")} |`).join("\n") + "\n";
  }

  function guarded(text) { // a spreadsheet takes a text that starts like this for a formula
    const safe = /^[=+\-@]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
    return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  }

  async function copy(form) {
    const text = copied(form);
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
    status.textContent = last = `Copied as ${form === "csv" ? "CSV" : "Markdown"}: the rows and columns that are shown.`;
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
  for (const button of form.querySelectorAll(".copy")) button.addEventListener("click", () => copy(button.dataset.form));
  for (const button of table.querySelectorAll(".sort")) button.addEventListener("click", () => {
    const key = button.closest("th").dataset.key, [now, direction] = state.sort.split(":");
    const first = ["rank", "name", "train", "trained", "predict", "memory", "parameters", "flops", "gap"].includes(key) ? "ascending" : "descending";
    state.sort = `${key}:${now !== key ? first : direction === "ascending" ? "descending" : "ascending"}`;
    apply();
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") form.querySelector(".menu").open = false; });
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
