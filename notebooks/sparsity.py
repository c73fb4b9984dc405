# Databricks notebook source
# MAGIC %md
# MAGIC # Look at the sparsity
# MAGIC
# MAGIC Attention compares every token with every token before it. Most of these scores are next to nothing, but which ones
# MAGIC is different for each head: some look at their neighbours, some at a few tokens that all others look at, some at
# MAGIC distances. MInference gives each head a *pattern* of a kind and size, finds on each document in a few steps where the
# MAGIC pattern lies, and computes only that.
# MAGIC
# MAGIC This notebook finds patterns for a model, and shows three pictures of what they do on one document: the pattern and
# MAGIC density of every head, density and error of each layer, and the tiles that one head computes.
# MAGIC
# MAGIC The first cells are those of `prefill_corpus.py`, which says how to run a notebook on Databricks and on a laptop. It
# MAGIC needs `matplotlib`.

# COMMAND ----------

import json
import os
import random
import uuid

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Patch
from pyspark.sql import DataFrame, SparkSession

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
work = parameter("sparsefill_work", f"{home}/out/notebooks")
patterns = parameter("sparsefill_patterns", f"{work}/patterns.json")
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
# MAGIC ## Find patterns
# MAGIC
# MAGIC `search-patterns` tries candidates on every head, all of the same cost, on documents like those that you will
# MAGIC pre-fill, and takes the one whose output is nearest to dense attention. Here the documents are made by
# MAGIC `make-calibration`; a real search takes a few of your own, as long as your documents are, and it is done once for a
# MAGIC model. If `sparsefill_patterns` names a file that is there, that is taken.

# COMMAND ----------

if not os.path.exists(patterns):
    calibration = f"{work}/calibration.jsonl"
    sparsefill(
        *["make-calibration", "--model", model, "--output", calibration],
        *["--lengths", "4096", "--samples", "1", "--wording", "plain"],
    )
    sparsefill(
        *["search-patterns", "--model", model, "--calibration", calibration],
        *["--lengths", "4096", "--density", "0.2", "--output", patterns],
    )

# COMMAND ----------

# MAGIC %md
# MAGIC ## Look at one document
# MAGIC
# MAGIC A document of about 6,000 tokens. `SparsityView` walks it through the model on an executor with dense attention, and
# MAGIC tries the patterns on every layer. For each head it says how many tiles of 64 x 64 scores were computed (`density` is
# MAGIC their share), how far the head's output is from dense attention (`error`; `last_error` is over the last 64 tokens,
# MAGIC from which an answer begins), and how much of the attention weight lay on what was computed (`recall`).

# COMMAND ----------

draw = random.Random(11)
code = lambda: str(uuid.UUID(int=draw.getrandbits(128)))
entries = {code(): code() for _ in range(85)}
body = ", ".join(f'"{key}": "{value}"' for key, value in entries.items())
asked = list(entries)[40]
text = (
    "Extract the value corresponding to the specified key in the JSON object below."
    + f"\n\nJSON data:\n{{{body}}}"
    + f'\n\nKey: "{asked}"\nThe value associated with the specified key is: "{entries[asked]}"'
)
spark.createDataFrame([("object", text)], "doc_id string, text string").createOrReplaceTempView("one_document")


def look(heads):
    """What is computed of the document; heads, as LAYER:HEAD, are those to picture."""
    options = {"model": model, "patterns": patterns, "input": "one_document", "format": "table"}
    view = spark._jvm.io.sparsefill.job.notebook.SparsityView
    return view.of(spark._jsparkSession, options, "object", heads)


view = look([])
rows = DataFrame(view.heads(), spark).orderBy("layer", "head").collect()
print(f"{view.tokens()} tokens, {len(rows)} heads")
for row in rows:
    print(
        f"layer {row['layer']} head {row['head']}: {row['pattern']:24} density {row['density']:.3f}"
        f"  error {row['error']:.3f}  last {row['last_error']:.3f}  recall {row['recall']:.3f}"
    )

