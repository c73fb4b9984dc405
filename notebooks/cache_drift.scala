// Databricks notebook source
// MAGIC %md
// MAGIC # How far do cached keys and values drift?
// MAGIC
// MAGIC A cache that was pre-filled sparsely is not that of dense attention: what a layer leaves out changes the input of the
// MAGIC next one. This notebook pre-fills the same documents with several attention modes, joins the caches, and measures the
// MAGIC difference layer by layer. At the end it draws which tiles of the scores one head has computed.
// MAGIC
// MAGIC It shows how to use Sparsefill from Scala: commands by `Sparsefill.run`, results as ordinary DataFrames.
// MAGIC
// MAGIC **On Databricks**: a cluster in dedicated access mode with Sparsefill's jar as a library. The parameters below are keys
// MAGIC of the cluster's Spark configuration, or edit the cell.
// MAGIC
// MAGIC **On a laptop**: `spark-shell --master 'local[*]' --jars JAR -i notebooks/cache_drift.scala` in Sparsefill's folder,
// MAGIC with `--conf spark.notebook.work=...` for a parameter.

// COMMAND ----------

import io.sparsefill.job.notebook.{Sparsefill, SparsityView}
import io.sparsefill.job.output.BytePlanes
import java.awt.image.BufferedImage
import java.io.File
import javax.imageio.ImageIO
import org.apache.spark.sql.functions._
import scala.jdk.CollectionConverters._

def parameter(name: String, default: String) = spark.conf.getOption(s"spark.notebook.$name").getOrElse(default)

val home = parameter("home", new File("").getAbsolutePath)
val model = parameter("model", s"$home/conf/models/needle-2m")
val work = parameter("work", s"$home/out/notebooks")
val modes = parameter("modes", "dense,vertical-slash:100:800,vertical-slash:30:100,a-shape:64:256").split(",").toSeq
new File(work).mkdirs()

// Rows of the cache are large: without this Spark's reader makes room for 4,096 of them at a time.
spark.conf.set("spark.sql.parquet.columnarReaderBatchSize", "16")

// COMMAND ----------

// MAGIC %md
// MAGIC ## Documents
// MAGIC
// MAGIC Three lists of keys and values, made from a seed, of which some entries come twice.

// COMMAND ----------

def document(number: Int): (String, String) = {
  val draw = new scala.util.Random(number)
  def code() = f"${draw.nextInt()}%08x-${draw.nextInt()}%08x"
  val entries = Seq.fill(100 + 40 * number)(s"${code()}: ${code()}")
  (s"list-$number", (entries ++ entries.take(20)).mkString("\n"))
}

val documents = (0 until 3).map(document).toDF("doc_id", "text")
documents.createOrReplaceTempView("lists")
documents.select(col("doc_id"), length(col("text")).as("characters")).show()

// COMMAND ----------

// MAGIC %md
// MAGIC ## Pre-fill with every mode
// MAGIC
// MAGIC Each mode has an output folder of its own: a folder takes one set of settings, and says so if another comes. `orThrow`
// MAGIC fails the cell with the command's own message.

// COMMAND ----------

def folder(mode: String) = s"$work/cache_drift/${mode.replace(':', '-')}"

for (mode <- modes) {
  val options = Seq("--model", model, "--input", "lists", "--format", "table", "--attention", mode)
  val result = Sparsefill.run((Seq("run", "--emit", "kv", "--output", folder(mode)) ++ options): _*).orThrow()
  println(s"$mode: ${result.summary}")
}

// COMMAND ----------

// MAGIC %md
// MAGIC ## Join the caches
// MAGIC
// MAGIC A row of `kv` is 256 tokens of one layer; the same row of two runs has the same tokens. A bf16 number is the upper half
// MAGIC of a float, little-endian. Where `encoding` is `planes`, a cell has the lower bytes of all its numbers first, then the
// MAGIC upper ones, which compress better so; `BytePlanes.join` puts them back. The difference is |cache - dense| / |dense|,
// MAGIC over all documents.

// COMMAND ----------

def finished(mode: String) = spark.read.parquet(folder(mode) + "/documents").where("status = 'ok'")

val plain = udf((cell: Array[Byte], encoding: String) => if (encoding == "planes") BytePlanes.join(cell) else cell)

