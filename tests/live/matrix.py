# SPDX-License-Identifier: MIT
"""The tables of the matrix test: what clients speak, what providers hear, and one neutral form.

A question is a dict: `text`, and any of `system`, `image`, `pdf`, `tools`, `choice` (a tool's name),
`schema`, `effort`, `sampling`, `turns` (calls of tools and their results, before `text`) and `thought`
(what the model thought before it called). A DIALECT writes it in its client's words and
reads answers, whole or as a stream, into a neutral dict; a PROVIDER reads what the mock received
into the same form. Adding one is a row; what cannot be said of it goes into `cannot`."""
import base64
import json
import pathlib
import re

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) + b"\xfb\xef\xbe\xff").decode()
WEATHER = {"name": "get_weather", "description": "the weather", "schema": {
    "type": "object", "properties": {"city": {"type": "string", "description": "where"}}, "required": ["city"]}}
PDF = base64.b64encode(b"%PDF-1.4\n" + bytes(range(64))).decode()
CLOCK = {"name": "get_time", "description": "the time", "schema": {
    "type": "object", "properties": {"zone": {"type": "string", "enum": ["utc", "local"]}}}}
SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}, "n": {"type": "integer"}},
          "required": ["answer", "n"], "additionalProperties": False}
TURNS = [("Where am I?", [("call_a1", "get_weather", {"city": "Paris"}), ("call_b2", "get_time", {"zone": "utc"})],
          ["sunny", "noon"])]


def data_uri(b64, mime="image/png"):
    return f"data:{mime};base64,{b64}"


def neutral():
    return {"text": "", "reasoning": "", "calls": [], "ids": [], "finish": None, "usage": None, "id": None,
            "created": None, "error": None, "ended": False}


def cannot(dialect, provider, what):
    return any((d, p, what) in CANNOT for d in (dialect, "*") for p in (provider, "*"))


def merge_calls(out, slots):
    for i in sorted(slots):
        out["ids"].append(slots[i]["id"])
        out["calls"].append((slots[i]["name"], json.loads(slots[i]["args"])))
    return out


# ---- OpenAI chat completions

FINISH_OPENAI = {"stop": "stop", "length": "length", "tool_calls": "calls", "content_filter": "filter"}


def openai_ask(q, model, stream):
    messages = [{"role": "system", "content": q["system"]}] if "system" in q else []
    for text, calls, results in q.get("turns", []):
        messages += [{"role": "user", "content": text}, {"role": "assistant", "content": None, "tool_calls": [
            {"id": i, "type": "function", "function": {"name": n, "arguments": json.dumps(a)}} for i, n, a in calls]}]
        messages[-1].update({"reasoning_content": q["thought"]} if "thought" in q else {})
        messages += [{"role": "tool", "tool_call_id": c[0], "content": r} for c, r in zip(calls, results)]
    parts = [{"type": "text", "text": q["text"]}]
    if "image" in q:
        parts.append({"type": "image_url", "image_url": {"url": data_uri(q["image"])}})
    if "pdf" in q:
        uri = data_uri(q["pdf"], "application/pdf")
        parts.append({"type": "file", "file": {"filename": "a.pdf", "file_data": uri}})
    messages.append({"role": "user", "content": parts if len(parts) > 1 else q["text"]})
    body = {"model": model, "messages": messages, "stream": stream, "max_tokens": 300, "stop": ["END"],
            **q.get("sampling", {})}
    if stream:
        body["stream_options"] = {"include_usage": True}
    if "tools" in q:
        body["tools"] = [{"type": "function", "function": {
            "name": t["name"], "description": t["description"], "parameters": t["schema"]}} for t in q["tools"]]
    if "choice" in q:
        body["tool_choice"] = {"type": "function", "function": {"name": q["choice"]}}
    if "schema" in q:
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "reply", "schema": q["schema"]}}
    if "effort" in q:
        body["reasoning_effort"] = q["effort"]
    return "/v1/chat/completions", body


def openai_usage(u):
    return u and (u["prompt_tokens"], u["completion_tokens"])


def openai_error(body):
    e = body["error"]
    assert set(e) >= {"message", "type", "param", "code"}
    return {"type": e["type"], "message": e["message"], "param": e["param"]}


def openai_read(body):
    out, choice = neutral(), body["choices"][0]
    m = choice["message"]
    assert body["object"] == "chat.completion" and m["role"] == "assistant"
    out.update(text=m.get("content") or "", reasoning=m.get("reasoning_content") or "", id=body["id"],
               created=body["created"], finish=FINISH_OPENAI[choice["finish_reason"]], ended=True,
               usage=openai_usage(body.get("usage")))
    calls = {i: {"id": c["id"], "name": c["function"]["name"], "args": c["function"]["arguments"]}
             for i, c in enumerate(m.get("tool_calls") or [])}
    return merge_calls(out, calls)


def sse(raw):
    for block in raw.decode().replace("\r\n", "\n").split("\n\n"):
        data = [line[5:].strip() for line in block.split("\n") if line.startswith("data:")]
        if data:
            yield "\n".join(data)


def openai_read_stream(raw):
    out, slots = neutral(), {}
    for data in sse(raw):
        if data == "[DONE]":
            out["ended"] = True
            continue
        chunk = json.loads(data)
        if "error" in chunk:
            out["error"] = openai_error(chunk)
            continue
        out["id"], out["created"] = chunk["id"], chunk["created"]
        out["usage"] = openai_usage(chunk.get("usage")) or out["usage"]
        for choice in chunk["choices"]:
            d = choice["delta"]
            out["text"] += d.get("content") or ""
            out["reasoning"] += d.get("reasoning_content") or ""
            for c in d.get("tool_calls") or []:
                slot = slots.setdefault(c["index"], {"id": None, "name": "", "args": ""})
                slot["id"] = c.get("id") or slot["id"]
                slot["name"] += c["function"].get("name") or ""
                slot["args"] += c["function"].get("arguments") or ""
            if choice["finish_reason"]:
                out["finish"] = FINISH_OPENAI[choice["finish_reason"]]
    return merge_calls(out, slots)


