// SPDX-License-Identifier: MIT
import { GoogleGenAI } from "@google/genai";
import { answer, assert, base, collect, each, key, schema, test } from "./harness.mjs";

const ai = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: base } });
const tools = [{ functionDeclarations: [{ name: "get_weather", parametersJsonSchema: schema }] }];

each("plain", async (p) => {
  const a = await ai.models.generateContent({ model: p + "-plain", contents: "Hello" });
  assert.equal(a.text, answer);
});
each("stream", async (p) => {
  const s = await ai.models.generateContentStream({ model: p + "-plain", contents: "Hello" });
  assert.equal(await collect(s, (c) => c.text), answer);
});
each("tools", async (p) => {
  const a = await ai.models.generateContent({ model: p + "-tool", contents: "Hello", config: { tools } });
  assert.equal(a.functionCalls[0].name, "get_weather");
});
each("json by a schema", async (p) => {
  const a = await ai.models.generateContent({ model: p + "-json", contents: "Hello",
    config: { responseMimeType: "application/json", responseJsonSchema: schema } });
  assert.equal(typeof JSON.parse(a.text), "object");
});
each("embeddings", async (p) => {
  const e = await ai.models.embedContent({ model: p + "-plain", contents: ["a", "b"] });
  assert.equal(e.embeddings.length, 2);
}, ["oai", "gem", "oll"]);
each("errors", (p) => assert.rejects(ai.models.generateContent({ model: p + "-limit", contents: "x" }),
  (e) => e.status === 429));
