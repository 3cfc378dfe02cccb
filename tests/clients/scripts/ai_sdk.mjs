// Vercel's AI SDK with its OpenAI-compatible provider: chat, stream, tools, structured output, embeddings.
import assert from "node:assert";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embed, generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const [url, model] = process.argv.slice(2);
const provider = createOpenAICompatible({
  name: "committee",
  baseURL: `${url}/v1`,
  includeUsage: true,
  supportsStructuredOutputs: true,
});
const chat = provider(model);
assert((await generateText({ model: chat, prompt: "Say something kind." })).text);
let text = "";
for await (const part of streamText({ model: chat, prompt: "Say something kind." }).fullStream) {
  assert.notEqual(part.type, "error", JSON.stringify(part));
  if (part.type === "text-delta") text += part.text;
}
assert(text);
const looked = await generateText({
  model: chat,
  prompt: "How is the weather in Paris?",
  tools: {
    get_weather: tool({
      description: "Weather now.",
      inputSchema: z.object({ city: z.string() }),
      execute: async () => "21 degrees",
    }),
  },
  stopWhen: stepCountIs(3),
});
assert.match(looked.text, /21/);
const person = await generateObject({ model: chat, prompt: "Who?", schema: z.object({ name: z.string(), age: z.number() }) });
assert.equal(person.object.name, "Ada");
const one = await embed({ model: provider.textEmbeddingModel("lexical"), value: "one" });
assert(one.embedding.length > 8);
