"use strict";
(() => {
  const all = (query, root = document) => [...root.querySelectorAll(query)];

  // Tables: a click on a title sorts by that column, another the other way round. Numbers begin
  // with the largest; equal cells keep their order.
  const key = (row, column) => {
    const cell = row.cells[column];
    const given = cell.dataset.sort;
    if (given === undefined) return cell.textContent.trim();
    return given === "-inf" ? -Infinity : Number.isNaN(Number(given)) ? given : Number(given);
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number"
      ? (a < b ? -1 : a > b ? 1 : 0)
      : String(a).localeCompare(String(b), "en", { numeric: true });
  for (const title of all("table.sortable thead th")) {
    title.querySelector("button").addEventListener("click", () => {
      const body = title.closest("table").tBodies[0];
      const rows = [...body.rows];
      const column = title.cellIndex;
      const before = title.getAttribute("aria-sort");
      const numbers = rows.length > 0 && typeof key(rows[0], column) === "number";
      const first = numbers ? "descending" : "ascending";
      const other = numbers ? "ascending" : "descending";
      const order = before === first ? other : first;
      for (const each of title.parentElement.cells) each.setAttribute("aria-sort", "none");
      title.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      rows.sort((a, b) => sign * compare(key(a, column), key(b, column)));
      body.append(...rows);
    });
  }

  // Choices: the pressed button says which view is shown.
  for (const tabs of all(".tabs")) {
    const buttons = all(":scope > .choice > button", tabs);
    const views = all(":scope > .view", tabs);
    buttons.forEach((button, place) =>
      button.addEventListener("click", () => {
        buttons.forEach((each, at) => each.setAttribute("aria-pressed", String(at === place)));
        views.forEach((each, at) => { each.hidden = at !== place; });
      }),
    );
  }

  // An arm of a legend, clicked, is the only one in every chart; clicked again, all are. Arms that
  // share a mark are told apart by semicolons.
  const arms = (each) => each.dataset.arm.split(";");
  const meets = (one, other) => arms(one).some((arm) => arms(other).includes(arm));
  let alone = null;
  for (const button of all(".legend button")) {
    button.addEventListener("click", () => {
      alone = alone?.dataset.arm === button.dataset.arm ? null : button;
      document.body.classList.toggle("one", alone !== null);
      for (const each of all("[data-arm]")) {
        const chosen = alone !== null && meets(alone, each);
        each.classList.toggle("chosen", chosen);
        if (each.matches("button")) {
          each.setAttribute("aria-pressed", String(chosen));
        }
      }
    });
  }

  // What a mark means, at the pointer. The browser's own title would come late and a second time.
  const tip = document.getElementById("tip");
  for (const mark of all("svg .mark, svg .line")) {
    const title = mark.querySelector(":scope > title");
    mark.dataset.tip = title.textContent;
    mark.setAttribute("role", "img");
    mark.setAttribute("aria-label", title.textContent);
    title.remove();
  }
  const show = (text, x, y) => {
    tip.textContent = text;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = Math.min(Math.max(x + 12, 4), window.innerWidth - box.width - 4);
    const above = y - box.height - 10;
    tip.style.transform = `translate(${Math.max(left, 4)}px, ${above < 4 ? y + 14 : above}px)`;
  };
  const marked = (event) => event.target.closest?.("[data-tip]");
  document.addEventListener("pointermove", (event) => {
    const mark = marked(event);
    if (mark) show(mark.dataset.tip, event.clientX, event.clientY);
    else tip.hidden = true;
  });
  document.addEventListener("focusin", (event) => {
    const mark = marked(event);
    if (!mark || !mark.matches(":focus-visible")) return;
    const box = mark.getBoundingClientRect();
    show(mark.dataset.tip, box.right, box.top);
  });
  document.addEventListener("focusout", () => { tip.hidden = true; });
  document.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });

  // Light and dark, whatever the system says.
  document.getElementById("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
    const now = root.dataset.theme ?? (dark ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
  });
})();
