// SPDX-License-Identifier: MIT
import { BedrockRuntimeClient, ConverseCommand, ConverseStreamCommand } from "@aws-sdk/client-bedrock-runtime";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { answer, assert, base, collect, key, test } from "./harness.mjs";

const client = new BedrockRuntimeClient({
  region: "us-east-1", endpoint: base + "/bedrock", token: { token: key }, authSchemePreference: ["httpBearerAuth"],
  maxAttempts: 1, requestHandler: new NodeHttpHandler(),     // its own speaks HTTP/2 without asking
});
const messages = [{ role: "user", content: [{ text: "Hello" }] }];

test("converse", async () => {
  const a = await client.send(new ConverseCommand({ modelId: "plain", messages }));
  assert.equal(a.output.message.content[0].text, answer);
});
test("stream", async () => {
  const a = await client.send(new ConverseStreamCommand({ modelId: "plain", messages }));
  assert.equal(await collect(a.stream, (e) => e.contentBlockDelta?.delta.text), answer);
});
test("errors", async () => {
  await assert.rejects(client.send(new ConverseCommand({ modelId: "x~status=429", messages })),
    (e) => e.$metadata.httpStatusCode === 429);
});
