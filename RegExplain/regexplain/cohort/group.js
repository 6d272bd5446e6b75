vegaEmbed("#strips", JSON.parse(document.getElementById("specification").textContent), {
  mode: "vega-lite", renderer: "canvas", actions: false, ast: true, loader: {target: "_blank"},
  theme: matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : undefined,
});

// The table's rows wait in a template; a screenful more comes in whenever its end does.
const body = document.querySelector("#pairs tbody"), STEP = 60;
let rows = [...body.querySelector("template").content.children];
const words = new Map(rows.map(row => [row, row.textContent.toLowerCase()]));
const find = document.getElementById("find"), show = document.getElementById("show");
let matching = [];

function filter() {
  const wanted = find.value.toLowerCase().split(/\s+/);
  matching = rows.filter(row => wanted.every(word => words.get(row).includes(word)) && row.dataset.state.includes(show.value));
  body.replaceChildren(...matching.slice(0, STEP));
  document.getElementById("count").textContent = `${matching.length} of ${rows.length}`;
}

function sort(button) {
  const order = -button.dataset.order || 1, column = button.parentElement.cellIndex;
  for (const other of document.querySelectorAll("#pairs button")) delete other.dataset.order;
  button.dataset.order = order;
  const compare = new Intl.Collator(undefined, {numeric: true}).compare;
  const by = ([a], [b]) => a === "" || b === "" ? (a === "") - (b === "")
    : order * (isNaN(a) || isNaN(b) ? compare(a, b) : a - b);
  rows = rows.map(row => [row.cells[column].textContent.trim(), row]).sort(by).map(([, row]) => row);
  filter();
}

for (const button of document.querySelectorAll("#pairs button")) button.onclick = () => sort(button);
find.oninput = show.onchange = filter;
filter();
new IntersectionObserver(([end], observer) => {
  if (!end.isIntersecting || body.rows.length >= matching.length) return;
  body.append(...matching.slice(body.rows.length, body.rows.length + STEP));
  observer.unobserve(end.target);  // it tells of changes only: ask anew, in case the end is in sight still
  observer.observe(end.target);
}, {rootMargin: "1500px"}).observe(document.getElementById("more"));
