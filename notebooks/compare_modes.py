# Databricks notebook source
# MAGIC %md
# MAGIC # Compare attention modes on your own documents
# MAGIC
# MAGIC Sparse attention is only worth its speed if the model still says the same. Benchmarks tell that for their tasks; this
# MAGIC notebook tells it for **your** documents, without labels: dense attention is the reference, and every mode is measured
# MAGIC against it. Run it on a sample of a corpus before you spend GPU hours on all of it.
# MAGIC
# MAGIC The first cells are those of `prefill_corpus.py`, which says how to run a notebook on Databricks and on a laptop. It
# MAGIC needs `matplotlib`.

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
table = parameter("sparsefill_table", "")
modes = parameter("sparsefill_modes", "minference,vertical-slash:30:100,a-shape:128:512,block-sparse:8")
output = f"{work}/compare_modes"
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
# MAGIC ## The documents
# MAGIC
# MAGIC `sparsefill_table` names a table with the columns `doc_id` and `text`. Without it, four lists of random keys and values
# MAGIC are made, of which some come twice: the second time they can be predicted, but only by looking back.

# COMMAND ----------

if not table:

    def document(number):
        """A name, and a text of pairs, some of which come twice."""
        draw = random.Random(number)
        code = lambda: str(uuid.UUID(int=draw.getrandbits(128)))
        pairs = [(code(), code()) for _ in range(50 + 15 * number)]
        pairs += draw.sample(pairs, 12)
        return f"object-{number}", "{" + ", ".join(f'"{key}": "{value}"' for key, value in pairs) + "}"

    made = spark.createDataFrame([document(number) for number in range(4)], "doc_id string, text string")
    made.createOrReplaceTempView("sample_documents")
    table = "sample_documents"
spark.table(table).select("doc_id", F.length("text").alias("characters")).show()

# COMMAND ----------

# MAGIC %md
# MAGIC ## The comparison
# MAGIC
# MAGIC One Spark job. For each document and mode it pre-fills with that mode and compares the next token's distribution with
# MAGIC that of dense attention, at 64 random positions and the last; and it tries the mode on every layer by itself. What is
# MAGIC there is not computed again: add modes or documents, and run the cell once more.

# COMMAND ----------

summary = sparsefill(
    *["eval", "--fidelity", "--model", model, "--patterns", patterns],
    *["--attention", modes, "--input", table, "--format", "table", "--output", output],
)

# COMMAND ----------

# MAGIC %md
# MAGIC ## What it says
# MAGIC
# MAGIC * `top1`: at how many of the positions is the likeliest next token the same? The number to look at first.
# MAGIC * `kl`: how much does the whole distribution change (KL divergence, nats)? 0.01 is little, 1 is another text.
# MAGIC * `nll`: how well does the model predict the document? Larger than dense means that it has lost something.
# MAGIC * `recall`: how much of the attention weight was computed?
# MAGIC * `density`: at what share of the cost?

# COMMAND ----------

fidelity = spark.read.parquet(f"{output}/fidelity").where("error is null")
by_mode = fidelity.groupBy("mode").agg(
    F.count("doc_id").alias("documents"),
    (F.sum("top1_agreed") / F.sum("positions")).alias("top1"),
    F.avg("kl_mean").alias("kl"),
    F.avg("nll").alias("nll"),
    F.avg("recall").alias("recall"),
    F.avg("density").alias("density"),
)
rows = by_mode.orderBy(F.desc("top1")).collect()
print(f"{'mode':24} documents    top1      kl     nll  recall density")
for row in rows:
    print(
        f"{row['mode']:24} {row['documents']:9} {row['top1']:7.1%} {row['kl']:7.4f}"
        f" {row['nll']:7.4f} {row['recall']:7.1%} {row['density']:7.1%}"
    )
failed = spark.read.parquet(f"{output}/fidelity").where("error is not null").select("doc_id", "mode", "error")
failed.show(truncate=False) if failed.count() else print("no document failed")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Accuracy for cost
# MAGIC
# MAGIC Left: a point for each mode; up is nearer to dense, left is cheaper. Right: the error of the attention's output in each
# MAGIC layer, when the layers before it were dense. A layer that stands out may deserve a larger pattern.

# COMMAND ----------

colours = dict(zip([row["mode"] for row in rows], ["#1f5fa8", "#b5431f", "#59a14f", "#b07aa1", "#8c564b", "#777777"] * 9))
layers = spark.read.parquet(f"{output}/fidelity_layers").groupBy("mode", "layer").agg(F.avg("error").alias("error"))
lines = layers.orderBy("mode", "layer").collect()

figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.4), layout="constrained")
for row in rows:
    mode = row["mode"]
    left.plot(row["density"], row["top1"], "o", markersize=10, color=colours[mode], label=mode)
    points = [line for line in lines if line["mode"] == mode]
    right.plot([p["layer"] for p in points], [p["error"] for p in points], "o-", color=colours[mode], label=mode)
left.set(xlabel="computed share of the scores", ylabel="same likeliest next token", xlim=(0, 1.05), ylim=(0, 1.05))
left.set(title="Agreement with dense attention")
right.set(xlabel="layer", ylabel="relative error of the output", title="Error by layer")
right.set_xticks(sorted({line["layer"] for line in lines}))
right.set_ylim(bottom=0)
for axes in (left, right):
    axes.grid(alpha=0.3)
left.legend(loc="lower right")
show(figure, "compare_modes")

# COMMAND ----------

# MAGIC %md
# MAGIC The same as one self-contained page, with every document and error, is `report.html` in the output folder. For tasks
# MAGIC with known answers (needles, key-value pairs, perplexity) see `eval --tasks`.

# COMMAND ----------

print(f"report: {output}/report.html")
if on_databricks:
    displayHTML(open(f"{output}/report.html").read())
