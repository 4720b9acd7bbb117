// SPDX-License-Identifier: MIT
import { CohereClientV2 } from "cohere-ai";
import { answer, assert, base, collect, key, test } from "./harness.mjs";

const messages = [{ role: "user", content: "Hello" }];
const documents = ["Carson City is in Nevada.", "Paris is in France.", "A pig is no bird."];
const client = new CohereClientV2({ token: key, environment: base });
const own = new CohereClientV2({ token: key, environment: base + "/cohere" });

for (const ranker of ["cohere", "jina_ai", "voyage"]) test(`rerank [${ranker}]`, async () => {
  const a = await client.rerank({ model: "rank-" + ranker, query: "Where is Paris?", documents, topN: 2 });
  assert.equal(a.results.length, 2);
  assert.ok(a.results[0].relevanceScore >= a.results[1].relevanceScore);
});
test("chat", async () => {
  const a = await own.chat({ model: "plain", messages });
  assert.equal(a.message.content[0].text, answer);
});
test("stream", async () => {
  const s = await own.chatStream({ model: "plain", messages });
  assert.equal(await collect(s, (e) => (e.type === "content-delta" ? e.delta.message.content.text : "")), answer);
});
test("errors", async () => {
  await assert.rejects(own.chat({ model: "x?status=429", messages }, { maxRetries: 0 }), (e) => e.statusCode === 429);
});
