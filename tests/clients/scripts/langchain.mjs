// LangChain's ChatOpenAI for Node.js.

import { HumanMessage, ToolMessage } from "@langchain/core/messages";
import { ChatOpenAI } from "@langchain/openai";
import assert from "node:assert/strict";
import { z } from "zod";
import {
  checkAnswer, checkPerson, checkRefusal, checkStream, checkWeather, hello, key, model, person, result, run, tool, url,
  weather, wrongKey,
} from "./steps.mjs";

const chat = (apiKey = key) => new ChatOpenAI({ model, apiKey, maxRetries: 0, configuration: { baseURL: url } });

const all = async (stream) => {
  const found = [];
  for await (const chunk of await stream) found.push(chunk);
  return found;
};

await run(
  ["@langchain/openai", "@langchain/core", "openai"],
  {
    async create() {
      const { content, usage_metadata: usage } = await chat().invoke(hello);
      checkAnswer(content, usage.input_tokens, usage.output_tokens);
    },
    async stream() {
      const whole = await chat().invoke(hello);
      const chunks = await all(chat().stream(hello));
      checkStream(chunks.map((chunk) => chunk.content).filter(Boolean), whole.content);
      const usages = chunks.map((chunk) => chunk.usage_metadata).filter(Boolean);
      assert.equal(usages.at(-1).total_tokens, whole.usage_metadata.total_tokens);
    },
    async tools() {
      const messages = [new HumanMessage(weather)];
      const answer = await chat().bindTools([tool], { tool_choice: "required" }).invoke(messages);
      const [call] = answer.tool_calls;
      checkWeather(call.name, call.args);
      messages.push(answer, new ToolMessage({ content: result, tool_call_id: call.id }));
      const { content } = await chat().bindTools([tool]).invoke(messages);
      assert.ok(content.includes(result), content);
    },
    async streamed_tools() {
      const chunks = await all(chat().bindTools([tool], { tool_choice: "required" }).stream(weather));
      const [call] = chunks.reduce((whole, chunk) => whole.concat(chunk)).tool_calls;
      checkWeather(call.name, call.args);
    },
    async structured() {
      const schema = z.object({ name: z.string(), age: z.number().int() });
      for (const method of ["jsonSchema", "functionCalling"]) {
        checkPerson(await chat().withStructuredOutput(schema, { method, name: "person" }).invoke(person));
      }
    },
    async wrong_key() {
      await checkRefusal(() => chat(wrongKey).invoke(hello), (error) => error.status ?? error.cause?.status);
    },
  },
  { stored: "no call for stored chat completions" },
);
