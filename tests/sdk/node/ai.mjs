// SPDX-License-Identifier: MIT
// ai.mjs - Vercel's `ai`, by its providers for OpenAI-compatible servers.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embed, generateText, jsonSchema, streamText, tool } from "ai";
import { answer, assert, base, collect, each, key, schema, test } from "./harness.mjs";

const llmgw = createOpenAICompatible({ name: "llmgw", baseURL: base + "/v1", apiKey: key });
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
test("embedding", async () => {
  const e = await embed({ model: llmgw.textEmbeddingModel("oai-plain"), value: "a" });
  assert.ok(e.embedding.length > 1);
});
test("errors", () => assert.rejects(generateText({ model: llmgw("oll-bad"), prompt: "x", maxRetries: 0 })));
