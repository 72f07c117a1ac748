"""Answers texts by a folder of ONNX graphs: numpy, onnxruntime and tokenizers alone.

    python serve.py "a text" "another"
    python serve.py --port=8000      # POST {"texts": [...]} to it

It is copied into every export for onnxruntime, and imports nothing of the package.
"""

from __future__ import annotations

import argparse
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

_REFUSED = 400


class Served:
    """An export in memory.

    Args:
        folder: of the export.
    """

    def __init__(self, folder: str | Path):
        import onnxruntime
        import tokenizers

        folder = Path(folder)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.options, self.head = config["options"], config["head"]
        self.reading, self.model = config["reading"], config["model"]
        file = str(folder / "tokenizer.json")
        self.tokenizer = tokenizers.Tokenizer.from_file(file)
        options = onnxruntime.SessionOptions()
        # Threads that wait sleep, and leave the processors to others.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.sessions = {
            name: onnxruntime.InferenceSession(
                str(folder / name), options, providers=["CPUExecutionProvider"]
            )
            for name in config["graphs"]
        }

    def run(self, name: str, given: dict) -> dict:
        """The outputs of a graph by name."""
        session = self.sessions[name]
        asked = {x.name: given[x.name] for x in session.get_inputs()}
        names = [x.name for x in session.get_outputs()]
        return dict(zip(names, session.run(None, asked), strict=True))

    def ids_of(self, text: str) -> list[int]:
        """The ids of a text, without any around it."""
        prompts, name = self.options.get("prompts") or {}, self.options.get("prompt")
        text = prompts.get(name, "") + (self.options.get("prefix") or "") + text
        text = text.lower() if self.options.get("lowercase") else text
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def rows(self, texts: list) -> tuple[dict, list]:
        """Texts, or pairs of texts, as the inputs of a graph, and their tokens."""
        how, ids, segments, encoded = self.reading, [], [], []
        for text in texts:
            pair = [text] if isinstance(text, str) else list(text)
            parts = [self.ids_of(part) for part in pair]
            room = how["max_text_tokens"] - len(how["between"]) * (len(parts) - 1)
            while sum(map(len, parts)) > room:
                max(reversed(parts), key=len).pop()
            row = how["before"] + parts[0]
            kinds = [0] * len(row)
            if parts[1:]:
                row, kinds = row + how["between"], kinds + [0] * len(how["between"])
                row, kinds = row + parts[1], kinds + [1] * len(parts[1])
            row = row + how["after"]
            ids.append(row)
            segments.append(kinds + [len(parts) - 1] * len(how["after"]))
            encoded.append(parts)
        length = max(1, *map(len, ids))
        given = {"input_ids": (ids, how["pad_id"]), "token_type_ids": (segments, 0)}
        inputs = {
            name: np.array(
                [row + [fill] * (length - len(row)) for row in rows], "int64"
            )
            for name, (rows, fill) in given.items()
        }
        inputs["attention_mask"] = np.array(
            [[1] * len(row) + [0] * (length - len(row)) for row in ids], "int64"
        )
        return inputs, encoded

    def answer(self, texts: list, **options) -> list:
        """An answer to each text, as values of JSON."""
        kind = self.head["kind"]
        if kind == "language_model":
            return [self.written(text, **options) for text in texts]
        inputs, parts = self.rows(texts)
        outputs = self.run("model.onnx", inputs)
        if kind == "classification":
            return [self._classes(row) for row in outputs["scores"].tolist()]
        if kind == "embedding":
            return outputs["sentence_embedding"].tolist()
        first = len(self.reading["before"])
        return [
            self._tokens(outputs, i, first, sum(map(len, row)))
            for i, row in enumerate(parts)
        ]

    def _classes(self, scores: list[float]):
        labels = self.options.get("labels") or []
        if not labels:
            return scores[0]
        named = dict(zip(labels, scores, strict=True))
        if self.head["scores"] == "sigmoid":
            least = self.options["threshold"]
            given = [name for name in named if named[name] >= least]
            return {"labels": given, "scores": named}
        return {"label": max(named, key=named.__getitem__), "scores": named}

    def _tokens(self, outputs: dict, row: int, first: int, count: int) -> dict:
        """What the graph gives for the tokens of a text, in their order."""
        return {
            name: array[row, first : first + count].tolist()
            for name, array in outputs.items()
        }

    def written(self, text: str, max_new_tokens: int = 64) -> str:
        """What a model writes after, or in answer to, a text: the likeliest tokens."""
        begins, ids = self.head["begins_with"], self.ids_of(text)
        if ids[: len(begins)] != begins:
            ids = begins + ids
        if "decoder_model.onnx" in self.sessions:
            return self.tokenizer.decode(self._answered(ids, max_new_tokens))
        room = self.reading["max_length"] - max_new_tokens
        new = self._continued("model.onnx", ids[-room:], max_new_tokens, {})
        return self.tokenizer.decode([*ids, *new])

    def _answered(self, ids: list[int], max_new_tokens: int) -> list[int]:
        ends = self.head["ends_with"]
        ids = ids[: self.reading["max_length"] - len(ends)]
        ids = np.array([ids + ends], "int64")
        mask = np.ones_like(ids)
        memory = self.run(
            "encoder_model.onnx", {"input_ids": ids, "attention_mask": mask}
        )
        memory["encoder_attention_mask"] = mask
        start = [self.head["start_id"]]
        return self._continued("decoder_model.onnx", start, max_new_tokens, memory)

    def _continued(self, graph: str, ids: list[int], count: int, memory: dict) -> list:
        """The likeliest tokens after some, one by one with a cache."""
        inputs = self.sessions[graph].get_inputs()
        past = {
            x.name: np.zeros([1, x.shape[1], 0, x.shape[3]], "float32")
            for x in inputs
            if x.name.startswith("past_key_values.")
        }
        new: list[int] = []
        read, ends = ids, set(self.head["stop_ids"])
        for _ in range(count):
            given = {
                "input_ids": np.array([read], "int64"),
                "attention_mask": np.ones([1, len(ids) + len(new)], "int64"),
            }
            outputs = self.run(graph, {**given, **past, **memory})
            token = int(outputs["logits"][0, -1].argmax())
            if token in ends:
                break
            new.append(token)
            read = [token]
            past = {
                name.replace("present", "past_key_values"): array
                for name, array in outputs.items()
                if name.startswith("present.")
            }
        return new


def serve(served: Served, port: int) -> None:
    """Answers POST requests with a JSON body {"texts": [...]} until it is stopped."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                asked = json.loads(body)
                status, said = 200, {"answers": served.answer(asked["texts"])}
            except (ValueError, KeyError, TypeError) as error:
                wanted = 'the body is {"texts": ["…"]}'
                status, said = _REFUSED, {"error": f"{wanted}: {error!r}"}
            data = json.dumps(said, ensure_ascii=False).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


def main() -> None:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("texts", nargs="*", help="texts to answer, a line each")
    parser.add_argument("--port", type=int, help="serve HTTP there instead")
    asked = parser.parse_args()
    served = Served(Path(__file__).parent)
    if asked.port:
        serve(served, asked.port)
    for text in served.answer(asked.texts):
        print(json.dumps(text, ensure_ascii=False))


if __name__ == "__main__":
    main()
