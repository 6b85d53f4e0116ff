// As much of a page as the stage needs, in node: elements with children, attributes and listeners, and canvases that
// remember what was painted on them. A canvas is 100 pixels wide and high, at the left upper corner of the page.

class Element {
  constructor(tag) {
    Object.assign(this, { tag, children: [], attributes: {}, listeners: {}, style: { setProperty() {} }, dataset: {} });
    this.classList = { toggle() {}, add() {} };
    if (tag === "canvas") Object.assign(this, { width: 100, height: 100, clientWidth: 100, clientHeight: 100, painted: [] });
  }

  append(...nodes) {
    for (const node of nodes) if (node instanceof Element) node.parent = this;
    this.children.push(...nodes);
  }

  remove() {
    this.parent.children = this.parent.children.filter((child) => child !== this);
  }

  replaceChildren(...nodes) {
    this.children = nodes;
  }

  appendChild(node) {
    this.append(node);
    return node;
  }

  get textContent() {
    return this.children.map((child) => (child instanceof Element ? child.textContent : String(child))).join("");
  }

  set textContent(text) {
    this.children = text === "" ? [] : [text];
  }

  setAttribute(name, value) {
    this.attributes[name] = value;
    if (name.startsWith("data-")) this.dataset[name.slice(5)] = value;
  }

  removeAttribute(name) {
    delete this.attributes[name];
  }

  addEventListener(name, listener) {
    (this.listeners[name] ??= []).push(listener);
  }

  /** What a hand does here. */
  fire(name, event = {}) {
    for (const listener of this.listeners[name] ?? []) listener({ preventDefault() {}, stopPropagation() {}, ...event });
  }

  /** Every element below whose tag, or whose class, this is. */
  find(what) {
    return this.children.flatMap((child) => (child instanceof Element ? [
      ...(child.tag === what || child.attributes.class?.split(" ").includes(what) ? [child] : []), ...child.find(what)] : []));
  }

  querySelectorAll(tags) {
    return tags.split(", ").flatMap((tag) => this.find(tag));
  }

  closest() {
    return null;
  }

  matches(what) {
    return this.tag === what;
  }

  getBoundingClientRect() {
    return { left: 0, top: 0, width: 100, height: 100 };
  }

  getContext() {
    const fallback = (name) => (...values) => {
      if (name === "clearRect") this.painted = this.texts = [];
      if (name === "drawImage") this.painted.push(values[0]);
      if (name === "fillText") this.texts = [...(this.texts ?? []), values[0]];
      if (name === "measureText") return { width: 6 * values[0].length };
      if (name === "createImageData") return { data: new Uint8ClampedArray(values[0] * values[1] * 4) };
      if (name === "putImageData") this.image = values[0].data;
      return undefined;
    };
    return new Proxy({ canvas: this }, { set: () => true, get: (on, name) => on[name] ?? fallback(name) });
  }

  focus() {}

  setPointerCapture() {}
}

class Observer {
  observe() {}

  disconnect() {}
}

Object.assign(globalThis, {
  document: { createElement: (tag) => new Element(tag), createElementNS: (_, tag) => new Element(tag), body: new Element("body") },
  window: { devicePixelRatio: 1 },
  ResizeObserver: Observer,
  MutationObserver: Observer,
  getComputedStyle: () => ({ backgroundColor: "rgba(0, 0, 0, 0)", getPropertyValue: () => "#000" }),
  matchMedia: () => ({ matches: true }), // a dark page, and a reader who wants no motion
  requestAnimationFrame: () => 0,
  cancelAnimationFrame() {},
});

/** A model with a state, as anywidget gives one: tell(event) as Python would, `said` is what the page set. */
export function modelOf(state) {
  const handlers = {};
  const said = [];
  return {
    state, said, tell: (event) => handlers[event]?.(), get: (name) => state[name], on: (event, f) => (handlers[event] = f),
    off() {}, save_changes() {},
    set(name, value) {
      state[name] = value;
      said.push(name);
    },
  };
}

export const body = () => new Element("div");
