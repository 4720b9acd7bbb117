// SPDX-License-Identifier: MIT
import { CohereClientV2 } from "cohere-ai";
import { answer, assert, base, collect, each, key, schema, test } from "./harness.mjs";

const messages = [{ role: "user", content: "Hello" }], once = { maxRetries: 0 };
const tools = [{ type: "function", function: { name: "get_weather", description: "weather", parameters: schema } }];
const documents = ["Carson City is in Nevada.", "Paris is in France.", "A pig is no bird."];
const client = new CohereClientV2({ token: key, environment: base });
const own = new CohereClientV2({ token: key, environment: base + "/cohere" });
const text = (e) => (e.type === "content-delta" ? e.delta.message.content.text : "");
const all = ["oai", "ant", "gem", "oll", "coh"];

each("plain", async (p) => {
  const a = await client.chat({ model: p + "-plain", messages });
  assert.equal(a.message.content[0].text, answer);
  assert.equal(a.finishReason, "COMPLETE");
  assert.equal(a.usage.tokens.outputTokens, 3);
}, all);
each("stream", async (p) => {
  assert.equal(await collect(await client.chatStream({ model: p + "-plain", messages, documents }), text), answer);
}, all);
each("tools", async (p) => {
  const a = await client.chat({ model: p + "-tool", messages, tools });
  assert.equal(a.message.toolCalls[0].function.name, "get_weather");
  const more = [...messages, a.message, { role: "tool", toolCallId: a.message.toolCalls[0].id, content: "sunny" }];
  assert.equal((await client.chat({ model: p + "-plain", messages: more, tools })).message.content[0].text, answer);
  const pieces = await collect(await client.chatStream({ model: p + "-tool", messages, tools }),
    (e) => (e.type === "tool-call-delta" ? e.delta.message.toolCalls.function.arguments : ""));
  assert.equal(typeof JSON.parse(pieces), "object");
}, all);
each("json by a schema", async (p) => {
  const a = await client.chat({ model: p + "-json", messages,
    responseFormat: { type: "json_object", jsonSchema: schema } });
  assert.equal(typeof JSON.parse(a.message.content[0].text), "object");
}, all);
each("embeddings", async (p) => {
  const a = await client.embed({ model: p + "-plain", texts: ["a", "b"], inputType: "search_query",
    embeddingTypes: ["float"] });
  assert.ok(a.embeddings.float.length === 2 && a.embeddings.float[1].length > 1);
}, ["oai", "gem", "oll", "coh"]);
for (const ranker of ["cohere", "jina_ai", "voyage"]) test(`rerank [${ranker}]`, async () => {
  const a = await client.rerank({ model: "rank-" + ranker, query: "Where is Paris?", documents, topN: 2 });
  assert.equal(a.results.length, 2);
  assert.ok(a.results[0].relevanceScore >= a.results[1].relevanceScore);
});
each("errors", async (p) => {
  await assert.rejects(client.chat({ model: p + "-limit", messages }, once),
    (e) => e.statusCode === 429 && e.body.message.includes("mock: status 429"));
}, all);
test("passed through", async () => {
  assert.equal((await own.chat({ model: "plain", messages })).message.content[0].text, answer);
  assert.equal(await collect(await own.chatStream({ model: "plain", messages }), text), answer);
  await assert.rejects(own.chat({ model: "x?status=429", messages }, once), (e) => e.statusCode === 429);
});
