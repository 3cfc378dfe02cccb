"""The official Python SDK: chat, stream, tools, structured output, embeddings, responses."""

import base64
import sys

from openai import OpenAI
from pydantic import BaseModel

url, model = sys.argv[1:]
client = OpenAI(base_url=f"{url}/v1", api_key="none")
hello = [{"role": "user", "content": "Say something kind."}]
weather = [{"role": "user", "content": "How is the weather in Paris?"}]
parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
tool = {
    "type": "function",
    "function": {"name": "get_weather", "description": "Weather now.", "parameters": parameters},
}


class Person(BaseModel):
    name: str
    age: int


assert client.chat.completions.create(model=model, messages=hello).choices[0].message.content
chunks = list(
    client.chat.completions.create(model=model, messages=hello, stream=True, stream_options={"include_usage": True})
)
assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
assert chunks[-1].usage.total_tokens > 0
with client.chat.completions.stream(model=model, messages=weather, tools=[tool]) as stream:
    called = stream.get_final_completion().choices[0]
assert called.finish_reason == "tool_calls"
call = called.message.tool_calls[0]
assert call.function.name == "get_weather"
answered = client.chat.completions.create(
    model=model,
    tools=[tool],
    messages=[
        *weather,
        {"role": "assistant", "tool_calls": [call.model_dump(exclude={"function": {"parsed_arguments"}})]},
        {"role": "tool", "tool_call_id": call.id, "content": "21 degrees"},
    ],
)
assert "21" in answered.choices[0].message.content
parsed = client.chat.completions.parse(model=model, messages=hello, response_format=Person)
assert parsed.choices[0].message.parsed == Person(name="Ada", age=36)
assert len(client.embeddings.create(model="lexical", input=["one", "two"]).data) == 2
assert client.responses.create(model=model, input="Say something kind.").output_text
with client.responses.stream(model=model, input="Say something kind.") as events:
    assert events.get_final_response().output_text if not list(events) else True
flat = {"type": "function", "name": "get_weather", "description": "Weather now.", "parameters": parameters}
called = client.responses.create(model=model, input=weather, tools=[flat])
assert any(item.type == "function_call" for item in called.output)
assert client.responses.parse(model=model, input="Who?", text_format=Person).output_parsed == Person(name="Ada", age=36)
assert model in [entry.id for entry in client.models.list()]
completion = client.completions.create(model=model, prompt="Say something kind.", stream=True)
assert "".join(chunk.choices[0].text for chunk in completion)
drawn = client.images.generate(prompt="a red house", size="256x256", response_format="b64_json").data
assert drawn
assert base64.b64decode(drawn[0].b64_json).startswith(b"\x89PNG")
assert client.audio.speech.create(model="tts-1", voice="nova", input="Hello.").content