# ---- Anthropic messages

FINISH_ANTHROPIC = {"end_turn": "stop", "max_tokens": "length", "tool_use": "calls", "refusal": "filter",
                    "stop_sequence": "stop"}
BUDGET = {"low": 1024, "medium": 2048, "high": 4096}


def anthropic_ask(q, model, stream):
    messages = []
    thought = [{"type": "thinking", "thinking": q["thought"], "signature": ""}] if "thought" in q else []
    for text, calls, results in q.get("turns", []):
        messages += [{"role": "user", "content": text}, {"role": "assistant", "content": thought + [
            {"type": "tool_use", "id": i, "name": n, "input": a} for i, n, a in calls]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": c[0], "content": r}
                                         for c, r in zip(calls, results)]}]
    parts = [{"type": "text", "text": q["text"]}]
    if "image" in q:
        parts.append({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": q["image"]}})
    if "pdf" in q:
        parts.append({"type": "document", "title": "a.pdf", "source": {
            "type": "base64", "media_type": "application/pdf", "data": q["pdf"]}})
    if messages:
        messages[-1]["content"] += parts
    else:
        messages.append({"role": "user", "content": parts if len(parts) > 1 else q["text"]})
    body = {"model": model, "messages": messages, "stream": stream, "max_tokens": 300, "stop_sequences": ["END"],
            **q.get("sampling", {})}
    if "system" in q:
        body["system"] = q["system"]
    if "tools" in q:
        body["tools"] = [{"name": t["name"], "description": t["description"], "input_schema": t["schema"]}
                         for t in q["tools"]]
    if "choice" in q:
        body["tool_choice"] = {"type": "tool", "name": q["choice"]}
    if "schema" in q:
        body["output_config"] = {"format": {"type": "json_schema", "schema": q["schema"]}}
    if "effort" in q:
        body["thinking"] = {"type": "enabled", "budget_tokens": BUDGET[q["effort"]]}
        body["max_tokens"] = 8000
    return "/v1/messages", body


def anthropic_usage(u):
    return (u["input_tokens"] + u.get("cache_read_input_tokens", 0) + u.get("cache_creation_input_tokens", 0),
            u["output_tokens"])


def anthropic_error(body):
    assert body["type"] == "error"
    return {"type": body["error"]["type"], "message": body["error"]["message"], "param": None}


def anthropic_read(body):
    out, slots = neutral(), {}
    assert body["type"] == "message" and body["role"] == "assistant"
    for i, b in enumerate(body["content"]):
        if b["type"] == "text":
            out["text"] += b["text"]
        elif b["type"] == "thinking":
            assert isinstance(b["signature"], str)
            out["reasoning"] += b["thinking"]
        elif b["type"] == "tool_use":
            slots[i] = {"id": b["id"], "name": b["name"], "args": json.dumps(b["input"])}
    out.update(id=body["id"], finish=FINISH_ANTHROPIC[body["stop_reason"]], usage=anthropic_usage(body["usage"]),
               ended=True)
    return merge_calls(out, slots)


def anthropic_read_stream(raw):
    out, slots, open_block = neutral(), {}, None
    for data in sse(raw):
        e = json.loads(data)
        if e["type"] == "error":
            out["error"] = anthropic_error(e)
        elif e["type"] == "message_start":
            out["id"] = e["message"]["id"]
        elif e["type"] == "content_block_start":
            assert open_block is None
            open_block, block = e["index"], e["content_block"]
            if block["type"] == "tool_use":
                slots[open_block] = {"id": block["id"], "name": block["name"], "args": ""}
        elif e["type"] == "content_block_delta":
            assert e["index"] == open_block
            d = e["delta"]
            out["text"] += d.get("text", "")
            out["reasoning"] += d.get("thinking", "")
            if "partial_json" in d:
                slots[open_block]["args"] += d["partial_json"]
        elif e["type"] == "content_block_stop":
            open_block = None
        elif e["type"] == "message_delta":
            out["finish"] = FINISH_ANTHROPIC[e["delta"]["stop_reason"]]
            out["usage"] = anthropic_usage(e["usage"])
        elif e["type"] == "message_stop":
            out["ended"] = True
    return merge_calls(out, slots)


# ---- Gemini

FINISH_GEMINI = {"STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "filter", "RECITATION": "filter"}


def gemini_ask(q, model, stream):
    contents = []
    thought = [{"text": q["thought"], "thought": True}] if "thought" in q else []
    for text, calls, results in q.get("turns", []):
        contents += [{"role": "user", "parts": [{"text": text}]},
                     {"role": "model", "parts": thought + [{"functionCall": {"name": n, "args": a}}
                                                           for _, n, a in calls]},
                     {"role": "user", "parts": [{"functionResponse": {"name": c[1], "response": {"output": r}}}
                                                for c, r in zip(calls, results)]}]
    parts = [{"text": q["text"]}]
    if "image" in q:        # Google's own SDKs write the other alphabet of base64
        url_safe = q["image"].replace("+", "-").replace("/", "_")
        parts.append({"inlineData": {"mimeType": "image/png", "data": url_safe}})
    if "pdf" in q:
        parts.append({"inlineData": {"mimeType": "application/pdf", "data": q["pdf"]}})
    if contents:
        contents[-1]["parts"] += parts
    else:
        contents.append({"role": "user", "parts": parts})
    config = {"maxOutputTokens": 300, "stopSequences": ["END"]}
    names = {"temperature": "temperature", "top_p": "topP", "top_k": "topK"}
    config.update({names[k]: v for k, v in q.get("sampling", {}).items()})
    if "schema" in q:
        config.update(responseMimeType="application/json", responseJsonSchema=q["schema"])
    if "effort" in q:
        config["thinkingConfig"] = {"thinkingBudget": BUDGET[q["effort"]], "includeThoughts": True}
    body = {"contents": contents, "generationConfig": config}
    if "system" in q:
        body["systemInstruction"] = {"parts": [{"text": q["system"]}]}
    if "tools" in q:
        body["tools"] = [{"functionDeclarations": [{
            "name": t["name"], "description": t["description"], "parametersJsonSchema": t["schema"]}
            for t in q["tools"]]}]
    if "choice" in q:
        body["toolConfig"] = {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": [q["choice"]]}}
    return f"/v1beta/models/{model}:" + ("streamGenerateContent?alt=sse" if stream else "generateContent"), body


def gemini_error(body):
    assert isinstance(body["error"]["code"], int)
    return {"type": body["error"]["status"], "message": body["error"]["message"], "param": None}


def gemini_take(out, body):
    if "error" in body:
        out["error"] = gemini_error(body)
        return
    out["id"] = body["responseId"]
    if "usageMetadata" in body:
        u = body["usageMetadata"]
        out["usage"] = (u["promptTokenCount"], u.get("candidatesTokenCount", 0) + u.get("thoughtsTokenCount", 0))
    for c in body["candidates"]:
        for p in c["content"]["parts"]:
            if "functionCall" in p:
                out["ids"].append(p["functionCall"].get("id"))
                out["calls"].append((p["functionCall"]["name"], p["functionCall"]["args"]))
            out["reasoning" if p.get("thought") else "text"] += p.get("text", "")
        if "finishReason" in c:
            out["finish"], out["ended"] = FINISH_GEMINI[c["finishReason"]], True
            if out["calls"] and out["finish"] == "stop":
                out["finish"] = "calls"


def gemini_read(body):
    out = neutral()
    gemini_take(out, body)
    return out


def gemini_read_stream(raw):
    out = neutral()
    for data in sse(raw):
        gemini_take(out, json.loads(data))
    return out


# ---- Ollama

def ollama_ask(q, model, stream):
    messages = [{"role": "system", "content": q["system"]}] if "system" in q else []
    for text, calls, results in q.get("turns", []):
        messages += [{"role": "user", "content": text}, {"role": "assistant", "content": "", "tool_calls": [
            {"function": {"name": n, "arguments": a}} for _, n, a in calls]}]
        messages[-1].update({"thinking": q["thought"]} if "thought" in q else {})
        messages += [{"role": "tool", "tool_name": c[1], "content": r} for c, r in zip(calls, results)]
    messages.append({"role": "user", "content": q["text"], **({"images": [q["image"]]} if "image" in q else {})})
    body = {"model": model, "messages": messages, "options": {
        "num_predict": 300, "stop": ["END"], "num_ctx": 4096, **q.get("sampling", {})}}
    if not stream:
        body["stream"] = False
    if "tools" in q:
        body["tools"] = [{"type": "function", "function": {
            "name": t["name"], "description": t["description"], "parameters": t["schema"]}} for t in q["tools"]]
    if "schema" in q:
        body["format"] = q["schema"]
    if "effort" in q:
        body["think"] = q["effort"]
    return "/api/chat", body


def generate_ask(q, model, stream):
    _, chat = ollama_ask(q, model, stream)
    body = {k: v for k, v in chat.items() if k != "messages"}
    body.update(prompt=q["text"], **({"system": q["system"]} if "system" in q else {}),
                **({"images": [q["image"]]} if "image" in q else {}))
    return "/api/generate", body


def ollama_error(body):
    assert set(body) == {"error"} and isinstance(body["error"], str)
    return {"type": None, "message": body["error"], "param": None}


def ollama_take(out, body):
    if "error" in body:
        out["error"] = ollama_error(body)
        return
    m = body["message"] if "message" in body else {"content": body["response"], "role": "assistant",
                                                   "thinking": body.get("thinking", "")}
    assert m["role"] == "assistant" and body["created_at"].endswith("Z")
    out["text"] += m["content"]
    out["reasoning"] += m.get("thinking", "")
    for c in m.get("tool_calls", []):
        out["ids"].append(c["id"])
        out["calls"].append((c["function"]["name"], c["function"]["arguments"]))
    if body["done"]:
        reason = {"stop": "stop", "length": "length", "content_filter": "filter"}[body["done_reason"]]
        out["finish"] = "calls" if out["calls"] and reason == "stop" else reason
        out["usage"] = (body["prompt_eval_count"], body["eval_count"])
        assert body["total_duration"] >= body["prompt_eval_duration"] + body["eval_duration"] > 0
        out["ended"] = True


def ollama_read(body):
    out = neutral()
    ollama_take(out, body)
    return out


def ollama_read_stream(raw):
    out = neutral()
    for line in raw.splitlines():
        ollama_take(out, json.loads(line))
    return out


# ---- Cohere

FINISH_COHERE = {"COMPLETE": "stop", "STOP_SEQUENCE": "stop", "MAX_TOKENS": "length", "TOOL_CALL": "calls",
                 "ERROR_TOXIC": "filter"}


def cohere_ask(q, model, stream):
    messages = [{"role": "system", "content": q["system"]}] if "system" in q else []
    for text, calls, results in q.get("turns", []):
        messages += [{"role": "user", "content": text}, {"role": "assistant", "tool_calls": [
            {"id": i, "type": "function", "function": {"name": n, "arguments": json.dumps(a)}} for i, n, a in calls]}]
        messages[-1].update({"tool_plan": q["thought"]} if "thought" in q else {})
        messages += [{"role": "tool", "tool_call_id": c[0], "content": r} for c, r in zip(calls, results)]
    parts = [{"type": "text", "text": q["text"]}]
    if "image" in q:
        parts.append({"type": "image_url", "image_url": {"url": data_uri(q["image"])}})
    messages.append({"role": "user", "content": parts if len(parts) > 1 else q["text"]})
    names = {"temperature": "temperature", "top_p": "p", "top_k": "k"}
    body = {"model": model, "messages": messages, "stream": stream, "max_tokens": 300, "stop_sequences": ["END"],
            **{names[k]: v for k, v in q.get("sampling", {}).items()}}
    if "tools" in q:
        body["tools"] = [{"type": "function", "function": {
            "name": t["name"], "description": t["description"], "parameters": t["schema"]}} for t in q["tools"]]
    if "schema" in q:
        body["response_format"] = {"type": "json_object", "json_schema": q["schema"]}
    if "effort" in q:
        body["thinking"] = {"type": "enabled", "token_budget": BUDGET[q["effort"]]}
    return "/v2/chat", body


def cohere_error(body):
    assert set(body) <= {"id", "message"}
    return {"type": None, "message": body["message"], "param": None}


def cohere_end(out, end):
    u = end["usage"]["tokens"]
    assert set(u) == {"input_tokens", "output_tokens"} == set(end["usage"]["billed_units"])
    out.update(finish=FINISH_COHERE[end["finish_reason"]], usage=(u["input_tokens"], u["output_tokens"]), ended=True)


def cohere_read(body):
    out, m = neutral(), body["message"]
    assert m["role"] == "assistant"
    for block in m.get("content", []):
        out["text" if block["type"] == "text" else "reasoning"] += block[block["type"]]
    out["reasoning"] += m.get("tool_plan", "")
    out["id"] = body["id"]
    cohere_end(out, body)
    return merge_calls(out, {i: {"id": c["id"], "name": c["function"]["name"], "args": c["function"]["arguments"]}
                             for i, c in enumerate(m.get("tool_calls", []))})


def cohere_read_stream(raw):
    """What begins also ends, one behind the other; each event's name is its type."""
    out, slots, block, call = neutral(), {}, None, None
    for event in raw.decode().strip().split("\n\n"):
        name, data = event.split("\n")
        e = json.loads(data.removeprefix("data: "))
        assert name == f"event: {e['type']}"
        m = e.get("delta", {}).get("message", {})
        if e["type"] == "message-start":
            out["id"] = e["id"]
        elif e["type"] == "content-start":
            assert block is None
            block, kind = e["index"], m["content"]["type"]
            assert m["content"][kind] == ""
        elif e["type"] == "content-delta":
            assert e["index"] == block
            out["text" if kind == "text" else "reasoning"] += m["content"][kind]
        elif e["type"] == "content-end":
            assert e["index"] == block
            block = None
        elif e["type"] == "tool-plan-delta":
            out["reasoning"] += m["tool_plan"]
        elif e["type"] == "tool-call-start":
            assert call is None and e["index"] == len(slots)
            call, c = e["index"], m["tool_calls"]
            slots[call] = {"id": c["id"], "name": c["function"]["name"], "args": c["function"]["arguments"]}
        elif e["type"] == "tool-call-delta":
            assert e["index"] == call
            slots[call]["args"] += m["tool_calls"]["function"]["arguments"]
        elif e["type"] == "tool-call-end":
            call = None
        elif e["delta"]["finish_reason"] == "ERROR":
            out["error"] = {"type": None, "message": e["delta"]["error"], "param": None}
        else:
            assert e["type"] == "message-end" and out["id"]
            cohere_end(out, e["delta"])
    return merge_calls(out, slots) if out["ended"] else out


# ---- OpenAI responses

def responses_ask(q, model, stream):
    items = []
    thought = [{"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": q["thought"]}]}] \
        if "thought" in q else []
    for text, calls, results in q.get("turns", []):
        items += [{"role": "user", "content": text}, *thought]
        items += [{"type": "function_call", "call_id": i, "name": n, "arguments": json.dumps(a)} for i, n, a in calls]
        items += [{"type": "function_call_output", "call_id": c[0], "output": r} for c, r in zip(calls, results)]
    parts = [{"type": "input_text", "text": q["text"]}]
    if "image" in q:
        parts.append({"type": "input_image", "image_url": data_uri(q["image"])})
    if "pdf" in q:
        parts.append({"type": "input_file", "filename": "a.pdf", "file_data": data_uri(q["pdf"], "application/pdf")})
    body = {"model": model, "input": [*items, {"role": "user", "content": parts}], "stream": stream, "store": False,
            "max_output_tokens": 300}
    if "system" in q:
        body["instructions"] = q["system"]
    if "tools" in q:
        body["tools"] = [{"type": "function", "name": t["name"], "description": t["description"],
                          "parameters": t["schema"]} for t in q["tools"]]
    if "choice" in q:
        body["tool_choice"] = {"type": "function", "name": q["choice"]}
    if "schema" in q:
        body["text"] = {"format": {"type": "json_schema", "name": "reply", "schema": q["schema"]}}
    if "effort" in q:
        body["reasoning"] = {"effort": q["effort"]}
    return "/v1/responses", body


def responses_read(body):
    out, slots = neutral(), {}
    assert body["object"] == "response"
    for i, item in enumerate(body["output"]):
        if item["type"] == "message":
            out["text"] += "".join(p.get("text", "") + p.get("refusal", "") for p in item["content"])
        elif item["type"] == "reasoning":
            out["reasoning"] += "".join(p["text"] for p in item.get("content") or item["summary"])
        else:
            slots[i] = {"id": item["call_id"], "name": item["name"], "args": item["arguments"]}
    reason = (body["incomplete_details"] or {}).get("reason")
    finish = {None: "calls" if slots else "stop", "max_output_tokens": "length", "content_filter": "filter"}[reason]
    assert body["status"] == ("incomplete" if reason else "completed")
    out.update(id=body["id"], created=body["created_at"], finish=finish, ended=True,
               usage=(body["usage"]["input_tokens"], body["usage"]["output_tokens"]))
    return merge_calls(out, slots)


def responses_read_stream(raw):
    whole, said, error = None, {"text": "", "reasoning": ""}, None
    for data in sse(raw):
        e = json.loads(data)
        if e["type"] in ("response.completed", "response.incomplete"):
            whole = responses_read(e["response"])
        elif e["type"] in ("response.output_text.delta", "response.refusal.delta"):
            said["text"] += e["delta"]
        elif e["type"].startswith("response.reasoning") and e["type"].endswith(".delta"):
            said["reasoning"] += e["delta"]
        elif e["type"] == "error":
            error = responses_error(e)
    if whole:
        assert {k: whole[k] for k in said} == said and error is None
        return whole
    return {**neutral(), **said, "error": error}


def responses_error(body):
    e = body.get("error") or body
    return {"type": e["type"], "message": e["message"], "param": e["param"]}


# ---- what providers hear: the same neutral form of a question

def heard(body, **what):
    sampling = {k: v for k in ("temperature", "top_p", "top_k") if (v := body.get(k)) is not None}
    return {"system": "", "pdfs": [], "thoughts": [], "choice": None, "sampling": sampling, **what}


def openai_heard(body):
    system, text, images, pdfs, calls, results, thoughts = "", "", [], [], [], [], []
    names, before = {}, None
    for m in body["messages"]:
        content = m["content"] if isinstance(m["content"], list) else [{"type": "text", "text": m["content"] or ""}]
        said = "\n".join(p["text"] for p in content if p["type"] == "text")
        images += [p["image_url"]["url"].partition(";base64,")[2] for p in content if p["type"] == "image_url"]
        pdfs += [p["file"]["file_data"].partition(";base64,")[2] for p in content if p["type"] == "file"]
        thoughts += [m["reasoning_content"]] if "reasoning_content" in m else []
        if m["role"] == "system":
            system = said
        elif m["role"] == "user":
            text = said or text
        elif m["role"] == "tool":
            assert all(p["type"] == "text" for p in content)
            assert before == "tool" or before == "calls"
            results.append((names[m["tool_call_id"]], said))
        for c in m.get("tool_calls") or []:
            assert len(c["id"]) <= 40       # OpenAI takes no longer ones
            names[c["id"]] = c["function"]["name"]
            calls.append((c["function"]["name"], json.loads(c["function"]["arguments"])))
        before = "calls" if m.get("tool_calls") else m["role"]
    tools = {t["function"]["name"]: t["function"]["parameters"] for t in body.get("tools", [])}
    form = body.get("response_format", {}).get("json_schema", {}).get("schema")
    known = {"model", "messages", "stream", "stream_options", "max_tokens", "stop", "tools", "response_format",
             "reasoning_effort", "max_completion_tokens", "temperature", "top_p", "top_k", "tool_choice"}
    assert set(body) <= known, set(body) - known
    return heard(body, system=system, text=text, images=images, pdfs=pdfs, tools=tools, schema=form, calls=calls,
                 effort=body.get("reasoning_effort"), results=results, limit=body.get("max_tokens"),
                 stop=body.get("stop"), thoughts=thoughts,
                 choice=body.get("tool_choice", {}).get("function", {}).get("name"))


def anthropic_heard(body):
    text, images, pdfs, calls, results, names, thoughts = "", [], [], [], [], {}, []
    for m in body["messages"]:
        content = m["content"] if isinstance(m["content"], list) else [{"type": "text", "text": m["content"]}]
        for p in content:
            if p["type"] == "text":
                text = p["text"]
            elif p["type"] == "image":
                assert p["source"]["type"] == "base64" and p["source"]["media_type"] == "image/png"
                images.append(p["source"]["data"])
            elif p["type"] == "document":
                assert p["source"]["media_type"] == "application/pdf"
                pdfs.append(p["source"]["data"])
            elif p["type"] == "thinking":
                thoughts.append(p["thinking"])
            elif p["type"] == "tool_use":
                assert re.fullmatch(r"[a-zA-Z0-9_-]+", p["id"])
                names[p["id"]] = p["name"]
                calls.append((p["name"], p["input"]))
            elif p["type"] == "tool_result":
                inner = [{"type": "text", "text": p["content"]}] if isinstance(p["content"], str) else p["content"]
                images += [b["source"]["data"] for b in inner if b["type"] == "image"]
                results.append((names[p["tool_use_id"]], "".join(b["text"] for b in inner if b["type"] == "text")))
    system = body.get("system", "")
    if isinstance(system, list):
        system = "\n".join(p["text"] for p in system)
    budget = body.get("thinking", {}).get("budget_tokens")
    effort = {v: k for k, v in BUDGET.items()}.get(budget)
    if body.get("thinking", {}).get("type") == "adaptive":
        effort = body["output_config"]["effort"]
    known = {"model", "messages", "stream", "max_tokens", "stop_sequences", "tools", "output_config", "thinking",
             "system", "temperature", "top_p", "top_k", "tool_choice"}
    assert set(body) <= known, set(body) - known
    tools = {t["name"]: t["input_schema"] for t in body.get("tools", [])}
    form = body.get("output_config", {}).get("format", {}).get("schema")
    return heard(body, system=system, text=text, images=images, pdfs=pdfs, tools=tools, schema=form, effort=effort,
                 calls=calls, results=results, limit=body["max_tokens"] if not budget else None, thoughts=thoughts,
                 stop=body.get("stop_sequences"), choice=body.get("tool_choice", {}).get("name"))


def from_gemini_schema(s):
    """Gemini's own words for a schema, which are fewer, as JSON Schema."""
    if isinstance(s, list):
        return [from_gemini_schema(x) for x in s]
    if not isinstance(s, dict):
        return s
    out = {k: from_gemini_schema(v) for k, v in s.items() if k not in ("propertyOrdering", "format")}
    if isinstance(out.get("type"), str):
        out["type"] = out["type"].lower()
    return out


def gemini_heard(body):
    text, images, pdfs, calls, results, thoughts = "", [], [], [], [], []
    for c in body["contents"]:
        for p in c["parts"]:
            if p.get("thought"):
                thoughts.append(p["text"])
            elif "text" in p:
                text = p["text"]
            elif "inlineData" in p:
                data = p["inlineData"]["data"].replace("-", "+").replace("_", "/")
                (pdfs if p["inlineData"]["mimeType"] == "application/pdf" else images).append(data)
            elif "functionCall" in p:
                calls.append((p["functionCall"]["name"], p["functionCall"]["args"]))
            elif "functionResponse" in p:
                r = p["functionResponse"]
                results.append((r["name"], r["response"]["output"]))
    config = body.get("generationConfig", {})
    tools = {f["name"]: from_gemini_schema(f.get("parameters") or f["parametersJsonSchema"])
             for t in body.get("tools", []) for f in t["functionDeclarations"]}
    form = config.get("responseSchema") or config.get("responseJsonSchema")
    budget = config.get("thinkingConfig", {}).get("thinkingBudget")
    system = "\n".join(p["text"] for p in body.get("systemInstruction", {}).get("parts", []))
    assert set(body) <= {"contents", "systemInstruction", "tools", "generationConfig", "toolConfig"}, set(body)
    calling = body.get("toolConfig", {}).get("functionCallingConfig", {})
    numbers = {"temperature": config.get("temperature"), "top_p": config.get("topP"), "top_k": config.get("topK")}
    return heard(numbers, system=system, text=text, images=images, pdfs=pdfs, tools=tools, thoughts=thoughts,
                 schema=from_gemini_schema(form), effort={v: k for k, v in BUDGET.items()}.get(budget), calls=calls,
                 results=results, limit=config.get("maxOutputTokens"), stop=config.get("stopSequences"),
                 choice=(calling.get("allowedFunctionNames") or [None])[0])


def ollama_heard(body):
    if "prompt" in body:
        assert set(body) <= {"model", "prompt", "system", "stream", "options", "format", "think", "images"}, set(body)
        messages = [{"role": "user", "content": body["prompt"], "images": body.get("images", [])}]
        system = body.get("system", "")
    else:
        assert set(body) <= {"model", "messages", "tools", "stream", "options", "format", "think"}, set(body)
        messages, system = body["messages"], ""
    text, images, calls, results, thoughts = "", [], [], [], []
    for m in messages:
        images += m.get("images", [])
        thoughts += [m["thinking"]] if "thinking" in m else []
        if m["role"] == "system":
            system = m["content"]
        elif m["role"] == "user":
            text = m["content"]
        elif m["role"] == "tool":
            results.append((m["tool_name"], m["content"]))
        calls += [(c["function"]["name"], c["function"]["arguments"]) for c in m.get("tool_calls", [])]
    tools = {t["function"]["name"]: t["function"]["parameters"] for t in body.get("tools", [])}
    options = body.get("options", {})
    return heard(options, system=system, text=text, images=images, tools=tools, schema=body.get("format"),
                 effort=body.get("think"), calls=calls, results=results, limit=options.get("num_predict"),
                 stop=options.get("stop"), thoughts=thoughts)


def bedrock_heard(body):
    """Converse: an object's only member says what a block is."""
    text, images, pdfs, calls, results, names, thoughts = "", [], [], [], [], {}, []

    def medium(block):
        if "image" in block:
            assert block["image"]["format"] == "png"
            images.append(block["image"]["source"]["bytes"])
        elif "document" in block:
            assert block["document"]["format"] == "pdf" and block["document"]["name"] in ("a", "document")
            pdfs.append(block["document"]["source"]["bytes"])

    for m in body["messages"]:
        for b in m["content"]:
            medium(b)
            if "text" in b and m["role"] == "user":
                text = b["text"]
            elif "reasoningContent" in b:
                thoughts.append(b["reasoningContent"]["reasoningText"]["text"])
            elif "toolUse" in b:
                call = b["toolUse"]
                assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", call["toolUseId"])
                names[call["toolUseId"]] = call["name"]
                calls.append((call["name"], call["input"]))
            elif "toolResult" in b:
                inner = b["toolResult"]["content"]
                for i in inner:
                    medium(i)
                said = "".join(i["text"] for i in inner if "text" in i)
                results.append((names[b["toolResult"]["toolUseId"]], said))
    assert set(body) <= {"messages", "system", "inferenceConfig", "toolConfig", "outputConfig",
                         "additionalModelRequestFields"}, set(body)
    config, fields = body.get("inferenceConfig", {}), body.get("additionalModelRequestFields", {})
    tool_config = body.get("toolConfig", {})
    budget = fields.get("thinking", {}).get("budget_tokens")
    form = body.get("outputConfig", {}).get("textFormat", {}).get("structure", {}).get("jsonSchema", {}).get("schema")
    numbers = {"temperature": config.get("temperature"), "top_p": config.get("topP"), "top_k": fields.get("top_k")}
    return heard(numbers, system="\n".join(b["text"] for b in body.get("system", [])), text=text, images=images,
                 pdfs=pdfs, calls=calls, results=results, thoughts=thoughts, schema=form and json.loads(form),
                 tools={t["toolSpec"]["name"]: t["toolSpec"]["inputSchema"]["json"]
                        for t in tool_config.get("tools", [])},
                 choice=tool_config.get("toolChoice", {}).get("tool", {}).get("name"),
                 effort={v: k for k, v in BUDGET.items()}.get(budget), stop=config.get("stopSequences"),
                 limit=config.get("maxTokens") if not budget else None)


def wrapped_heard(version):
    """Anthropic's own body at another's place: the path has the model, the body a version."""
    def hear(body):
        assert body["anthropic_version"] == version and "model" not in body
        return anthropic_heard({k: v for k, v in body.items() if k != "anthropic_version"})
    return hear


def cohere_heard(body):
    text, system, images, calls, results, names, thoughts, before = "", "", [], [], [], {}, [], None
    for m in body["messages"]:
        content = m.get("content") or ""
        content = content if isinstance(content, list) else [{"type": "text", "text": content}]
        said = "\n".join(p["text"] for p in content if p["type"] == "text")
        images += [p["image_url"]["url"].partition(";base64,")[2] for p in content if p["type"] == "image_url"]
        thoughts += [m["tool_plan"]] if "tool_plan" in m else []
        if m["role"] == "system":
            system = said
        elif m["role"] == "user":
            text = said or text
        elif m["role"] == "tool":
            assert before == "tool" or before == "calls"
            results.append((names[m["tool_call_id"]], said))
        for c in m.get("tool_calls", []):
            names[c["id"]] = c["function"]["name"]
            calls.append((c["function"]["name"], json.loads(c["function"]["arguments"])))
        before = "calls" if m.get("tool_calls") else m["role"]
    assert set(body) <= {"model", "messages", "stream", "max_tokens", "stop_sequences", "tools", "tool_choice",
                         "response_format", "thinking", "temperature", "p", "k"}, set(body)
    numbers = {"temperature": body.get("temperature"), "top_p": body.get("p"), "top_k": body.get("k")}
    budget = body.get("thinking", {}).get("token_budget")
    return heard(numbers, system=system, text=text, images=images, calls=calls, results=results, thoughts=thoughts,
                 tools={t["function"]["name"]: t["function"]["parameters"] for t in body.get("tools", [])},
                 schema=body.get("response_format", {}).get("json_schema"), stop=body.get("stop_sequences"),
                 effort={v: k for k, v in BUDGET.items()}.get(budget), limit=body.get("max_tokens"))


def tgi_heard(body):
    """OpenAI's form, but for that of a schema."""
    form = body.get("response_format", {"type": "json_object", "value": None})
    assert set(form) == {"type", "value"} and form["type"] == "json_object"
    return {**openai_heard({k: v for k, v in body.items() if k != "response_format"}), "schema": form["value"]}


def responses_heard(body):
    text, images, pdfs, calls, results, names, thoughts = "", [], [], [], [], {}, []
    for item in body["input"]:
        kind = item.get("type", "message")
        content = item.get("content") if kind == "message" else item.get("output")
        content = [{"type": "input_text", "text": content}] if isinstance(content, str) else content or []
        said = "\n".join(p["text"] for p in content if p["type"] == "input_text")
        images += [p["image_url"].partition(";base64,")[2] for p in content if p["type"] == "input_image"]
        pdfs += [p["file_data"].partition(";base64,")[2] for p in content if p["type"] == "input_file"]
        if kind == "message":
            assert item["role"] == "user"
            text = said or text
        elif kind == "reasoning":
            thoughts += [p["text"] for p in item.get("content") or item["summary"]]
        elif kind == "function_call":
            names[item["call_id"]] = item["name"]
            calls.append((item["name"], json.loads(item["arguments"])))
        else:
            assert kind == "function_call_output"
            results.append((names[item["call_id"]], said))
    assert set(body) <= {"model", "input", "instructions", "stream", "store", "tools", "tool_choice", "text",
                         "reasoning", "include", "max_output_tokens", "temperature", "top_p"}, set(body)
    assert body["store"] is False
    return heard(body, system=body.get("instructions", ""), text=text, images=images, pdfs=pdfs, calls=calls,
                 results=results, thoughts=thoughts, tools={t["name"]: t["parameters"] for t in body.get("tools", [])},
                 schema=body.get("text", {}).get("format", {}).get("schema"), limit=body.get("max_output_tokens"),
                 effort=body.get("reasoning", {}).get("effort"), stop=None,
                 choice=body.get("tool_choice", {}).get("name"))


# ---- the tables

# How a client asks, how it reads an answer, a stream, an error; the beginning of an answer's id.
IS_WIRED = '"/v1/responses"' in (pathlib.Path(__file__).resolve().parents[2] / "worker/client/endpoint.c").read_text()
DIALECTS = {
    **({"responses": (responses_ask, responses_read, responses_read_stream, responses_error, "resp_")}
       if IS_WIRED else {}),
    "openai": (openai_ask, openai_read, openai_read_stream, openai_error, "chatcmpl-"),
    "anthropic": (anthropic_ask, anthropic_read, anthropic_read_stream, anthropic_error, "msg_"),
    "gemini": (gemini_ask, gemini_read, gemini_read_stream, gemini_error, ""),
    "ollama": (ollama_ask, ollama_read, ollama_read_stream, ollama_error, None),
    "generate": (generate_ask, ollama_read, ollama_read_stream, ollama_error, None),
    "cohere": (cohere_ask, cohere_read, cohere_read_stream, cohere_error, ""),
}
# The provider's prefix of a model, what is put behind the mock's base, and how it is heard.
PROVIDERS = {
    "openai": ("openai/", "/v1", openai_heard),
    "anthropic": ("anthropic/", "", anthropic_heard),
    "gemini": ("gemini/", "", gemini_heard),
    "ollama_chat": ("ollama_chat/", "", ollama_heard),
    "ollama": ("ollama/", "", ollama_heard),
    "bedrock": ("bedrock/", "", bedrock_heard),
    "invoke": ("bedrock/invoke/", "", wrapped_heard("bedrock-2023-05-31")),
    "cohere": ("cohere/", "", cohere_heard),
    "tgi": ("tgi/", "", tgi_heard),
    "azure": ("azure/", "", openai_heard),
    "vertex": ("vertex_ai/", "", gemini_heard),
    "vertex_claude": ("vertex_ai/", "", wrapped_heard("vertex-2023-10-16")),
    "responses": ("openai/responses/", "/v1", responses_heard),
}
KEY = "sk-upstream-canary"


def aws(base):
    return {"aws_bedrock_runtime_endpoint": base, "aws_region_name": "eu-west-1",
            "aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}


def vertex(base):
    whole = {"type": "authorized_user", "client_id": "app", "client_secret": "user-canary-secret",
             "refresh_token": "refresh-canary", "token_uri": base + "/token"}
    return {"vertex_project": "project-one", "vertex_location": "us-central1", "api_base": base,
            "vertex_credentials": json.dumps(whole)}


# What a deployment says beside its model, where that is not an api_base and a key.
DEPLOYMENTS = {
    "bedrock": aws, "invoke": aws, "vertex": vertex, "vertex_claude": vertex,
    "azure": lambda base: {"api_base": base, "api_key": KEY, "api_version": "2024-10-21"},
    # What its form has no word for would be refused: this is about what it has words for.
    "responses": lambda base: {"api_base": base + "/v1", "api_key": KEY, "drop_params": True},
}
# Whose form it speaks in truth: the same dialect takes the short way.
FAMILIES = {"invoke": "anthropic", "vertex_claude": "anthropic", "vertex": "gemini", "azure": "openai",
            "tgi": "openai"}
# What the mock's model is called, and the question. {} in a name is the provider's own model name.
USAGE = "prompt=100&out=20"
FEATURES = {
    "text": ("?" + USAGE, {"text": "Hello", "system": "Be brief."}),
    "tools": ("?tools=1&" + USAGE, {"text": "Weather?", "tools": [WEATHER]}),
    "parallel": ("?tools=3&" + USAGE, {"text": "Weather?", "tools": [WEATHER, CLOCK]}),
    "results": ("?" + USAGE, {"text": "And now?", "tools": [WEATHER, CLOCK], "turns": TURNS}),
    "image": ("?" + USAGE, {"text": "What is it?", "image": PNG}),
    "reasoning": ("?think=3&" + USAGE, {"text": "Think.", "effort": "medium"}),
    "schema": ("?json&" + USAGE, {"text": "JSON.", "schema": SCHEMA}),
    "choice": ("?tools=1&" + USAGE, {"text": "Weather?", "tools": [WEATHER, CLOCK], "choice": "get_weather"}),
    "document": ("?" + USAGE, {"text": "Read.", "pdf": PDF}),
    "sampling": ("?" + USAGE, {"text": "Hello", "sampling": {"temperature": 0.5, "top_p": 0.9, "top_k": 7}}),
    "thoughts": ("?" + USAGE, {"text": "And now?", "tools": [WEATHER, CLOCK], "turns": TURNS, "thought": "hm"}),
    "filter": ("?refuse&" + USAGE, {"text": "Hello"}),
    "length": ("?length&" + USAGE, {"text": "Hello"}),
}
ANSWERS = {     # what each must give: text, reasoning, calls, finish
    "text": ("t0 t1 t2", "", 0, "stop"), "tools": ("", "", 1, "calls"), "parallel": ("", "", 3, "calls"),
    "choice": ("", "", 1, "calls"), "document": ("t0 t1 t2", "", 0, "stop"), "sampling": ("t0 t1 t2", "", 0, "stop"),
    "thoughts": ("t0 t1 t2", "", 0, "stop"), "results": ("t0 t1 t2", "", 0, "stop"),
    "image": ("t0 t1 t2", "", 0, "stop"),
    "reasoning": ("t0 t1 t2", "r0 r1 r2", 0, "stop"),
    "schema": ('{"answer": "t0 t1 t2", "n": 3}', "", 0, "stop"), "filter": ("t0 t1 t2", "", 0, "filter"),
    "length": ("t0 t1 t2", "", 0, "length"),
}
CITIES = ["Paris", "Rome", "Oslo"]
# The mock's name for a model of whom the adapter must know something.
CLAUDE_ON_AWS = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
MODELS = {("anthropic", "schema"): "claude-opus-4-5-20251101",
          ("anthropic", "reasoning"): "claude-sonnet-4-5-20250929",
          ("gemini", "reasoning"): "gemini-2.5-flash", ("vertex", "*"): "gemini-2.5-flash",
          ("vertex_claude", "*"): "claude-sonnet-4-5@20250929",
          ("bedrock", "*"): CLAUDE_ON_AWS, ("invoke", "*"): CLAUDE_ON_AWS}
# Who has no word for an answer's form: for these models it is a tool that must be called.
FORMLESS = {"anthropic": "mock", "invoke": "anthropic.claude-3-haiku-20240307-v1:0", "bedrock": "amazon.nova-lite-v1:0",
            "vertex_claude": "claude-3-haiku@20240307"}
MODELS.update({(provider, "formless"): model for provider, model in FORMLESS.items()})
# What is thought, beside what is asked for, where a provider tells its plan before calls.
PLANS = {"cohere": "I will look it up."}
# What a provider's form has no word for: members of a schema.
UNSAID = {"gemini": {"additionalProperties"}, "vertex": {"additionalProperties"}}
# Providers that refuse a feature, and the place that the refusal names.
REFUSES = {(p, "document"): "content[1]" for p in ("ollama_chat", "ollama", "cohere")}
# Who cannot be told of a choice is offered that tool alone.
CHOOSES = {"ollama_chat": False, "ollama": False, "cohere": False}
# Thoughts go back to who knows what to do with them: signed ones to who signed them, and these are not.
TAKES_THOUGHTS = {"openai", "azure", "tgi", "ollama_chat", "ollama", "cohere"}
# What is not as everywhere else, and why: (dialect, provider, what), "*" for any.
PROMPT = "Ollama's generate takes one prompt and no tools"
CANNOT = {
    **{("generate", "*", f): PROMPT for f in ("tools", "parallel", "results", "thoughts", "choice", "document")},
    ("ollama", "*", "choice"): "Ollama has no word for it", ("ollama", "*", "document"): "Ollama takes no documents",
    ("cohere", "*", "choice"): "Cohere cannot name a tool", ("cohere", "*", "document"): "its documents are text",
    ("responses", "*", "stop"): "there are no sequences that stop an answer",
    ("responses", "*", "sampling"): "it has no top_k",
    ("*", "responses", "stop"): "there are no sequences that stop an answer",
    ("*", "responses", "top_k"): "it has no top_k",
    **{("gemini", p, "ids"): "calls need have no ids in this format, and the short way changes no byte"
       for p in ("gemini", "vertex")},
}
IN_STREAM = {"ollama": 500, "ollama_chat": 500, "cohere": 500}  # which tell a text alone; all others: 429
ERRORS = {400: 400, 401: 401, 429: 429, 500: 500}       # the provider's status: the client's
