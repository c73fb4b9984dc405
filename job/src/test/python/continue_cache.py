"""Continues exported caches in Hugging Face transformers and compares with its own dense pre-fill.

continue_cache.py MODEL_DIR FILE.safetensors ...            dense caches: keys, values, 32 tokens
continue_cache.py --asks ASKS.json MODEL_DIR FILE ...       any caches: answers to questions

ASKS.json: {doc_id: [[question, answer], ...]}. A line per file begins with PASS or FAIL.

Both sides have the same arithmetic. The reference is transformers' dense pre-fill in float32,
eager attention; of a bf16 or fp16 cache, its keys and values are rounded to that type, and the
model continues in that type over both. The reference continues greedily, and our cache must give
the same token at every step. An element of a 16-bit cache may round the other way, so there, keys
and values may differ by a little, and a token where the reference's two likeliest logits are no
further apart than two roundings of the larger.
"""

import argparse
import copy
import json
import sys

import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM, DynamicCache, PreTrainedTokenizerFast

NEW = 32
CLOSE = {torch.float32: 1e-4, torch.bfloat16: 2e-3, torch.float16: 3e-4}
TIE = {torch.float32: 0.0, torch.bfloat16: 2**-7, torch.float16: 2**-10}


def stored(path, config, tokens=None):
    """The document's ids, its cache (of the first tokens) and metadata."""
    cache = DynamicCache(config=config)
    with safe_open(path, "pt") as f:
        ids = f.get_tensor("input_ids")
        for n in range(config.num_hidden_layers):
            keys = f.get_tensor(f"layers.{n}.keys").transpose(1, 2)
            values = f.get_tensor(f"layers.{n}.values").transpose(1, 2)
            cache.update(keys[:, :, :tokens], values[:, :, :tokens], n)
        return ids, cache, f.metadata()


def load(model, dtype):
    loaded = AutoModelForCausalLM.from_pretrained(model, dtype=dtype, attn_implementation="eager")
    return loaded.eval()


@torch.no_grad()
def follow(model, cache, last, tokens):
    """The likeliest token at each step, given the cache of all tokens before the last one, and
    how much likelier than the second it is, relative to its logit; steps go by given tokens, or
    without them by the likeliest."""
    likeliest, lead = [], []
    step = last
    for i in range(NEW):
        logits = model(step, past_key_values=cache, use_cache=True).logits[0, -1].float()
        (first, second), (token, _) = (top.tolist() for top in logits.topk(2))
        likeliest.append(token)
        lead.append((first - second) / abs(first))
        step = torch.tensor([[tokens[i] if tokens else token]])
    return likeliest, lead


@torch.no_grad()
def continues(models, path):
    exact = models[torch.float32]
    ids, ours, metadata = stored(path, exact.config)
    dtype = ours.layers[0].keys.dtype
    # All but the last token: its logits begin the continuation.
    _, ours, _ = stored(path, exact.config, ids.shape[1] - 1)
    reference = DynamicCache(config=exact.config)
    if any(layer.is_sliding for layer in reference.layers):
        exact(ids[:, :-1], past_key_values=reference, use_cache=True)
    else:  # LongRoPE's factors depend on the length, which is that of the whole document
        exact(ids, past_key_values=reference, use_cache=True)
        for layer in reference.layers:
            layer.keys, layer.values = layer.keys[:, :, :-1], layer.values[:, :, :-1]
    worst = 0.0
    for mine, theirs in zip(ours.layers, reference.layers):
        for part in ("keys", "values"):
            a, b = getattr(mine, part).float(), getattr(theirs, part).to(dtype).float()
            if a.shape != b.shape:
                raise SystemExit(f"FAIL {path}: {part} are {a.shape}, transformers has {b.shape}")
            worst = max(worst, ((a - b).norm() / b.norm()).item())
            setattr(theirs, part, getattr(theirs, part).to(dtype))
    if dtype not in models:
        models[dtype] = load(exact.name_or_path, dtype)
    theirs, lead = follow(models[dtype], reference, ids[:, -1:], None)
    mine, _ = follow(models[dtype], ours, ids[:, -1:], theirs)
    other = [i for i in range(NEW) if mine[i] != theirs[i]]
    good = worst < CLOSE[dtype] and all(lead[i] <= TIE[dtype] for i in other)
    print(
        f"{'PASS' if good else 'FAIL'} {metadata['doc_id']} {exact.config.model_type} {dtype}"
        f" {ids.shape[1]} tokens: keys and values differ by {worst:.1e}, {NEW - len(other)} of"
        f" {NEW} tokens equal{''.join(f', lead {lead[i]:.4f} at {i}' for i in other)}"
    )
    return good


@torch.no_grad()
def answers(models, path, asks, tokenizer):
    ids, cache, metadata = stored(path, models[torch.float32].config)
    dtype = cache.layers[0].keys.dtype
    if dtype not in models:
        models[dtype] = load(models[torch.float32].name_or_path, dtype)
    right = 0
    questions = asks[metadata["doc_id"]]
    for question, answer in questions:
        asked = tokenizer(question, add_special_tokens=False, return_tensors="pt").input_ids
        wanted = tokenizer(answer, add_special_tokens=False).input_ids
        given = models[dtype].generate(
            torch.cat([ids, asked], 1),
            past_key_values=copy.deepcopy(cache),
            max_new_tokens=len(wanted),
            do_sample=False,
        )[0, ids.shape[1] + asked.shape[1] :].tolist()
        right += given == wanted
    print(
        f"{'PASS' if right == len(questions) else 'FAIL'} {metadata['doc_id']} {dtype}"
        f" {metadata['attention']} {ids.shape[1]} tokens: {right} of {len(questions)} answers right"
    )
    return right == len(questions)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--asks")
    parser.add_argument("model")
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()
    models = {torch.float32: load(args.model, torch.float32)}
    if args.asks:
        asks = json.load(open(args.asks, encoding="utf-8"))
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=args.model + "/tokenizer.json")
        good = [answers(models, path, asks, tokenizer) for path in args.files]
    else:
        good = [continues(models, path) for path in args.files]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
