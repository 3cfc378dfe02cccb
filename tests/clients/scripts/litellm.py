"""LiteLLM as a client: chat, stream, tools, JSON schemas, embeddings, responses, completions, pictures, speech."""

import os
import sys

# This file's name must not hide the package.
sys.path.pop(0)
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm

url, model = sys.argv[1:]
server = {"api_base": f"{url}/v1", "api_key": "none"}
model = f"openai/{model}"
hello = [{"role": "user", "content": "Say something kind."}]
weather = [{"role": "user", "content": "How is the weather in Paris?"}]
parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
tool = {
    "type": "function",
    "function": {"name": "get_weather", "description": "Weather now.", "parameters": parameters},
}
person = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}

assert litellm.completion(model=model, messages=hello, **server).choices[0].message.content
chunks = litellm.completion(model=model, messages=hello, stream=True, **server)
assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
asked = litellm.completion(model=model, messages=weather, tools=[tool], **server).choices[0].message
call = asked.tool_calls[0]
assert call.function.name == "get_weather"
result = {"role": "tool", "tool_call_id": call.id, "content": "21 degrees"}
answered = litellm.completion(model=model, messages=[*weather, asked.model_dump(), result], tools=[tool], **server)
assert "21" in answered.choices[0].message.content
schema = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": person}}
assert (
    "Ada"
    in litellm.completion(model=model, messages=hello, response_format=schema, **server).choices[0].message.content
)
assert len(litellm.embedding(model="openai/lexical", input=["one"], **server).data) == 1
assert litellm.responses(model=model, input="Say something kind.", **server).output
assert litellm.text_completion(model=f"text-completion-{model}", prompt="Say something kind.", **server).choices[0].text
drawn = litellm.image_generation(model="openai/image.generate", prompt="a red house", size="256x256", **server)
assert drawn.data[0].url
spoken = litellm.speech(model="openai/tts-1", voice="nova", input="Hello.", **server)
assert len(spoken.content) > 1000
