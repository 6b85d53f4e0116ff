// How the charts of a page get plotly.js, in node. Run by test_javascript.py.
import assert from "node:assert/strict";
import test from "node:test";
import { PlotlyLoader } from "../../../explorable/widgets/core/plotly_loader.js";

class Model {
  handlers = new Set();
  sent = [];
  on = (_, handler) => this.handlers.add(handler);
  off = (_, handler) => this.handlers.delete(handler);
  send = (message) => this.sent.push(message);
  receive = (message, buffers = []) => [...this.handlers].forEach((handler) => handler(message, buffers));
}

const opened = (retryMs = 10_000) => {
  const loader = new PlotlyLoader((bytes) => `script of ${bytes}`, retryMs);
  const models = [new Model(), new Model(), new Model()];
  return { loader, models, requests: models.map((model) => loader.request(model)) };
};

test("one chart asks, and all get the answer", async () => {
  const { loader, models, requests } = opened();
  assert.deepEqual(models.map(({ sent }) => sent.length), [1, 0, 0]);
  models[0].receive({ do: "something else" });
  models[0].receive({ plotly: true }, ["5 MB"]);
  assert.deepEqual(await Promise.all(requests.map(({ loaded }) => loaded)), Array(3).fill("script of 5 MB"));
  assert.equal(models.reduce((count, { handlers }) => count + handlers.size, 0), 0);
  const late = new Model();
  assert.equal(await loader.request(late).loaded, "script of 5 MB");
  assert.equal(late.sent.length, 0);
});

test("if the chart that asked closes, the next one asks", async () => {
  const { models, requests } = opened();
  requests[1].cancel();
  requests[0].cancel();
  assert.deepEqual(models.map(({ sent }) => sent.length), [1, 0, 1]);
  models[0].receive({ plotly: true }, ["too late"]);
  models[2].receive({ plotly: true }, ["5 MB"]);
  assert.equal(await requests[2].loaded, "script of 5 MB");
});

test("when all have closed, a new chart asks", async () => {
  const { loader, requests } = opened();
  for (const { cancel } of requests) cancel();
  const model = new Model();
  const { loaded } = loader.request(model);
  model.receive({ plotly: true }, ["5 MB"]);
  assert.deepEqual([model.sent.length, await loaded], [1, "script of 5 MB"]);
});

test("a kernel that does not answer keeps nobody waiting: another chart asks", async () => {
  const { models, requests } = opened(20);
  await new Promise((done) => setTimeout(done, 30));
  assert.equal(models[1].sent.length, 1);
  models[1].receive({ plotly: true }, ["5 MB"]);
  assert.equal(await requests[0].loaded, "script of 5 MB");
});
