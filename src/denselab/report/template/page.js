(() => {
  "use strict";
  const root = document.documentElement;
  const { charts, datasets } = JSON.parse(document.getElementById("charts").textContent);
  const views = {};

  // The page asks for nothing: whatever a chart might want to load is refused.
  const refuse = () => Promise.reject(new Error("this page loads nothing"));
  const loader = { load: refuse, sanitize: refuse, http: refuse, file: refuse };

  async function draw(place) {
    const name = place.dataset.chart;
    const spec = charts[name];
    spec.datasets = Object.fromEntries(spec.datasets.map((key) => [key, datasets[key]]));
    const made = await vegaEmbed(place, spec, {
      mode: "vega-lite", renderer: "svg", actions: false, ast: true, loader,
    });
    views[name] = made.view;
  }

  // Charts take their colours from the style of the page, so light and dark need no new drawing.
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const toggle = document.getElementById("theme");
  const isDark = () => (root.dataset.theme || (scheme.matches ? "dark" : "light")) === "dark";
  function show() {
    toggle.setAttribute("aria-pressed", String(isDark()));
    toggle.textContent = isDark() ? "Light page" : "Dark page";
    toggle.setAttribute("aria-label", "Dark page");
  }
  toggle.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    show();
  });
  scheme.addEventListener("change", show);
  toggle.hidden = false;
  show();

  async function save(name) {
    const style = getComputedStyle(root);
    const text = await views[name].toSVG();
    const svg = text.replace(/var\((--\w+)\)/g, (_, key) => style.getPropertyValue(key).trim());
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
    link.download = name + ".svg";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
  for (const button of document.querySelectorAll("[data-save]")) {
    button.hidden = false;
    button.addEventListener("click", () => save(button.dataset.save));
  }

  // Paper shows what a reader would have to open.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const one of opened) one.open = true;
  });
  addEventListener("afterprint", () => {
    for (const one of opened) one.open = false;
  });

  (async () => {
    for (const place of document.querySelectorAll("[data-chart]")) await draw(place);
    root.dataset.drawn = "true";
  })();
})();
