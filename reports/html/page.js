"use strict";

// Rows stay between their rules: what may not be compared is not sorted together.
function sortBy(heading, descending) {
  const place = heading.cellIndex;
  const factor = descending ? -1 : 1;
  for (const body of heading.closest("table").tBodies) {
    const rows = [...body.rows].filter((row) => !row.classList.contains("section"));
    rows.sort((a, b) => compare(a.cells[place], b.cells[place], factor));
    body.append(...rows);
  }
}

function compare(a, b, factor) {
  if (a.tagName === "TH") return factor * a.textContent.localeCompare(b.textContent);
  if (!("order" in a.dataset)) return "order" in b.dataset ? 1 : 0;
  if (!("order" in b.dataset)) return -1;
  const [first, second] = [number(a), number(b)];
  return first === second ? 0 : factor * (first < second ? -1 : 1);
}

function number(cell) {
  return Number(cell.dataset.order.replace("inf", "Infinity"));
}

for (const button of document.querySelectorAll(".scores thead button")) {
  button.addEventListener("click", () => {
    const heading = button.closest("th");
    const before = heading.getAttribute("aria-sort");
    const bestFirst = heading.dataset.better === "higher";
    const descending = before ? before === "ascending" : bestFirst;
    for (const other of heading.parentNode.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    sortBy(heading, descending);
  });
}
