// Draws the charts of a report, where the page has pictures of them, and lets readers choose.
"use strict";
(() => {
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const tip = document.getElementById("tip");

  function showTip(_, event, item, value) {
    if (value === null || value === undefined || value === "") {
      tip.hidden = true;
      return;
    }
    // In the cell of the nearest point, Vega-Lite finds the numbers of the point, but not its text.
    const row = item.datum.datum || item.datum;
    const list = document.createElement("dl");
    for (const [name, text] of Object.entries(value)) {
      const term = document.createElement("dt");
      const shown = document.createElement("dd");
      term.textContent = name;
      shown.textContent = text === "undefined" ? row[name.toLowerCase()] : text;
      list.append(term, shown);
    }
    tip.replaceChildren(list);
    tip.hidden = false;
    const left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
    const below = event.clientY + 14;
    const top = below + tip.offsetHeight > innerHeight ? event.clientY - tip.offsetHeight - 14 : below;
    tip.style.left = `${Math.max(left, 4)}px`;
    tip.style.top = `${Math.max(top, 4)}px`;
  }

  function ungrouped([texts, columns]) {
    const [first] = Object.values(columns);
    const rowOf = (_, at) => Object.fromEntries(
      Object.entries(columns).map(([name, values]) => [name, values[at]]));
    return first.map((value, at) => ({ ...texts, ...rowOf(value, at) }));
  }

  function draw(figure) {
    const { spec, data, rows } = charts[figure.dataset.chart];
    const place = figure.querySelector(".chart");
    const inner = document.createElement("div");
    const widthOf = () => Math.max(Math.floor(place.clientWidth), 240);
    const options = {
      ast: true, renderer: "svg", hover: true, actions: false, defaultStyle: false,
      tooltip: showTip,
    };
    let width = widthOf();
    vegaEmbed(inner, { ...spec, width }, options).then(({ view }) => {
      place.replaceChildren(inner);
      offer(figure, view, data, rows);
      figure.dataset.drawn = "true";
      const fit = () => {
        if (place.clientWidth && widthOf() !== width) {
          width = widthOf();
          view.width(width).runAsync();
        }
      };
      // In the next frame: a change of sizes while they are observed is an error in the console.
      new ResizeObserver(() => requestAnimationFrame(fit)).observe(place);
    });
  }

  function offer(figure, view, data, rows) {
    const selects = [...figure.querySelectorAll("select")];
    if (!selects.length) return;
    const choose = () => {
      const key = selects.map((select) => select.value).join("/");
      for (const one of figure.querySelectorAll("[data-key]")) one.hidden = one.dataset.key !== key;
      return (rows[key] || []).flatMap(ungrouped);
    };
    choose();
    figure.querySelector(".choices").hidden = false;
    for (const select of selects) {
      select.addEventListener("change", () => {
        tip.hidden = true;
        view.data(data, choose()).runAsync();
      });
    }
  }

  for (const figure of document.querySelectorAll("figure[data-chart]")) draw(figure);
  addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
})();
