// SPDX-License-Identifier: MIT
import { ChatOpenAI, OpenAIEmbeddings } from "@langchain/openai";
import { answer, assert, base, collect, each, key, schema } from "./harness.mjs";

const chat = (model) => new ChatOpenAI({ model, apiKey: key, maxRetries: 0, configuration: { baseURL: base + "/v1" } });

each("plain and stream", async (p) => {
  assert.equal((await chat(p + "-plain").invoke("Hello")).content, answer);
  assert.equal(await collect(await chat(p + "-plain").stream("Hello"), (c) => c.content), answer);
});
each("tools", async (p) => {
  const tools = [{ type: "function", function: { name: "get_weather", parameters: schema } }];
  const a = await chat(p + "-tool").bindTools(tools).invoke("Hello");
  assert.equal(a.tool_calls[0].name, "get_weather");
});
each("json by a schema", async (p) => {
  const form = { title: "reply", ...schema };
  const a = await chat(p + "-json").withStructuredOutput(form, { method: "jsonSchema" }).invoke("Hello");
  assert.equal(typeof a, "object");
});
each("embeddings", async (p) => {
  const e = new OpenAIEmbeddings({ model: p + "-plain", apiKey: key, maxRetries: 0,
    configuration: { baseURL: base + "/v1" } });
  assert.equal((await e.embedDocuments(["a", "b"])).length, 2);
}, ["oai", "gem", "oll"]);
each("errors", (p) => assert.rejects(chat(p + "-limit").invoke("Hello"), (e) => e.status === 429));
