"use strict";
// Each table with filters: a row is shown if it has the choice of every list and every word that is typed.
for (const form of document.querySelectorAll(".filters")) {
  const table = document.getElementById(form.dataset.table);
  const rows = Array.from(table.tBodies[0].rows, (row) => [row, row.dataset.f.split(" "), ""]);
  const lists = Array.from(form.querySelectorAll("select"));
  const words = form.querySelector("input");
  const count = form.querySelector("output");
  const show = () => {
    const chosen = lists.map((list) => list.value);
    const typed = words.value.toLowerCase().split(" ").filter(Boolean);
    let shown = 0;
    for (const entry of rows) {
      const [row, tags] = entry;
      let fits = chosen.every((choice, n) => choice === "" || choice === tags[n]);
      if (fits && typed.length) {
        entry[2] ||= row.textContent.toLowerCase();
        fits = typed.every((word) => entry[2].includes(word));
      }
      if (row.hidden === fits) row.hidden = !fits;
      shown += fits;
    }
    count.value = shown + " of " + rows.length + " shown";
  };
  form.hidden = false;
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  show();
}
// A link to something folded unfolds it.
const unfold = () => {
  const place = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let at = place; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  if (place) place.scrollIntoView();
};
addEventListener("hashchange", unfold);
unfold();
