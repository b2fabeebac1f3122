"""Runs sentence models, many texts at a time.

An element that is met again must be encoded to the last digit as it was in a batch of thousands. Three things
would make a text's digits depend on the texts beside it, and are kept from it: padding (a batch holds texts of one
length in tokens), threads (each batch has one of its own), and matrix products, whose order of additions depends
on the number of rows (all are of `_PRODUCT_ROWS`).
"""

import importlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from neptuneml_plugin.errors import InvalidData, PreconditionsFailed
from neptuneml_plugin.processing.encoders.columns import Matrix
from neptuneml_plugin.processing.encoders.textmodels import folder_fingerprint

#: Tokens that go through the model together: some 10 MiB for each of its layers.
_BATCH_TOKENS = 2048
#: Rows of a product: more are wasted on one short text, fewer on many.
_PRODUCT_ROWS = 32
#: Modules with weights that treat each token alone, once products are of one size.
_TOKENWISE = frozenset({"Linear", "Embedding", "LayerNorm"})


@lru_cache(maxsize=2)
def load_sentence_model(path: Path) -> tuple[Any, str]:
    """Return a model on the CPU, so that the worker that meets a text later gives it the same numbers."""
    try:
        library: Any = importlib.import_module("sentence_transformers")
        logging: Any = importlib.import_module("transformers.utils.logging")
    except ImportError:
        raise PreconditionsFailed(
            "sentence models need sentence-transformers: pip install 'neptuneml-plugin[text]'"
        ) from None
    logging.disable_progress_bar()  # progress is the stage's to show
    try:
        model = library.SentenceTransformer(str(path), device="cpu", local_files_only=True).eval()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise InvalidData(f"{path} cannot be read as a sentence model: {str(error).splitlines()[0]}") from None
    _fix_products(model)
    return model, folder_fingerprint(path)


def embed(texts: Sequence[str], model: Any) -> Matrix:
    """Return (texts, width), each row as the model gives it for the text alone."""
    prompt = model.prompts.get(model.default_prompt_name)
    batches = list(_batches(texts, prompt, model))
    parts = [model.preprocess([texts[i] for i in batch], prompt=prompt) for batch in batches]
    embedded = _forward_all(parts, model)
    matrix = np.empty((len(texts), embedded[0].shape[1]), np.float32)
    for batch, rows in zip(batches, embedded, strict=True):
        matrix[batch] = rows
    return matrix


def _batches(texts: Sequence[str], prompt: str | None, model: Any) -> Iterator[list[int]]:
    """Yield the places of texts that are equally long in tokens, at most `_BATCH_TOKENS` of them at once."""
    if len(texts) == 1 or not _is_tokenwise(model):
        yield from ([place] for place in range(len(texts)))
        return
    by_length: dict[int, list[int]] = {}
    for start in range(0, len(texts), _BATCH_TOKENS):
        tokens = model.preprocess(texts[start : start + _BATCH_TOKENS], prompt=prompt)["attention_mask"].sum(dim=1)
        for place, length in enumerate(tokens.tolist(), start):
            by_length.setdefault(length, []).append(place)
    for length, places in sorted(by_length.items(), reverse=True):
        most = max(1, _BATCH_TOKENS // max(1, length))
        yield from (places[start : start + most] for start in range(0, len(places), most))


def _forward_all(parts: Sequence[dict[str, Any]], model: Any) -> list[Matrix]:
    """Send batches through a model, each on one thread, as many at a time as torch would use threads."""
    torch: Any = importlib.import_module("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        if len(parts) == 1:
            return [_forward(parts[0], model)]
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(lambda part: _forward(part, model), parts))
    finally:
        torch.set_num_threads(threads)


def _forward(features: dict[str, Any], model: Any) -> Matrix:
    torch: Any = importlib.import_module("torch")
    with torch.inference_mode():
        rows: Matrix = model(features)["sentence_embedding"][:, : model.truncate_dim].float().numpy()
    return rows


def _is_tokenwise(model: Any) -> bool:
    if type(model[0]).__name__ != "Transformer":
        return False
    weighted = (module for module in model.modules() if next(module.parameters(recurse=False), None) is not None)
    return all(type(module).__name__ in _TOKENWISE for module in weighted)


def _fix_products(model: Any) -> None:
    """Let every linear layer multiply blocks of `_PRODUCT_ROWS` rows, the last one filled up with zeros."""
    torch: Any = importlib.import_module("torch")
    for module in model.modules():
        if type(module) is torch.nn.Linear:
            module.forward = _product_in_blocks(module, torch)


def _product_in_blocks(layer: Any, torch: Any) -> Callable[[Any], Any]:
    linear, pad = torch.nn.functional.linear, torch.nn.functional.pad

    def forward(inputs: Any) -> Any:
        rows = inputs.reshape(-1, layer.in_features)
        whole = pad(rows, (0, 0, 0, -len(rows) % _PRODUCT_ROWS))
        products = [linear(block, layer.weight, layer.bias) for block in whole.split(_PRODUCT_ROWS)]
        return torch.cat(products)[: len(rows)].reshape(*inputs.shape[:-1], layer.out_features)

    return forward
