# Databricks notebook source
# MAGIC %md
# MAGIC # Pre-fill a corpus
# MAGIC
# MAGIC Before a language model can say anything about a document, it has to read all of it: it *pre-fills* a cache of
# MAGIC keys and values, one pair for every token, layer and head. For long documents that reading is most of the cost of
# MAGIC an answer. Sparsefill reads each document **once**, as a Spark job, and keeps the caches in Parquet.
# MAGIC
# MAGIC This notebook makes a small corpus, says what pre-filling it would take, pre-fills it, asks one question of each
# MAGIC document, and looks at the tables. It runs in a minute on a laptop, with the 2 M-parameter model that comes with
# MAGIC Sparsefill; for your own work change the parameters in the next cell.
# MAGIC
# MAGIC **On Databricks**: a cluster in dedicated access mode with Sparsefill's jar as a library. `sparsefill_work` should be
# MAGIC a folder of a Volume, and so should the model, because every executor reads it.
# MAGIC
# MAGIC **On a laptop**: `spark-submit --master 'local[*]' --jars JAR notebooks/prefill_corpus.py` in Sparsefill's folder; the
# MAGIC parameters are environment variables of the same names, in capitals. It needs `matplotlib`.

# COMMAND ----------

import json
import os
import random
import uuid

import matplotlib.pyplot as plt
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

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
output = f"{work}/prefill_corpus"
os.makedirs(work, exist_ok=True)

# COMMAND ----------

# MAGIC %md
# MAGIC Commands are those of the command line. Each runs in this notebook's Spark session, and a command that fails fails
# MAGIC its cell. The last line of every report is a JSON summary.

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
# MAGIC ## A corpus
# MAGIC
# MAGIC Eight documents, each a JSON object of random keys and values, and a question about one of the keys: nothing but the
# MAGIC document can tell the answer, so a right answer shows that the model has read it. The little model was trained on
# MAGIC this kind of document.
# MAGIC
# MAGIC Any table or DataFrame with a name and a text will do; so will folders of text files, JSONL and Parquet.

# COMMAND ----------


def document(number, pairs):
    """A name, a text of so many pairs, a question, and the true answer."""
    draw = random.Random(number)
    code = lambda: str(uuid.UUID(int=draw.getrandbits(128)))
    entries = {code(): code() for _ in range(pairs)}
    asked = draw.choice(list(entries))
    body = ", ".join(f'"{key}": "{value}"' for key, value in entries.items())
    return (
        f"object-{number}",
        "Extract the value corresponding to the specified key in the JSON object below."
        + f"\n\nJSON data:\n{{{body}}}",
        f'\n\nKey: "{asked}"\nThe value associated with the specified key is: "',
        entries[asked],
    )


corpus = spark.createDataFrame(
    [document(number, 10 + 14 * number) for number in range(8)],
    "doc_id string, text string, question string, truth string",
)
corpus.createOrReplaceTempView("corpus")
corpus.select("doc_id", F.length("text").alias("characters"), F.substring("text", 93, 50).alias("begins")).show(truncate=False)

# COMMAND ----------

# MAGIC %md
# MAGIC ## What would it take?
# MAGIC
# MAGIC `plan` reads and tokenises, but computes and writes nothing. It says how many tokens there are, what the longest
# MAGIC document takes of the device's memory, how many seconds to expect, and how many bytes will be written. Ask it
# MAGIC before you rent GPUs.

# COMMAND ----------

model_options = ["--model", model, "--patterns", patterns]
corpus_options = ["--input", "corpus", "--format", "table"]
planned = sparsefill("plan", *model_options, *corpus_options, "--emit", "kv,logits,nll")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Pre-fill
# MAGIC
# MAGIC `--emit` says what is kept: the cache (`kv`), the most likely next tokens (`logits`), how well the model predicts the
# MAGIC document (`nll`), and here also an `answer` to each document's question.

# COMMAND ----------

run_options = [
    *model_options,
    *corpus_options,
    *["--output", output, "--emit", "kv,logits,nll,answer"],
    *["--question-column", "question", "--max-new-tokens", "48"],
]
first = sparsefill("run", *run_options)

# COMMAND ----------

# MAGIC %md
# MAGIC The same command again finds everything done. That is how a scheduled job works: run it every night on a growing
# MAGIC table, and only new and changed documents cost anything.

# COMMAND ----------

again = sparsefill("run", *run_options)
assert again["documents"]["ok"] == 0, "nothing is pre-filled twice"

# COMMAND ----------

# MAGIC %md
# MAGIC ## What came out
# MAGIC
# MAGIC The table `documents` has a row for every document, also for those that failed, with the reason. Join the other
# MAGIC tables to it by `doc_id` and `run_id`. `density` is the share of the attention scores that was computed.

