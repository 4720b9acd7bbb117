// SPDX-License-Identifier: MIT
import OpenAI from "openai";
import { answer, assert, base, collect, each, key, schema, test } from "./harness.mjs";

const client = new OpenAI({ baseURL: base + "/v1", apiKey: key, maxRetries: 0 });
const messages = [{ role: "user", content: "Hello" }];
const tools = [{ type: "function", function: { name: "get_weather", parameters: schema } }];

each("plain", async (p) => {
  const a = await client.chat.completions.create({ model: p + "-plain", messages });
  assert.equal(a.choices[0].message.content, answer);
  assert.equal(a.usage.completion_tokens, 3);
});
each("stream", async (p) => {
  const s = await client.chat.completions.create({ model: p + "-plain", messages, stream: true });
  assert.equal(await collect(s, (c) => c.choices[0]?.delta.content), answer);
});
each("tools", async (p) => {
  const a = await client.chat.completions.create({ model: p + "-tool", messages, tools });
  assert.equal(a.choices[0].message.tool_calls[0].function.name, "get_weather");
  const s = client.chat.completions.stream({ model: p + "-tool", messages, tools });
  assert.equal((await s.finalChatCompletion()).choices[0].message.tool_calls[0].function.name, "get_weather");
});
each("json by a schema", async (p) => {
  const a = await client.chat.completions.create({ model: p + "-json", messages,
    response_format: { type: "json_schema", json_schema: { name: "x", schema } } });
  assert.equal(typeof JSON.parse(a.choices[0].message.content), "object");
});
each("embeddings", async (p) => {
  const e = await client.embeddings.create({ model: p + "-plain", input: ["a", "b"] });
  assert.ok(e.data.length === 2 && e.data[1].embedding.length > 1);
}, ["oai", "gem", "oll"]);
each("errors", async (p) => {
  await assert.rejects(client.chat.completions.create({ model: p + "-limit", messages }), OpenAI.RateLimitError);
});
test("errors of the gateway", async () => {
  await assert.rejects(client.chat.completions.create({ model: "nobody", messages }), OpenAI.BadRequestError);
});
