// Vercel's AI SDK with its OpenAI-compatible provider: chat, stream, tools, structured output, embeddings, completions, pictures,
// and with its OpenAI provider: responses, speech.
import assert from "node:assert";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { createOpenAI } from "@ai-sdk/openai";
import {
  embed,
  embedMany,
  experimental_generateImage,
  experimental_generateSpeech,
  generateObject,
  generateText,
  stepCountIs,
  streamText,
  tool,
} from "ai";
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
const several = await embedMany({ model: provider.textEmbeddingModel("lexical"), values: ["one", "two"] });
assert.equal(several.embeddings.length, 2);
assert((await generateText({ model: provider.completionModel(model), prompt: "Say something kind." })).text);
const drawn = await experimental_generateImage({ model: provider.imageModel("image.generate"), prompt: "a red house", size: "256x256" });
assert.equal(drawn.image.mediaType, "image/png");
// Its OpenAI provider speaks the Responses API and no other unless told so.
const openai = createOpenAI({ baseURL: `${url}/v1`, apiKey: "none" });
assert((await generateText({ model: openai.responses(model), prompt: "Say something kind." })).text);
let streamed = "";
for await (const piece of streamText({ model: openai.responses(model), prompt: "Say something kind." }).textStream) streamed += piece;
assert(streamed);
const spoken = await experimental_generateSpeech({ model: openai.speech("tts-1"), text: "Hello.", voice: "nova" });
assert(spoken.audio.uint8Array.length > 1000);
