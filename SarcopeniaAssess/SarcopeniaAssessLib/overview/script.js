"use strict";

// Filters, orders and pages the cases; every text is set as text, so that none can become markup.
(function () {
  const A_PAGE = 50, PICTURES_A_BLOCK = 250;
  const SEXES = ["male", "female", "sex not known"], SEX_NAMES = ["male", "female", "null"];
  const STATUSES = ["sarcopenic", "not sarcopenic", "undetermined"];
  const REVIEWS = ["unreviewed", "rejected", "accepted"];
  const SAYS = { s: "sarcopenic", n: "not sarcopenic" };
  const ATTENTION = ["error", "borderline", "warning", "", ""];
  const data = JSON.parse(document.getElementById("data").textContent);
  const cases = data.cases.map((values, place) => {
    const made = { place: place };
    data.fields.forEach((name, at) => { made[name] = values[at]; });
    const codes = made.findings.map((at) => data.findings[at][1]).join(" ");
    made.words = (made.name + " " + codes).toLowerCase();
    made.warned = made.findings.some((at) => data.findings[at][0] !== "info");
    return made;
  });
  const byId = (name) => document.getElementById(name);
  const filters = { find: byId("find"), sex: byId("sex"), status: byId("status"), review: byId("review"),
    borderline: byId("borderline"), warned: byId("warned"), order: byId("order") };
  const rows = byId("rows");
  let shown = cases, page = 0, downwards = false;

  function make(tag, text, name) {
    const element = document.createElement(tag);
    if (text !== undefined && text !== null) element.textContent = text;
    if (name) element.className = name;
    return element;
  }

  // ---- pictures: blocks of JSON behind the script, read when one of their cases is first shown
  const blocks = new Map();
  function picture(place) {
    const number = Math.floor(place / PICTURES_A_BLOCK);
    if (!blocks.has(number)) {
      const found = document.querySelectorAll("script.pictures")[number];
      if (!found) return "";
      try {
        blocks.set(number, JSON.parse(found.textContent));
      } catch (error) {
        return ""; // the browser has not read the whole of it yet
      }
    }
    return blocks.get(number)[place % PICTURES_A_BLOCK][1];
  }

  function address(one, file) {
    return data.folder + encodeURIComponent(one.name) + "/" + file;
  }

  function link(one, file, text) {
    const made = make("a", text);
    made.href = address(one, file);
    made.target = "_blank";
    made.rel = "noopener";
    return made;
  }

  // ---- filtering and ordering
  function kept() {
    const find = filters.find.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const sex = Number(filters.sex.value), status = Number(filters.status.value);
    const review = Number(filters.review.value);
    const borderline = filters.borderline.checked, warned = filters.warned.checked;
    return cases.filter((one) =>
      (sex < 0 || one.sex === sex) && (status < 0 || one.status === status) &&
      (review < 0 || (review === 3 ? one.review > 0 : one.review === review)) &&
      (!borderline || one.borderline) && (!warned || one.warned) &&
      find.every((word) => one.words.includes(word)));
  }

  const names = new Intl.Collator("en", { numeric: true });
  function ordered(found) {
    const by = filters.order.value, sign = downwards ? -1 : 1;
    if (by === "urgency") return found; // as they come
    return found.slice().sort((a, b) => {
      if (by === "name") return sign * names.compare(a.name, b.name);
      const one = a[by], other = b[by];
      if (one === null || other === null) return (one === null) - (other === null) || a.place - b.place;
      return sign * (one - other) || a.place - b.place;
    });
  }

  function filter() {
    shown = ordered(kept());
    page = 0;
    draw();
    bars();
    const all = cases.length.toLocaleString("en"), count = shown.length.toLocaleString("en");
    byId("told").textContent = shown.length === cases.length ? "All " + all + " cases"
      : count + " of " + all + " cases";
    for (const tile of document.querySelectorAll("[data-shows]")) {
      tile.setAttribute("aria-pressed", String(isShown(tile.dataset.shows)));
    }
  }

  function bars() {
    const counts = {};
    for (const one of shown) {
      if (one.bin === null) continue; // it does not count
      const key = SEX_NAMES[one.sex] + one.bin;
      counts[key] = (counts[key] || 0) + 1;
    }
    for (const bar of document.querySelectorAll("rect.shown")) {
      const plot = bar.closest("[data-sex]");
      const height = Number(plot.dataset.height), top = Number(plot.dataset.top);
      const count = counts[plot.dataset.sex + bar.dataset.bin] || 0;
      const tall = height * count / Number(bar.dataset.most);
      bar.setAttribute("height", String(tall));
      bar.setAttribute("y", String(top + height - tall));
    }
  }

  // ---- tiles set the filters
  const EMPTY = { find: "", sex: "-1", status: "-1", review: "-1", borderline: false, warned: false };
  function wanted(shows) {
    const [name, value] = shows.split("=");
    if (name === "all") return EMPTY;
    if (name === "decided") return { ...EMPTY, review: "3" };
    return { ...EMPTY, [name]: value === undefined ? true : value };
  }
  function isShown(shows) {
    const want = wanted(shows);
    return Object.keys(want).every((name) => want[name] === (typeof want[name] === "boolean"
      ? filters[name].checked : filters[name].value.trim()));
  }
  function set(want) {
    for (const name of Object.keys(want)) {
      if (typeof want[name] === "boolean") filters[name].checked = want[name];
      else filters[name].value = want[name];
    }
    filter();
  }

  // ---- a page of the list
  function draw() {
    const from = page * A_PAGE, here = shown.slice(from, from + A_PAGE);
    rows.replaceChildren(...here.map(row));
    const pages = Math.max(1, Math.ceil(shown.length / A_PAGE));
    byId("place").textContent = shown.length === 0 ? "no case" : (from + 1).toLocaleString("en") + "–" +
      (from + here.length).toLocaleString("en") + " of " + shown.length.toLocaleString("en");
    byId("first").disabled = byId("before").disabled = page === 0;
    byId("next").disabled = byId("last").disabled = page >= pages - 1;
    const by = filters.order.value;
    for (const button of document.querySelectorAll("[data-order]")) {
      const is = button.dataset.order === by;
      button.closest("th").setAttribute("aria-sort", is ? (downwards ? "descending" : "ascending") : "none");
    }
  }

  function row(one) {
    const made = make("tr", null, ATTENTION[one.attention]);
    const name = make("th", null, "name");
    name.scope = "row";
    const open = make("button", one.name);
    open.type = "button";
    open.setAttribute("aria-expanded", "false");
    open.addEventListener("click", () => unfold(made, open, one));
    name.append(open);
    const age = one.age === null ? "" : ", " + Math.floor(one.age) + " years";
    made.append(slice(one), name, area(one), status(one), make("td", SEXES[one.sex] + age, "who"),
      labelled(one.huText, "mean"), labelled(one.smi === null ? "–" : one.smiText, "SMI"), remarks(one),
      make("td", REVIEWS[one.review], "review " + REVIEWS[one.review]));
    return made;
  }

  function labelled(text, label) {
    const cell = make("td", text, "number");
    cell.dataset.label = label;
    return cell;
  }

  function slice(one) {
    const cell = make("td", null, "slice"), source = picture(one.place);
    let inside = make("span", "overlay");
    if (source) {
      inside = make("img");
      inside.src = source;
      inside.alt = "slice with the outline, " + one.name;
      inside.width = 88;
      inside.height = 72;
    }
    if (data.folder === null) {
      cell.append(source ? inside : make("span", "–"));
      return cell;
    }
    const made = link(one, "overlay.png");
    made.append(inside);
    if (!source) made.setAttribute("aria-label", "overlay of " + one.name);
    cell.append(made);
    return cell;
  }

  function area(one) {
    const cell = make("td", null, "number area");
    cell.append(make("strong", one.smaText), make("span", one.interval === "–" ? "" : one.interval, "small"));
    return cell;
  }

  function status(one) {
    const cell = make("td", null, "status"), word = STATUSES[one.status];
    const kind = one.borderline ? "borderline" : word.replace(" ", "-");
    cell.append(make("span", one.borderline ? word + ", borderline" : word, "badge " + kind));
    cell.append(make("span", data.words[one.status === 2 ? one.reason : one.rule], "small"));
    return cell;
  }

  function remarks(one) {
    const cell = make("td", null, "remarks");
    for (const at of one.findings) {
      const [severity, code] = data.findings[at];
      if (severity !== "info") cell.append(make("span", code.replaceAll("_", " "), "code " + severity));
    }
    return cell;
  }

  function unfold(under, button, one) {
    const opens = button.getAttribute("aria-expanded") === "false";
    button.setAttribute("aria-expanded", String(opens));
    if (!opens) {
      under.nextElementSibling.remove();
      return;
    }
    const made = make("tr", null, "more"), cell = make("td");
    cell.colSpan = under.cells.length;
    cell.append(...told(one));
    made.append(cell);
    under.after(made);
  }

  function told(one) {
    const parts = [make("p", data.words[one.level])];
    if (one.review > 0) {
      parts.push(make("p", REVIEWS[one.review] + " at " + one.decidedAt + (one.before ? "; " + one.before : "")));
    } else if (one.before) parts.push(make("p", one.before));
    const list = make("ul");
    for (const at of one.findings) {
      const [severity, , message] = data.findings[at], item = make("li");
      item.append(make("b", severity, severity), " ", message);
      list.append(item);
    }
    if (list.children.length) parts.push(list);
    for (const says of criteria(one)) parts.push(make("p", says));
    if (data.folder !== null) {
      const links = make("p", null, "links");
      links.append(link(one, "overlay.png", "overlay"), link(one, "report.pdf", "page"),
        link(one, "assessment.json", "record"));
      parts.push(links);
    }
    return parts;
  }

  function criteria(one) {
    const groups = { s: [], n: [] };
    Array.from(one.judged).forEach((letter, at) => {
      if (groups[letter]) groups[letter].push(data.criteria[at]);
    });
    return Object.keys(groups).filter((letter) => groups[letter].length)
      .map((letter) => SAYS[letter] + ": " + groups[letter].join("; "));
  }

  // ---- what a person does
  function turn(to) {
    const last = Math.max(0, Math.ceil(shown.length / A_PAGE) - 1);
    page = Math.min(Math.max(to, 0), last);
    draw();
    byId("told").textContent = byId("place").textContent;
    byId("list").scrollIntoView({ block: "start" });
  }

  filters.find.addEventListener("input", filter);
  for (const name of ["sex", "status", "review", "borderline", "warned", "order"]) {
    filters[name].addEventListener("change", () => {
      if (name === "order") downwards = false;
      filter();
    });
  }
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("clear").addEventListener("click", () => {
    filters.order.value = "urgency";
    downwards = false;
    set(EMPTY);
  });
  byId("first").addEventListener("click", () => turn(0));
  byId("before").addEventListener("click", () => turn(page - 1));
  byId("next").addEventListener("click", () => turn(page + 1));
  byId("last").addEventListener("click", () => turn(Infinity));
  for (const tile of document.querySelectorAll("[data-shows]")) {
    tile.disabled = false;
    tile.addEventListener("click", () => set(wanted(tile.dataset.shows)));
  }
  for (const button of document.querySelectorAll("[data-order]")) {
    button.addEventListener("click", () => {
      const is = filters.order.value === button.dataset.order;
      downwards = is && !downwards;
      filters.order.value = button.dataset.order;
      filter();
    });
  }
  rows.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key], button = event.target;
    if (!step || !(button instanceof HTMLButtonElement)) return;
    const all = Array.from(rows.querySelectorAll("th button"));
    const next = all[all.indexOf(button) + step];
    if (next) next.focus();
    event.preventDefault();
  });
  document.addEventListener("DOMContentLoaded", () => {
    if (document.querySelector("script.pictures")) draw(); // they have come by now
  });
  byId("filters").hidden = byId("list").hidden = byId("pager").hidden = false;
  filter();
})();
