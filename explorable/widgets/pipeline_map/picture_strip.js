// A row of small images that are chosen by mouse and keyboard.
const DATA = /^data:image\/jpeg;base64,[A-Za-z0-9+/=]+$/;

function render({ model, el }) {
  const title = document.createElement("div");
  const row = document.createElement("div");
  title.className = "ex-help";
  row.className = "ex-strip-row";
  el.append(title, row);

  function draw() {
    title.textContent = model.get("title");
    row.replaceChildren(...model.get("items").map(({ key, text, image }) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "ex-small-image";
      button.title = text;
      button.setAttribute("aria-label", text);
      button.setAttribute("aria-pressed", key === model.get("present"));
      button.setAttribute("data-lm-suppress-shortcuts", "true");
      if (DATA.test(image)) button.style.backgroundImage = `url(${image})`;
      button.addEventListener("click", () => {
        model.set("chosen", key); // Python takes it back to "", so that the same one can be chosen again
        model.save_changes();
      });
      return button;
    }));
  }

  model.on("change:items change:present change:title", draw);
  draw();
  return () => model.off("change:items change:present change:title", draw);
}

export default { render };
