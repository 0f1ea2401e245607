// The official client for Node.js.

import OpenAI from "openai";
import assert from "node:assert/strict";
import {
  checkAnswer, checkPerson, checkRefusal, checkStream, checkWeather, hello, key, model, person, personSchema, result,
  run, say, tool, url, weather, wrongKey,
} from "./steps.mjs";

const { completions } = new OpenAI({ baseURL: url, apiKey: key, maxRetries: 0 }).chat;

const all = async (pages) => {
  const found = [];
  for await (const item of pages) found.push(item);
  return found;
};
const ids = async (pages) => (await all(pages)).map((item) => item.id);

await run(["openai"], {
  async create() {
    const { choices, usage, _request_id: id } = await completions.create({ model, messages: say(hello) });
    checkAnswer(choices[0].message.content, usage.prompt_tokens, usage.completion_tokens);
    assert.ok(id);
  },
  async stream() {
    const whole = await completions.create({ model, messages: say(hello) });
    const options = { model, messages: say(hello), stream: true, stream_options: { include_usage: true } };
    const chunks = await all(await completions.create(options));
    checkStream(chunks.map((chunk) => chunk.choices[0]?.delta.content).filter(Boolean), whole.choices[0].message.content);
    assert.deepEqual(chunks.at(-1).usage, whole.usage);
  },
  async tools() {
    const messages = say(weather);
    const called = [];
    const get_weather = (given) => (called.push(given), result);
    const runner = completions.runTools({
      model, messages, tools: [{ type: "function", function: { ...tool.function, function: get_weather, parse: JSON.parse } }],
    });
    const text = await runner.finalContent();
    checkWeather("get_weather", called[0]);
    assert.ok(text.includes(result), text);
  },
  async streamed_tools() {
    const stream = completions.stream({ model, messages: say(weather), tools: [tool], tool_choice: "required" });
    let deltas = 0;
    stream.on("tool_calls.function.arguments.delta", () => (deltas += 1));
    const final = await stream.finalChatCompletion();
    const call = final.choices[0].message.tool_calls[0].function;
    checkWeather(call.name, call.arguments);
    assert.ok(deltas > 1, `${deltas} deltas`);
  },
  async structured() {
    const response_format = { type: "json_schema", json_schema: { name: "person", schema: personSchema, strict: true } };
    const parsed = await completions.parse({ model, messages: say(person), response_format });
    checkPerson(JSON.parse(parsed.choices[0].message.content));
  },
  async wrong_key() {
    const other = new OpenAI({ baseURL: url, apiKey: wrongKey, maxRetries: 0 });
    await checkRefusal(() => other.chat.completions.create({ model, messages: say(hello) }), (error) => error.status);
  },
  async stored() {
    const made = [];
    for (const n of ["0", "1", "2"]) {
      made.push((await completions.create({ model, messages: say(hello), store: true, metadata: { n } })).id);
    }
    assert.deepEqual(await ids(completions.list({ limit: 2 })), made);
    assert.deepEqual(await ids(completions.list({ metadata: { n: "1" } })), [made[1]]);
    assert.deepEqual((await completions.retrieve(made[0])).metadata, { n: "0" });
    assert.deepEqual((await completions.update(made[0], { metadata: { n: "9" } })).metadata, { n: "9" });
    assert.deepEqual((await all(completions.messages.list(made[0]))).map((message) => message.content), [hello]);
    assert.ok((await completions.delete(made[0])).deleted);
    assert.deepEqual(await ids(completions.list()), made.slice(1));
  },
});
