"use strict";
const page = JSON.parse(document.getElementById("page-data").textContent);
const CONFIG = { displayModeBar: false, responsive: true };
const NUMBERS = new Set(["x", "y", "z", "customdata", "text"]); // parts of a trace that hold no colours
const PRINTED_WIDTH = 680; // pixels between the margins of a sheet

const root = document.documentElement;
const asked = window.matchMedia("(prefers-color-scheme: dark)");
let printing = false;

function isDark() {
  if (printing) return false;
  return root.dataset.theme ? root.dataset.theme === "dark" : asked.matches;
}

function darkColour(text) {
  const tint = Object.keys(page.darkTints).find((light) => text.startsWith(light));
  return tint ? page.darkTints[tint] + text.slice(tint.length) : page.dark[text] ?? text;
}

// A copy of a figure in the colours of the dark theme.
function inDark(value) {
  if (typeof value === "string") return darkColour(value);
  if (Array.isArray(value)) return value.map(inDark);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => [key, NUMBERS.has(key) ? part : inDark(part)])
  );
}

function draw(element, figure) {
  const shown = isDark() ? inDark(figure) : figure;
  const layout = { ...structuredClone(shown.layout), autosize: true };
  if (printing) Object.assign(layout, { autosize: false, width: PRINTED_WIDTH });
  Plotly.react(element, shown.data, layout, CONFIG);
}

const charts = [...document.querySelectorAll("[data-figure]")];
const picked = document.getElementById("series-chart");
const list = document.getElementById("series");

function pick(place) {
  const series = page.series[place];
  document.getElementById("series-name").textContent = series.name;
  const facts = series.facts.map(([label, text]) => {
    const fact = document.createElement("span");
    const number = document.createElement("b");
    number.textContent = text;
    fact.append(label + " ", number);
    return fact;
  });
  document.getElementById("series-facts").replaceChildren(...facts);
  draw(picked, series.figure);
}

function drawAll() {
  for (const element of charts) draw(element, page.figures[Number(element.dataset.figure)]);
  if (picked) pick(list.selectedIndex);
  document.getElementById("theme").textContent = isDark() ? "Light" : "Dark";
}

function step(by) {
  const count = page.series.length;
  list.selectedIndex = (list.selectedIndex + by + count) % count;
  pick(list.selectedIndex);
}

if (picked) {
  list.addEventListener("change", () => pick(list.selectedIndex));
  document.getElementById("previous").addEventListener("click", () => step(-1));
  document.getElementById("next").addEventListener("click", () => step(1));
}
document.getElementById("theme").addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  drawAll();
});
asked.addEventListener("change", drawAll);
window.addEventListener("beforeprint", () => {
  printing = true;
  drawAll();
});
window.addEventListener("afterprint", () => {
  printing = false;
  drawAll();
});
drawAll();
root.dataset.drawn = "yes";
