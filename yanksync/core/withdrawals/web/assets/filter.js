// Shows the rows of the table of events that have all words of the search, and one of the kinds.
// All rows are in the page, so this works without a server.
"use strict";
(() => {
  const table = document.getElementById("table");
  if (!table) return;
  const form = document.getElementById("filters");
  const search = document.getElementById("search");
  const status = document.getElementById("matches");
  const every = status.textContent;
  const plain = text => text.toLowerCase().replace(/[-_.]+/g, "-");
  const days = [...table.tBodies].map(body => ({
    body,
    rows: [...body.rows].slice(1).map(row => ({
      row,
      kind: row.dataset.kind,
      text: plain([...row.cells].map(cell => cell.textContent).join(" ")),
    })),
  }));
  const total = days.reduce((sum, day) => sum + day.rows.length, 0);
  let timer;

  const show = () => {
    const words = plain(search.value).split(/\s+/).filter(Boolean);
    const kinds = [...form.elements.kind].filter(box => box.checked).map(box => box.value);
    let shown = 0;
    for (const { body, rows } of days) {
      let there = 0;
      for (const { row, kind, text } of rows) {
        row.hidden = !kinds.includes(kind) || !words.every(word => text.includes(word));
        if (!row.hidden) there += 1;
      }
      body.hidden = !there;
      shown += there;
    }
    table.hidden = !shown;
    // After a pause, so that a screen reader is not interrupted by every letter.
    clearTimeout(timer);
    timer = setTimeout(() => {
      status.textContent = shown === total ? every
        : `${shown || "None"} of ${total.toLocaleString("en")} events shown`;
    }, 200);
    history.replaceState(null, "", search.value ? `#q=${encodeURIComponent(search.value)}` : "#");
  };

  form.addEventListener("input", show);
  form.addEventListener("submit", event => event.preventDefault());
  form.hidden = false;
  if (location.hash.startsWith("#q=")) {
    try {
      search.value = decodeURIComponent(location.hash.slice(3));
    } catch { /* a link that was cut: nothing is searched for */ }
    if (search.value) show();
  }
})();
