"""LangChain's OpenAI integration: chat, stream, tools, structured output, embeddings, responses, completions."""

import sys

# This file's name must not hide the package.
sys.path.pop(0)

from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings
from pydantic import BaseModel

url, model = sys.argv[1:]
chat = ChatOpenAI(base_url=f"{url}/v1", api_key="none", model=model)


@tool
def get_weather(city: str) -> str:
    """Weather now."""
    return "21 degrees"


class Person(BaseModel):
    """A person."""

    name: str
    age: int


assert chat.invoke("Say something kind.").content
assert "".join(str(chunk.content) for chunk in chat.stream("Say something kind."))
question = ("user", "How is the weather in Paris?")
asked = chat.bind_tools([get_weather]).invoke([question])
assert asked.tool_calls[0]["name"] == "get_weather"
result = get_weather.invoke(asked.tool_calls[0])
assert "21" in chat.bind_tools([get_weather]).invoke([question, asked, result]).content
assert chat.with_structured_output(Person, method="json_schema").invoke("Who?") == Person(name="Ada", age=36)
embeddings = OpenAIEmbeddings(base_url=f"{url}/v1", api_key="none", model="lexical", check_embedding_ctx_length=False)
assert len(embeddings.embed_documents(["one", "two"])) == 2
responses = ChatOpenAI(base_url=f"{url}/v1", api_key="none", model=model, use_responses_api=True)
assert responses.invoke("Say something kind.").text
assert "".join(chunk.text for chunk in responses.stream("Say something kind."))
legacy = OpenAI(base_url=f"{url}/v1", api_key="none", model=model)
assert legacy.invoke("Say something kind.")
assert "".join(legacy.stream("Say something kind."))
