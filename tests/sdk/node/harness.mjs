// SPDX-License-Identifier: MIT
// harness.mjs - where the gateway is, and the same few questions for every SDK.
import assert from "node:assert/strict";
import { test } from "node:test";

export const base = process.env.GATEWAY, key = process.env.GATEWAY_KEY;
export const providers = ["oai", "ant", "gem", "oll"];
export const schema = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
export const answer = "t0 t1 t2";
export { assert, test };

export function each(name, check, only = providers) {
  for (const p of only) test(`${name} [${p}]`, () => check(p));
}

export async function collect(stream, pick) {
  let text = "";
  for await (const part of stream) text += pick(part) ?? "";
  return text;
}
