# Databricks notebook source
# MAGIC %md
# MAGIC # Reuse a cache in transformers
# MAGIC
# MAGIC A stored cache is worth something when it is used instead of reading the document again. This notebook pre-fills two
# MAGIC documents as a Spark job, exports their caches for Hugging Face transformers, and asks several questions of each: the
# MAGIC model goes on from the cache, and reads only the question.
# MAGIC
# MAGIC The first cells are those of `prefill_corpus.py`, which says how to run a notebook on Databricks and on a laptop. It
# MAGIC needs `transformers`, `torch`, `safetensors` and `matplotlib`; a CPU will do for the bundled model.

# COMMAND ----------

import copy
import json
import os
import random
import time
import uuid

import matplotlib.pyplot as plt
import torch
from pyspark.sql import SparkSession
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

spark = SparkSession.builder.getOrCreate()
on_databricks = "dbutils" in globals()


def parameter(name, default):
    """The value of a widget on Databricks; elsewhere of an environment variable."""
    if on_databricks:
        dbutils.widgets.text(name, default)
        return dbutils.widgets.get(name)
    return os.environ.get(name.upper(), default)


home = parameter("sparsefill_home", os.path.dirname(os.getcwd()) if on_databricks else os.getcwd())
model = parameter("sparsefill_model", f"{home}/conf/models/needle-2m")
patterns = parameter("sparsefill_patterns", f"{home}/conf/patterns/needle-2m.json")
work = parameter("sparsefill_work", f"{home}/out/notebooks")
output = f"{work}/reuse_cache"
exported = f"{work}/reuse_cache_hf"
os.makedirs(work, exist_ok=True)

# COMMAND ----------


def sparsefill(*command):
    """Runs a command, prints its report, and returns its summary."""
    jvm = spark._jvm.io.sparsefill.job.notebook
    result = jvm.Sparsefill.run([str(word) for word in command]).orThrow()
    print(result.report())
    return json.loads(result.summary())


def show(figure, name):
    """Shows a figure, and keeps it as a picture beside the tables."""
    figure.savefig(f"{work}/{name}.png", dpi=110)
    print(f"picture: {work}/{name}.png")
    if on_databricks:
        display(figure)


# COMMAND ----------

# MAGIC %md
# MAGIC ## Two documents, and questions about them
# MAGIC
# MAGIC Objects of random keys and values; only who has read them knows the answers.

# COMMAND ----------


def document(number, pairs):
    """A name, a text of so many pairs, and the pairs."""
    draw = random.Random(number)
    code = lambda: str(uuid.UUID(int=draw.getrandbits(128)))
    entries = {code(): code() for _ in range(pairs)}
    body = ", ".join(f'"{key}": "{value}"' for key, value in entries.items())
    text = "Extract the value corresponding to the specified key in the JSON object below."
    return f"object-{number}", text + f"\n\nJSON data:\n{{{body}}}", entries


documents = [document(0, 40), document(1, 80)]
corpus = spark.createDataFrame([made[:2] for made in documents], "doc_id string, text string")
corpus.createOrReplaceTempView("objects")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Pre-fill once, export once
# MAGIC
# MAGIC `export` writes one safetensors file for each document. It is for serving, so it refuses what would not fit: give
# MAGIC `--expect FILE` with the identity that your server has (model, tokenizer, RoPE, dtype), and a run that differs is not
# MAGIC exported. A folder that holds an export already is not written to.

# COMMAND ----------

sparsefill(
    *["run", "--model", model, "--patterns", patterns, "--input", "objects", "--format", "table"],
    *["--emit", "kv", "--output", output],
)
if not os.path.exists(exported):
    sparsefill("export", "--output", output, "--to", "hf", "--dest", exported)
for name in sorted(os.listdir(exported)):
    print(f"{os.path.getsize(f'{exported}/{name}'):12,} bytes  {name}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Load it
# MAGIC
# MAGIC The tensors are `[1, tokens, kv_heads, head_dim]`; with the middle two swapped, which copies nothing, they are what a
# MAGIC layer of `DynamicCache` holds. `input_ids` are the document's tokens.

# COMMAND ----------

tokenizer = AutoTokenizer.from_pretrained(model)
language_model = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()


def load_cache(doc_id):
    """A document's cache and token ids."""
    tensors = load_file(f"{exported}/{doc_id}.safetensors")
    cache = DynamicCache(config=language_model.config)
    for layer in range(language_model.config.num_hidden_layers):
        keys, values = (tensors[f"layers.{layer}.{part}"].transpose(1, 2) for part in ("keys", "values"))
        cache.update(keys.to(language_model.dtype), values.to(language_model.dtype), layer)
    return cache, tensors["input_ids"]


# COMMAND ----------

# MAGIC %md
# MAGIC ## Ask
# MAGIC
# MAGIC The ids that `generate` gets are the document's and the question's; the cache says which of them are read already. An
# MAGIC answer makes the cache longer, so each question gets a copy.

# COMMAND ----------


@torch.no_grad()
def answer(cache, document_ids, key):
    """The model's answer for a key, going on from a document's cache."""
    question = f'\n\nKey: "{key}"\nThe value associated with the specified key is: "'
    ids = tokenizer(question, return_tensors="pt", add_special_tokens=False).input_ids
    ids = torch.cat([document_ids, ids], dim=1)
    out = language_model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        past_key_values=copy.deepcopy(cache),
        max_new_tokens=64,
        do_sample=False,
        tokenizer=tokenizer,
        stop_strings=['"'],
        pad_token_id=0,
    )
    return tokenizer.decode(out[0, ids.shape[1] :]).split('"')[0]


hits = asked = 0
loading, reading = [], []
for doc_id, _, entries in documents:
    started = time.perf_counter()
    cache, document_ids = load_cache(doc_id)
    loading.append(time.perf_counter() - started)

    started = time.perf_counter()
    with torch.no_grad():
        language_model(document_ids, use_cache=True)
    reading.append(time.perf_counter() - started)

    for key in random.Random(doc_id).sample(list(entries), 3):
        found = answer(cache, document_ids, key)
        asked += 1
        hits += found == entries[key]
        verdict = "right" if found == entries[key] else "wrong"
        print(f"{doc_id} ({document_ids.shape[1]:,} tokens)  {key}: {found}  {verdict}")
print(f"{hits} of {asked} answers are right")

# COMMAND ----------

# MAGIC %md
# MAGIC ## What was saved
# MAGIC
# MAGIC Reading grows with the square of the length, loading with the length. The bundled model has 2 million parameters; with
# MAGIC 8 billion, and 100,000 tokens, reading is seconds of a large GPU for each document and question, and loading takes what
# MAGIC a disk gives.

# COMMAND ----------

figure, axes = plt.subplots(figsize=(6.5, 4), layout="constrained")
places = range(len(documents))
axes.bar([place - 0.2 for place in places], reading, 0.4, color="#b5431f", label="read the document")
axes.bar([place + 0.2 for place in places], loading, 0.4, color="#1f5fa8", label="load its cache")
axes.set_xticks(list(places), [made[0] for made in documents])
axes.set(ylabel="seconds", yscale="log", title="Before the first question")
axes.grid(axis="y", alpha=0.3)
axes.legend()
show(figure, "reuse_cache")