# COMMAND ----------

documents = spark.read.parquet(f"{output}/documents").where("status in ('ok', 'truncated')")
documents.select("doc_id", "token_count", "density", "prefill_seconds", "device").orderBy("token_count").show()

# COMMAND ----------

# MAGIC %md
# MAGIC ### Did it read?
# MAGIC
# MAGIC The answers beside the truth. The document was pre-filled sparsely; question and answer follow on its cache.

# COMMAND ----------

answers = (
    spark.read.parquet(f"{output}/answers")
    .join(documents.select("doc_id", "run_id", "token_count"), ["doc_id", "run_id"])
    .join(corpus.select("doc_id", "truth"), "doc_id")
    .withColumn("right", F.expr("startswith(answer, truth)"))
    .orderBy("token_count")
)
answers.select("doc_id", "token_count", F.substring("answer", 1, 36).alias("answer"), "truth", "right").show(
    truncate=False
)
rows = answers.collect()
hits = sum(row["right"] for row in rows)
print(f"{hits} of {len(rows)} answers are right")

# COMMAND ----------

# MAGIC %md
# MAGIC ### Density and size
# MAGIC
# MAGIC Left: the longer a document, the smaller the share of its scores that has to be computed; short ones run densely,
# MAGIC because that is cheaper there. Right: a cache is far larger than its text. Whether it is worth keeping depends on how
# MAGIC often it is used again.

# COMMAND ----------

sizes = (
    spark.read.parquet(f"{output}/kv")
    .groupBy("doc_id", "run_id")
    .agg(F.sum(F.length("key") + F.length("value")).alias("kv_bytes"))
)
measured = (
    documents.join(sizes, ["doc_id", "run_id"])
    .join(corpus.select("doc_id", F.octet_length("text").alias("text_bytes")), "doc_id")
    .orderBy("token_count")
    .collect()
)
tokens = [row["token_count"] for row in measured]

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
left.plot(tokens, [row["density"] for row in measured], "o-", color="#1f5fa8")
left.set(xlabel="tokens", ylabel="computed share of the scores", ylim=(0, 1.05), title="Density")
right.plot(tokens, [row["kv_bytes"] / 1e6 for row in measured], "o-", color="#b5431f", label="keys and values")
right.plot(tokens, [row["text_bytes"] / 1e6 for row in measured], "o-", color="#555555", label="text")
right.set(xlabel="tokens", ylabel="MB", yscale="log", title="Size of the cache")
right.legend()
for axes in (left, right):
    axes.grid(alpha=0.3)
show(figure, "prefill_corpus")

# COMMAND ----------

# MAGIC %md
# MAGIC ### The cache itself
# MAGIC
# MAGIC A row of `kv` holds 256 tokens of one layer: little-endian numbers, `[token][kv_head][head_dim]`, keys after RoPE. The
# MAGIC two shapes are in `manifest.json`. A bf16 number is the upper half of a float. Where `encoding` is `planes`, a cell has the
# MAGIC lower bytes of all its numbers first, then the upper ones, because they compress better so.

# COMMAND ----------

import numpy as np

# Rows are large: without this Spark's reader makes room for 4,096 of them at a time.
spark.conf.set("spark.sql.parquet.columnarReaderBatchSize", "16")

identity = json.loads("".join(row.value for row in spark.read.text(f"{output}/manifest.json").collect()))["identity"]
kv_heads, head_dim = int(identity["kv_heads"]), int(identity["head_dim"])


def bf16(cell, encoding):
    """[tokens, kv_heads, head_dim] of a cell's bytes."""
    if encoding == "planes":
        cell = np.frombuffer(cell, np.uint8).reshape(2, -1).T.tobytes()
    return (np.frombuffer(cell, "<u2").astype("<u4") << 16).view("<f4").reshape(-1, kv_heads, head_dim)


blocks = (
    spark.read.parquet(f"{output}/kv")
    .join(documents.select("doc_id", "run_id"), ["doc_id", "run_id"])
    .where("doc_id = 'object-7' and layer = 0")
    .orderBy("block")
    .collect()
)
keys = np.concatenate([bf16(row["key"], row["encoding"]) for row in blocks])
print("keys of layer 0:", keys.shape, "norm of the first token's:", np.linalg.norm(keys[0], axis=-1))

# COMMAND ----------

# MAGIC %md
# MAGIC ## Where next
# MAGIC
# MAGIC * `sparsity.py`: what the attention of each head computes, as pictures.
# MAGIC * `compare_modes.py`: what sparse attention changes on your own documents.
# MAGIC * `reuse_cache.py`: go on from a stored cache in transformers.
# MAGIC * `score_and_explore.sql`: the tables and the scoring functions in SQL.
# MAGIC * `cache_drift.scala`: the same jobs from Scala.
