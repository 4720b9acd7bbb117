// SPDX-License-Identifier: MIT
import { Ollama } from "ollama";
import { answer, assert, base, collect, each, key, schema, test } from "./harness.mjs";

const client = new Ollama({ host: base, headers: { Authorization: "Bearer " + key } });
const messages = [{ role: "user", content: "Hello" }];
const tools = [{ type: "function", function: { name: "get_weather", description: "weather", parameters: schema } }];

each("plain and stream", async (p) => {
  const a = await client.chat({ model: p + "-plain", messages });
  assert.equal(a.message.content, answer);
  const s = await client.chat({ model: p + "-plain", messages, stream: true });
  assert.equal(await collect(s, (c) => c.message.content), answer);
});
each("tools", async (p) => {
  const a = await client.chat({ model: p + "-tool", messages, tools });
  assert.equal(a.message.tool_calls[0].function.name, "get_weather");
});
each("json by a schema", async (p) => {
  const a = await client.chat({ model: p + "-json", messages, format: schema });
  assert.equal(typeof JSON.parse(a.message.content), "object");
});
each("embeddings", async (p) => {
  assert.equal((await client.embed({ model: p + "-plain", input: ["a", "b"] })).embeddings.length, 2);
}, ["oai", "gem", "oll"]);
each("errors", async (p) => {
  await assert.rejects(client.chat({ model: p + "-limit", messages }), (e) => e.status_code === 429);
});
test("models", async () => {
  assert.ok((await client.list()).models.some((m) => m.model === "ant-plain"));
});
