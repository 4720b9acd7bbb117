// SPDX-License-Identifier: MIT
import { Mistral } from "@mistralai/mistralai";
import { answer, assert, base, collect, each, key, schema, test } from "./harness.mjs";

const client = new Mistral({ apiKey: key, serverURL: base, retryConfig: { strategy: "none" } });
const messages = [{ role: "user", content: "Hello" }];
const tools = [{ type: "function", function: { name: "get_weather", parameters: schema } }];

each("plain", async (p) => {
  const a = await client.chat.complete({ model: p + "-plain", messages });
  assert.equal(a.choices[0].message.content, answer);
});
each("stream", async (p) => {
  const s = await client.chat.stream({ model: p + "-plain", messages });
  assert.equal(await collect(s, (e) => e.data.choices[0]?.delta.content), answer);
});
each("tools", async (p) => {
  const a = await client.chat.complete({ model: p + "-tool", messages, tools });
  assert.equal(a.choices[0].message.toolCalls[0].function.name, "get_weather");
});
each("json by a schema", async (p) => {
  const a = await client.chat.complete({ model: p + "-json", messages,
    responseFormat: { type: "json_schema", jsonSchema: { name: "x", schemaDefinition: schema } } });
  assert.equal(typeof JSON.parse(a.choices[0].message.content), "object");
});
each("embeddings", async (p) => {        // an answer of OpenAI's own has no id, and this SDK wants one
  const e = await client.embeddings.create({ model: p + "-plain", inputs: ["a", "b"] });
  assert.ok(e.data.length === 2 && e.data[1].embedding.length > 1);
}, ["gem", "oll", "coh"]);
each("errors", async (p) => {
  await assert.rejects(client.chat.complete({ model: p + "-limit", messages }), (e) => e.statusCode === 429);
});
