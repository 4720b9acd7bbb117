// SPDX-License-Identifier: MIT
// ai.mjs - Vercel's `ai`, by its providers for OpenAI-compatible servers.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embed, generateObject, generateText, jsonSchema, streamText, tool } from "ai";
import { answer, assert, base, collect, each, key, schema, test } from "./harness.mjs";

const llmgw = createOpenAICompatible({ name: "llmgw", baseURL: base + "/v1", apiKey: key,
  supportsStructuredOutputs: true });
const tools = { get_weather: tool({ description: "weather", inputSchema: jsonSchema(schema) }) };

each("plain", async (p) => {
  assert.equal((await generateText({ model: llmgw(p + "-plain"), prompt: "Hello", maxRetries: 0 })).text, answer);
});
each("stream", async (p) => {
  const s = streamText({ model: llmgw(p + "-plain"), prompt: "Hello", maxRetries: 0 });
  assert.equal(await collect(s.textStream, (t) => t), answer);
});
each("tools", async (p) => {
  const a = await generateText({ model: llmgw(p + "-tool"), prompt: "Hello", tools, maxRetries: 0 });
  assert.equal(a.toolCalls[0].toolName, "get_weather");
});
each("json by a schema", async (p) => {
  const any = jsonSchema({ type: "object", properties: { answer: { type: "string" } } });
  const a = await generateObject({ model: llmgw(p + "-json"), prompt: "Hello", schema: any, maxRetries: 0 });
  assert.equal(typeof a.object, "object");
});
each("embedding", async (p) => {
  const e = await embed({ model: llmgw.textEmbeddingModel(p + "-plain"), value: "a" });
  assert.ok(e.embedding.length > 1);
}, ["oai", "gem", "oll"]);
each("errors", (p) => assert.rejects(generateText({ model: llmgw(p + "-bad"), prompt: "x", maxRetries: 0 }),
  (e) => e.statusCode === 400));
