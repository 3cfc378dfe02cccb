// The official Node SDK: chat, stream, tools, structured output, embeddings, responses, completions, pictures, speech.
import assert from "node:assert";
import OpenAI from "openai";

const [url, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none" });
const hello = [{ role: "user", content: "Say something kind." }];
const weather = [{ role: "user", content: "How is the weather in Paris?" }];
const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tools = [{ type: "function", function: { name: "get_weather", description: "Weather now.", parameters } }];
const schema = {
  type: "object",
  properties: { name: { type: "string" }, age: { type: "integer" } },
  required: ["name", "age"],
  additionalProperties: false,
};

assert((await client.chat.completions.create({ model, messages: hello })).choices[0].message.content);
let text = "";
for await (const chunk of await client.chat.completions.create({ model, messages: hello, stream: true }))
  text += chunk.choices[0]?.delta?.content ?? "";
assert(text);
const called = await client.chat.completions.stream({ model, messages: weather, tools }).finalChatCompletion();
const call = called.choices[0].message.tool_calls[0];
assert.equal(call.function.name, "get_weather");
const answered = await client.chat.completions.create({
  model,
  tools,
  messages: [...weather, called.choices[0].message, { role: "tool", tool_call_id: call.id, content: "21 degrees" }],
});
assert.match(answered.choices[0].message.content, /21/);
const typed = await client.chat.completions.create({
  model,
  messages: hello,
  response_format: { type: "json_schema", json_schema: { name: "person", strict: true, schema } },
});
assert.equal(JSON.parse(typed.choices[0].message.content).name, "Ada");
assert((await client.embeddings.create({ model: "lexical", input: "one" })).data[0].embedding.length > 8);
assert((await client.responses.create({ model, input: "Say something kind." })).output_text);
const response = await client.responses.stream({ model, input: "Say something kind.", reasoning: { summary: "auto" } }).finalResponse();
assert(response.output_text);
const flat = [{ type: "function", name: "get_weather", description: "Weather now.", parameters, strict: false }];
const acted = await client.responses.stream({ model, input: weather, tools: flat }).finalResponse();
assert(acted.output.some((item) => item.type === "function_call"));
let told = "";
for await (const chunk of await client.completions.create({ model, prompt: "Say something kind.", stream: true }))
  told += chunk.choices[0]?.text ?? "";
assert(told);
const drawn = await client.images.generate({ model: "image.generate", prompt: "a red house", size: "256x256", response_format: "b64_json" });
assert.equal(Buffer.from(drawn.data[0].b64_json, "base64").subarray(1, 4).toString(), "PNG");
const spoken = await client.audio.speech.create({ model: "tts-1", voice: "nova", input: "Hello.", response_format: "wav" });
assert.equal(Buffer.from(await spoken.arrayBuffer()).subarray(0, 4).toString(), "RIFF");
