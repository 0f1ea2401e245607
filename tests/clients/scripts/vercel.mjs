// Vercel's AI SDK, on its provider for servers that speak OpenAI's API.

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { Output, generateText, stepCountIs, streamText, tool as newTool } from "ai";
import assert from "node:assert/strict";
import { z } from "zod";
import {
  checkAnswer, checkPerson, checkRefusal, checkStream, checkWeather, hello, key, model as name, person, result, run, url,
  weather, wrongKey,
} from "./steps.mjs";

const provider = (apiKey) =>
  createOpenAICompatible({ name: "embedded", baseURL: url, apiKey, includeUsage: true, supportsStructuredOutputs: true });
const model = provider(key)(name);
const common = { model, maxRetries: 0 };

const weatherTool = (called) => ({
  get_weather: newTool({
    description: "The weather of a city now.",
    inputSchema: z.object({ city: z.string(), unit: z.enum(["celsius", "fahrenheit"]) }),
    execute: async (given) => (called.push(given), result),
  }),
});

const pieces = async (stream) => {
  const found = [];
  for await (const piece of stream) found.push(piece);
  return found;
};

await run(
  ["ai", "@ai-sdk/openai-compatible"],
  {
    async create() {
      const { text, usage } = await generateText({ ...common, prompt: hello });
      checkAnswer(text, usage.inputTokens, usage.outputTokens);
    },
    async stream() {
      const whole = await generateText({ ...common, prompt: hello });
      const stream = streamText({ ...common, prompt: hello });
      checkStream(await pieces(stream.textStream), whole.text);
      assert.equal((await stream.usage).totalTokens, whole.usage.totalTokens);
    },
    async tools() {
      const called = [];
      const { text } = await generateText({ ...common, prompt: weather, tools: weatherTool(called), stopWhen: stepCountIs(3) });
      checkWeather("get_weather", called[0]);
      assert.ok(text.includes(result), text);
    },
    async streamed_tools() {
      const called = [];
      const stream = streamText({ ...common, prompt: weather, tools: weatherTool(called), stopWhen: stepCountIs(3) });
      const text = (await pieces(stream.textStream)).join("");
      checkWeather("get_weather", called[0]);
      assert.ok(text.includes(result), text);
    },
    async structured() {
      const schema = z.object({ name: z.string(), age: z.number().int() });
      const { output } = await generateText({ ...common, prompt: person, output: Output.object({ schema }) });
      checkPerson(output);
    },
    async wrong_key() {
      const call = () => generateText({ model: provider(wrongKey)(name), maxRetries: 0, prompt: hello });
      await checkRefusal(call, (error) => error.statusCode);
    },
  },
  { stored: "no call for stored chat completions" },
);
