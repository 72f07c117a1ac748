"""Asks a server of `massivetext serve` what it can do, with OpenAI's client.

    massivetext serve --preset=writer=runs/chat --model=vectors=served/embed
    python examples/client.py --url=http://127.0.0.1:8500 "Once upon a time"

The client is `pip install openai`. A key, if the server wants one, is in the variable
OPENAI_API_KEY.
"""

from __future__ import annotations

import argparse
import os

import openai

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("--url", default="http://127.0.0.1:8500")
parser.add_argument("prompt", nargs="?", default="Once upon a time")
args = parser.parse_args()

key = os.environ.get("OPENAI_API_KEY", "none")
client = openai.OpenAI(base_url=f"{args.url}/v1", api_key=key)
models = [model.model_dump() for model in client.models.list()]
writers = [model["id"] for model in models if model["writes"]]
embedders = [model["id"] for model in models if "embed" in model["signatures"]]

for name in writers:
    print(f"{name} goes on:", args.prompt, end="", flush=True)
    for part in client.completions.create(
        model=name, prompt=args.prompt, max_tokens=64, stream=True
    ):
        print(part.choices[0].text, end="", flush=True)
    messages = [{"role": "user", "content": args.prompt}]
    reply = client.chat.completions.create(model=name, messages=messages)
    print(f"\n{name} replies:", reply.choices[0].message.content)
    print(reply.usage.total_tokens, "tokens")

for name in embedders:
    found = client.embeddings.create(model=name, input=[args.prompt])
    print(f"{name} gives {len(found.data[0].embedding)} numbers")