# COMMAND ----------

# MAGIC %md
# MAGIC ## The pattern of every head
# MAGIC
# MAGIC A row for each layer, a cell for each head: the colour is the kind of pattern, the number its density.

# COMMAND ----------

layers = 1 + max(row["layer"] for row in rows)
heads = 1 + max(row["head"] for row in rows)
kinds = sorted({row["pattern"].split(":")[0] for row in rows})
colours = dict(zip(kinds, ["#4c78a8", "#f2a541", "#59a14f", "#b07aa1"]))

figure, axes = plt.subplots(figsize=(1.6 + 1.1 * heads, 1.6 + 0.6 * layers), layout="constrained")
for row in rows:
    colour = colours[row["pattern"].split(":")[0]]
    axes.add_patch(plt.Rectangle((row["head"] - 0.48, row["layer"] - 0.46), 0.96, 0.92, color=colour))
    axes.text(row["head"], row["layer"], f"{row['density']:.0%}", ha="center", va="center")
axes.set(xlim=(-0.5, heads - 0.5), ylim=(layers - 0.5, -0.5), xlabel="head", ylabel="layer")
axes.set(xticks=range(heads), yticks=range(layers), title="Pattern and density of each head")
figure.legend(handles=[Patch(color=colours[kind], label=kind) for kind in kinds], loc="outside lower center", ncols=3)
show(figure, "sparsity_heads")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Density and error by layer
# MAGIC
# MAGIC Bars are means over heads, points are heads. A layer with a large error is where a few more tiles would buy the most.

# COMMAND ----------


def by_layer(column):
    """[layers, heads]"""
    table = np.zeros((layers, heads))
    for row in rows:
        table[row["layer"], row["head"]] = row[column]
    return table


figure, panels = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
for axes, column, colour in zip(panels, ["density", "error", "last_error"], ["#4c78a8", "#b5431f", "#8c564b"]):
    table = by_layer(column)
    axes.bar(range(layers), table.mean(axis=1), color=colour, alpha=0.75)
    axes.plot(np.repeat(range(layers), heads), table.ravel(), "o", color="#333333", markersize=4)
    axes.set(xlabel="layer", title=column.replace("_", " "), xticks=range(layers))
    axes.set_ylim(bottom=0)
    axes.grid(axis="y", alpha=0.3)
show(figure, "sparsity_layers")

# COMMAND ----------

# MAGIC %md
# MAGIC ## The tiles of one head
# MAGIC
# MAGIC Rows are queries, columns the keys that they may look at; everything right of the diagonal lies in the future. Dark is
# MAGIC computed. Vertical lines are tokens that everybody looks at, diagonals are distances. The head is the one that
# MAGIC computes most without being dense, or that of the parameter `sparsefill_head` (`LAYER:HEAD`).

# COMMAND ----------

busiest = max((row for row in rows if row["density"] < 1), key=lambda row: row["density"], default=rows[0])
chosen = parameter("sparsefill_head", f"{busiest['layer']}:{busiest['head']}")
pictured = look([chosen])
cells = DataFrame(pictured.pictures(), spark).collect()
cell = cells[0]["cell_tokens"]
side = -(-pictured.tokens() // cell)
picture = np.zeros((side, side))
for row in cells:
    picture[row["query"] // cell, row["key"] // cell] = row["share"]
future = np.triu(np.ones((side, side), bool), 1)

figure, axes = plt.subplots(figsize=(6.4, 6.4), layout="constrained")
extent = (0, side * cell, side * cell, 0)
axes.imshow(np.where(future, np.nan, picture), cmap="Blues", vmin=0, vmax=1, extent=extent, interpolation="nearest")
axes.set_facecolor("#eeeeee")
name = next(row["pattern"] for row in rows if f"{row['layer']}:{row['head']}" == chosen)
axes.set(xlabel="key", ylabel="query", title=f"Head {chosen}, {name}: {picture[~future].mean():.0%} computed")
show(figure, "sparsity_tiles")
