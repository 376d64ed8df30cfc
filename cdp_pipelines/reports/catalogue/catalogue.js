"use strict";
// Shows the tables and columns with every word of the search in their name, meaning, sources or uses.
const words = document.getElementById("words");
const layer = document.getElementById("layer");
const category = document.getElementById("category");
const found = document.getElementById("found");
const tables = [...document.querySelectorAll("details.table")].map((element) => ({
  element,
  layer: element.closest("section.layer"),
  head: [element.id, ...[...element.querySelectorAll(".inside > p, .inside > dl")].map((each) => each.textContent)]
    .join(" ")
    .toLowerCase(),
  columns: [...element.querySelectorAll("tr.column")].map((row) => ({
    row,
    text: row.textContent.toLowerCase(),
    categories: row.dataset.categories.split(" "),
  })),
}));

function search() {
  const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
  const isFiltered = wanted.length > 0 || category.value !== "";
  let tableCount = 0;
  let columnCount = 0;
  for (const table of tables) {
    let count = 0;
    for (const { row, text, categories } of table.columns) {
      const isMatch =
        wanted.every((word) => text.includes(word) || table.head.includes(word)) &&
        (category.value === "" || categories.includes(category.value));
      row.hidden = !isMatch;
      count += isMatch ? 1 : 0;
    }
    const isShown = count > 0 && (layer.value === "" || table.layer.dataset.layer === layer.value);
    table.element.hidden = !isShown;
    tableCount += isShown ? 1 : 0;
    columnCount += isShown ? count : 0;
  }
  for (const { element } of tables) {
    element.open = isFiltered && !element.hidden && tableCount <= 8;
  }
  for (const section of document.querySelectorAll("section.layer")) {
    section.hidden = section.querySelector("details.table:not([hidden])") === null;
  }
  found.textContent =
    isFiltered || layer.value !== "" ? `${columnCount} columns in ${tableCount} tables` : "";
}

for (const field of [words, layer, category]) {
  field.addEventListener("input", search);
}
document.querySelector("form.search").addEventListener("submit", (event) => event.preventDefault());

// A link to a table opens it, and paper shows everything.
function openNamed() {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (named !== null && named.tagName === "DETAILS") {
    named.open = true;
    named.scrollIntoView();
  }
}
addEventListener("hashchange", openNamed);
openNamed();
let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll("details:not([open], .words)")];
  for (const each of closed) each.open = true;
});
addEventListener("afterprint", () => {
  for (const each of closed) each.open = false;
});
