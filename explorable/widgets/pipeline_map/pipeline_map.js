// The map of the pipeline: nodes that open and close, arrows with numbers on them, and chips that can be removed.
const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 460;
const HEIGHT = 280;

function svg(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function arrow({ corners, label, at }) {
  const [x, y] = corners.at(-1);
  const [fromX, fromY] = corners.at(-2);
  const [dx, dy] = [Math.sign(x - fromX), Math.sign(y - fromY)];
  const line = corners.map(([cx, cy], k) => `${k ? "L" : "M"}${k === corners.length - 1 ? `${cx - 6 * dx} ${cy - 6 * dy}` : `${cx} ${cy}`}`);
  const head = `M${x} ${y}L${x - 8 * dx - 4.5 * dy} ${y - 8 * dy - 4.5 * dx}L${x - 8 * dx + 4.5 * dy} ${y - 8 * dy + 4.5 * dx}Z`;
  const parts = [svg("path", { d: line.join("") }), svg("path", { d: head, class: "ex-head" })];
  if (label) parts.push(svg("text", { x: at[0], y: at[1], class: "ex-number" }, label));
  return svg("g", {}, ...parts);
}

function node(spec, isOpen, choose) {
  const [x, y, width, height] = spec.box;
  const classes = ["ex-node", `ex-c-${spec.colour}`, isOpen && "ex-open", !spec.is_used && "ex-unused", spec.closed && "ex-closed"];
  const group = svg("g", { class: classes.filter(Boolean).join(" ") },
    svg("title", {}, spec.closed || spec.shows),
    svg("rect", { x, y, width, height, rx: 6 }),
    svg("text", { x: x + width / 2, y: y + 21, class: "ex-name" }, spec.title),
    svg("text", { x: x + width / 2, y: y + 38 }, spec.detail));
  if (!spec.shows) return group;
  const label = `${spec.title}, ${spec.detail}. ${spec.closed || spec.shows}`;
  for (const [key, value] of Object.entries({ role: "button", tabindex: 0, "aria-label": label, "data-node": spec.name,
    "aria-pressed": isOpen, "aria-disabled": Boolean(spec.closed), "data-lm-suppress-shortcuts": "true" })) group.setAttribute(key, value);
  group.addEventListener("click", () => choose(spec));
  group.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation();
    choose(spec);
  });
  return group;
}

function render({ model, el }) {
  const drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group", "aria-label": "The map of the pipeline: choose a part to open it" });
  const chips = document.createElement("div");
  chips.className = "ex-edits";
  el.classList.add("ex-pipeline-map");
  el.append(drawing, chips);

  // What opens stands below the image: bring it into view when it was chosen here.
  function reveal(tries = 40) {
    const opened = el.closest(".ex-explorable")?.querySelector(".ex-opened .ex-question");
    if (opened) opened.scrollIntoView({ block: "start", behavior: "smooth" });
    else if (tries) setTimeout(() => reveal(tries - 1), 50);
  }

  function choose(spec) {
    if (spec.closed) return;
    const next = model.get("opened") === spec.name ? "" : spec.name;
    model.set("opened", next);
    model.save_changes();
    if (next) setTimeout(reveal, 50);
  }

  function draw() {
    const focused = document.activeElement?.closest?.("[data-node]");
    const name = focused && el.contains(focused) ? focused.dataset.node : null;
    drawing.replaceChildren(...model.get("arrows").map(arrow),
      ...model.get("nodes").map((spec) => node(spec, spec.name === model.get("opened"), choose)));
    if (name) [...drawing.querySelectorAll("[data-node]")].find((each) => each.dataset.node === name)?.focus();
  }

  function drawChips() {
    chips.replaceChildren(...model.get("chips").map(({ key, text, note }) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = note ? "ex-edit ex-idle" : "ex-edit";
      button.textContent = `${text} ×`;
      button.title = note || "Remove this edit";
      button.setAttribute("aria-label", `Remove the edit ${text}${note ? `. ${note}` : ""}`);
      button.setAttribute("data-lm-suppress-shortcuts", "true");
      button.addEventListener("click", () => {
        model.set("removed", key); // Python takes it back to "", so that the same chip can be removed again
        model.save_changes();
      });
      return button;
    }));
  }

  model.on("change:nodes change:arrows change:opened", draw);
  model.on("change:chips", drawChips);
  draw();
  drawChips();
  return () => {
    model.off("change:nodes change:arrows change:opened", draw);
    model.off("change:chips", drawChips);
  };
}

export default { render };
