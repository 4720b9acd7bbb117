// SPDX-License-Identifier: MIT
import Anthropic from "@anthropic-ai/sdk";
import { answer, assert, base, each, key, schema, test } from "./harness.mjs";

const client = new Anthropic({ baseURL: base, apiKey: key, maxRetries: 0 });
const ask = { max_tokens: 100, messages: [{ role: "user", content: "Hello" }] };
const tools = [{ name: "get_weather", input_schema: schema }];

each("plain", async (p) => {
  const a = await client.messages.create({ model: p + "-plain", ...ask });
  assert.equal(a.content[0].text, answer);
  assert.equal(a.stop_reason, "end_turn");
});
each("stream", async (p) => {
  const s = client.messages.stream({ model: p + "-plain", ...ask });
  assert.equal(await s.finalText(), answer);
});
each("tools", async (p) => {
  const a = await client.messages.create({ model: p + "-tool", ...ask, tools });
  assert.ok(a.content.some((b) => b.type === "tool_use" && b.name === "get_weather"));
  const s = await client.messages.stream({ model: p + "-tool", ...ask, tools }).finalMessage();
  assert.ok(s.content.some((b) => b.type === "tool_use" && typeof b.input === "object"));
});
each("json by a schema", async (p) => {
  const a = await client.messages.create({ model: p + "-json", ...ask,
    output_config: { format: { type: "json_schema", schema: { ...schema, additionalProperties: false } } } });
  assert.equal(typeof JSON.parse(a.content[0].text), "object");
});
each("errors", async (p) => {
  await assert.rejects(client.messages.create({ model: p + "-limit", ...ask }), Anthropic.RateLimitError);
});
test("counts", async () => {
  const { max_tokens: _, ...count } = ask;
  assert.ok((await client.messages.countTokens({ model: "oll-plain", ...count })).input_tokens > 0);
});
