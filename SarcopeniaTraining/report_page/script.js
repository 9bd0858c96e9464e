"use strict";

// Sorts a table by the column whose heading's button is pressed: upwards, downwards, then as it was.
(function () {
  const NEXT = { none: "ascending", ascending: "descending", descending: "none" };
  const told = document.getElementById("told");

  function key(row, column) {
    const cell = row.cells[column];
    const value = cell.dataset.value;
    if (value !== undefined) return Number(value);
    const text = cell.textContent.trim();
    return text === "" || text === "–" ? null : text;
  }

  function compare(first, second, sign) {
    if (first === null || second === null) return (first === null) - (second === null); // unknown last
    if (typeof first === "number" && typeof second === "number") return sign * (first - second);
    return sign * String(first).localeCompare(String(second), "en", { numeric: true });
  }

  function sort(table, heading, column) {
    const body = table.tBodies[0];
    const order = NEXT[heading.getAttribute("aria-sort")];
    for (const other of table.tHead.querySelectorAll("th[aria-sort]")) {
      other.setAttribute("aria-sort", "none");
    }
    heading.setAttribute("aria-sort", order);
    const sign = order === "descending" ? -1 : 1;
    const rows = Array.from(body.rows);
    rows.sort((a, b) => {
      const found = order === "none" ? 0 : compare(key(a, column), key(b, column), sign);
      return found || a.dataset.place - b.dataset.place;
    });
    body.append(...rows);
    const sorted = "sorted by " + heading.innerText.trim() + ", " + order;
    told.textContent = table.caption.innerText.trim() + ": " + (order === "none" ? "in its own order" : sorted);
  }

  for (const table of document.querySelectorAll("table")) {
    Array.from(table.tBodies[0].rows).forEach((row, place) => { row.dataset.place = place; });
    table.querySelectorAll("th[aria-sort]").forEach((heading, column) => {
      const button = heading.querySelector("button");
      button.disabled = false;
      button.addEventListener("click", () => sort(table, heading, column));
    });
  }
})();
