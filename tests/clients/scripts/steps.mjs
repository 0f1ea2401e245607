// What the scripts for Node.js share; see steps.py, whose cases and checks these are.

import { readFileSync } from "node:fs";
import assert from "node:assert/strict";

export const [url, key] = process.argv.slice(2, 4);
export const model = "stand-in";
export const wrongKey = "sk-wrong";
export const hello = "Say hello in one short sentence.";
export const weather = "What is the weather in Paris? Use celsius.";
export const person = "Give me a person.";
export const result = "18 degrees, light rain";

export const parameters = {
  type: "object",
  properties: { city: { type: "string" }, unit: { type: "string", enum: ["celsius", "fahrenheit"] } },
  required: ["city", "unit"],
  additionalProperties: false,
};
export const tool = {
  type: "function",
  function: { name: "get_weather", description: "The weather of a city now.", parameters },
};
export const personSchema = {
  type: "object",
  properties: { name: { type: "string" }, age: { type: "integer" } },
  required: ["name", "age"],
  additionalProperties: false,
};

export const say = (text) => [{ role: "user", content: text }];

export function checkAnswer(text, ...usage) {
  assert.equal(typeof text, "string");
  assert.ok(text.split(" ").length > 2, `the answer is ${text}`);
  assert.ok(usage.every((tokens) => tokens > 0), `the usage is ${usage}`);
}

export function checkStream(pieces, whole) {
  assert.ok(pieces.length > 2, `the stream has ${pieces.length} pieces`);
  assert.equal(pieces.join(""), whole);
}

export function checkWeather(name, given) {
  assert.equal(name, "get_weather");
  assert.deepEqual(typeof given === "string" ? JSON.parse(given) : given, { city: "Paris", unit: "celsius" });
}

export function checkPerson(object) {
  assert.deepEqual(Object.keys(object).sort(), ["age", "name"]);
  assert.equal(typeof object.name, "string");
  assert.ok(Number.isInteger(object.age), `the age is ${object.age}`);
}

export async function checkRefusal(call, status) {
  const error = await call().then(() => null, (caught) => caught);
  assert.ok(error, "the wrong key was taken");
  assert.equal(status(error), 401);
  assert.match(error.message, /Incorrect API key/);
}

const print = (line) => console.log(JSON.stringify(line));

/** Tell the versions of packages and what is lacking, run the cases, and tell what came of each. */
export async function run(packages, cases, lacks = {}) {
  const read = (name) => JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url)));
  const versions = Object.fromEntries(packages.map((name) => [name, read(name).version]));
  print({ versions: { ...versions, node: process.versions.node } });
  for (const [name, why] of Object.entries(lacks)) print({ case: name, lacks: why });
  for (const [name, go] of Object.entries(cases)) {
    let error = "";
    const patience = new Promise((_, reject) => setTimeout(reject, 30_000, new Error("no end after 30 s")).unref());
    try {
      await Promise.race([go(), patience]);
    } catch (caught) {
      error = `${caught.constructor.name}: ${caught.message}`;
    }
    print({ case: name, error });
  }
}