def cache(mode: String) = {
  val rows = spark.read.parquet(folder(mode) + "/kv").join(finished(mode).select("doc_id", "run_id"), Seq("doc_id", "run_id"))
  val Seq(key, value) = Seq("key", "value").map(name => plain(col(name), col("encoding")).as(name))
  rows.select(col("doc_id"), col("layer"), col("block"), key, value)
}

val squares = (cell: Array[Byte], exact: Array[Byte]) => {
  def bf16(bytes: Array[Byte], i: Int) =
    java.lang.Float.intBitsToFloat((bytes(i + 1) & 255) << 24 | (bytes(i) & 255) << 16).toDouble
  var difference = 0.0
  var size = 0.0
  for (i <- 0 until exact.length by 2) {
    val expected = bf16(exact, i)
    difference += math.pow(bf16(cell, i) - expected, 2)
    size += expected * expected
  }
  Seq(difference, size)
}
val squaresOf = udf(squares)

def drift(mode: String) = {
  val dense = cache("dense").withColumnRenamed("key", "dense_key").withColumnRenamed("value", "dense_value")
  val both = cache(mode).join(dense, Seq("doc_id", "layer", "block"))
  val measured = both.select(
    col("layer"),
    squaresOf(col("key"), col("dense_key")).as("keys"),
    squaresOf(col("value"), col("dense_value")).as("values")
  )
  val sums = measured.groupBy("layer").agg(
    sqrt(sum(col("keys")(0)) / sum(col("keys")(1))).as("keys"),
    sqrt(sum(col("values")(0)) / sum(col("values")(1))).as("values")
  )
  sums.withColumn("mode", lit(mode))
}

// COMMAND ----------

// MAGIC %md
// MAGIC Layer 0 has no difference: its keys and values come before any attention. From there on it grows with what was left
// MAGIC out. Compare it with the density, the share of the scores that was computed.

// COMMAND ----------

val density = modes.map(mode => finished(mode).agg(avg("density").as("density")).withColumn("mode", lit(mode))).reduce(_ union _)
val drifts = modes.filter(_ != "dense").map(drift).reduce(_ union _).join(density, "mode").orderBy("mode", "layer").cache()
drifts.select(
  col("mode"),
  round(col("density"), 3).as("density"),
  col("layer"),
  round(col("keys"), 4).as("keys"),
  round(col("values"), 4).as("values")
).show(100, false)

// COMMAND ----------

// MAGIC %md
// MAGIC ## What one head computes
// MAGIC
// MAGIC `SparsityView` tells, for one document, what every head computes, and the tiles of those that are asked for. A tile is
// MAGIC 64 queries by 64 keys; here it is a square of 6 pixels, dark where it is computed. On Databricks, `displayHTML(html)`
// MAGIC shows the picture.

// COMMAND ----------

val pictured = modes.last
val options = Map("model" -> model, "input" -> "lists", "format" -> "table", "attention" -> pictured)
val view = SparsityView.of(spark, options.asJava, "list-2", Seq("1:0").asJava)
view.heads.groupBy("layer").agg(round(avg("density"), 3).as("density"), round(avg("error"), 4).as("error")).orderBy("layer").show()

val cells = view.pictures.select("cell_tokens", "query", "key", "share").as[(Int, Int, Int, Float)].collect()
val cell = cells.head._1
val side = (view.tokens + cell - 1) / cell
val square = 6
val picture = new BufferedImage(side * square, side * square, BufferedImage.TYPE_INT_RGB)
val shares = cells.map { case (_, query, key, share) => (query / cell, key / cell) -> share }.toMap
for (y <- 0 until side * square; x <- 0 until side * square) {
  val (row, column) = (y / square, x / square)
  val ink = if (column > row) 0xeeeeee else {
    val light = (255 * (1 - shares.getOrElse((row, column), 0f))).toInt
    light << 16 | light << 8 | 255 - (255 - light) / 2
  }
  picture.setRGB(x, y, ink)
}
val file = new File(work, "cache_drift.png")
ImageIO.write(picture, "png", file)
val html = "<img src='data:image/png;base64," + java.util.Base64.getEncoder.encodeToString(java.nio.file.Files.readAllBytes(file.toPath)) + "'>"
println(s"picture: $file, head 1:0 of $pictured over ${view.tokens} tokens")
