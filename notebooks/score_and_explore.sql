-- Databricks notebook source
-- MAGIC %md
-- MAGIC # Score texts, and explore a run, in SQL
-- MAGIC
-- MAGIC The first half uses Sparsefill's functions, which put a language model's numbers into a column; the second half looks at
-- MAGIC the tables that `sparsefill run` has written.
-- MAGIC
-- MAGIC The functions come with the session: start it with `spark.sql.extensions=io.sparsefill.udf.sql.SparsefillExtensions`
-- MAGIC and Sparsefill's jar. **On Databricks** both belong to the cluster (dedicated access mode; the jar must be there when
-- MAGIC the cluster starts, so copy it to `/databricks/jars` with an init script). **On a laptop**, in Sparsefill's folder:
-- MAGIC
-- MAGIC ```
-- MAGIC job/bin/sparsefill demo --output out/demo
-- MAGIC spark-sql --jars JAR --conf spark.sql.extensions=io.sparsefill.udf.sql.SparsefillExtensions -f notebooks/score_and_explore.sql
-- MAGIC ```
-- MAGIC
-- MAGIC The next cell has the two parameters: the model for the functions, and the output folder of a run with
-- MAGIC `--emit kv,logits`, such as the demo's. Paths are those that executors see.

-- COMMAND ----------

SET spark.sparsefill.model = conf/models/needle-2m;
SET spark.notebook.output = out/demo;

-- COMMAND ----------

-- MAGIC %md
-- MAGIC ## Texts to score
-- MAGIC
-- MAGIC Any table with a string column will do. These are few enough to be written down: a passage, the same words in
-- MAGIC alphabetical order, and one sentence over and over.

-- COMMAND ----------

CREATE OR REPLACE TEMPORARY VIEW texts AS
SELECT * FROM VALUES
  ('passage', 'The house stood at the end of the road, and in the evening they could see the light of the village across the water. She had lived there for many years with her father, who was an old man now, and seldom went out of doors.'),
  ('sorted', 'a across an and and at could doors. end evening father, for had her house in light lived man many now, of of of old out road, seldom see She stood the the the the the the they the there village was water. went who with years'),
  ('repeated', 'The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again. The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again. The grass is green. The sky is blue.')
AS t (doc_id, text);

-- COMMAND ----------

-- MAGIC %md
-- MAGIC `prefill_nll` says how well the model predicts a text: the mean negative log-likelihood of its tokens, in nats, and its
-- MAGIC exponential, the perplexity. Low is expected, high is a surprise: a filter for garbage in a corpus, and here the order
-- MAGIC that one would guess.

-- COMMAND ----------

CREATE OR REPLACE TEMPORARY VIEW scores AS
SELECT doc_id, score.token_count, score.nll, score.perplexity
FROM (SELECT doc_id, prefill_nll(text) AS score FROM texts);

SELECT doc_id, token_count, round(nll, 3) AS nll, round(perplexity, 1) AS perplexity FROM scores ORDER BY nll;

-- COMMAND ----------

-- MAGIC %md
-- MAGIC `prefill_logits` gives the most likely next tokens, as an array.

-- COMMAND ----------

SELECT doc_id, rank, next.token, round(exp(next.logprob), 3) AS probability
FROM (SELECT doc_id, posexplode(slice(prefill_logits(text).top, 1, 3)) AS (rank, next) FROM texts)
ORDER BY doc_id, rank;

-- COMMAND ----------

-- MAGIC %md
-- MAGIC `prefill_hidden` is the last token's hidden state, a vector; its cosine compares texts. Results are kept in a table
-- MAGIC first: Spark may compute a function once for each place that it stands at.

-- COMMAND ----------

CACHE TABLE vectors AS SELECT doc_id, prefill_hidden(text) AS vector FROM texts;

-- COMMAND ----------

CREATE OR REPLACE TEMPORARY VIEW products AS
SELECT a.doc_id AS one, b.doc_id AS other,
       aggregate(zip_with(a.vector, b.vector, (x, y) -> CAST(x AS double) * y), 0D, (sum, x) -> sum + x) AS product
FROM vectors a CROSS JOIN vectors b;

SELECT p.one, p.other, round(p.product / sqrt(x.product * y.product), 3) AS cosine
FROM products p
JOIN products x ON x.one = p.one AND x.other = p.one
JOIN products y ON y.one = p.other AND y.other = p.other
WHERE p.one < p.other
ORDER BY cosine DESC;

-- COMMAND ----------

-- MAGIC %md
-- MAGIC ## The tables of a run
-- MAGIC
-- MAGIC `documents` has a row for each document that was tried, with its status. A document that has changed since an earlier
-- MAGIC run has a row for each content; the newest is that of the largest `run_id`. All other tables are joined to those rows.

-- COMMAND ----------

CREATE OR REPLACE TEMPORARY VIEW finished AS
SELECT * FROM (
  SELECT *, row_number() OVER (PARTITION BY doc_id ORDER BY run_id DESC) AS age
  FROM parquet.`${spark.notebook.output}/documents` WHERE status IN ('ok', 'truncated')
) WHERE age = 1;

CREATE OR REPLACE TEMPORARY VIEW blocks AS
SELECT k.doc_id, k.layer, k.block, k.token_count, length(k.key) + length(k.value) AS bytes
FROM parquet.`${spark.notebook.output}/kv` k JOIN finished f ON f.doc_id = k.doc_id AND f.run_id = k.run_id;

-- COMMAND ----------

SELECT status, count(*) AS documents, sum(token_count) AS tokens, round(sum(prefill_seconds), 1) AS seconds, any_value(error) AS an_error
FROM parquet.`${spark.notebook.output}/documents` GROUP BY status;

-- COMMAND ----------

-- MAGIC %md
-- MAGIC Density (the computed share of the attention scores) and speed by length: long documents are where sparse attention pays.

-- COMMAND ----------

SELECT pow(2, floor(log2(token_count))) AS tokens_from, count(*) AS documents, round(avg(density), 2) AS density,
       round(sum(token_count) / sum(prefill_seconds)) AS tokens_per_second
FROM finished GROUP BY 1 ORDER BY 1;

-- COMMAND ----------

-- MAGIC %md
-- MAGIC The size of each cache. Every finished document must have a block for every 256 tokens of every layer; the second query
-- MAGIC finds those that have not (none, or the run's files were damaged: `sparsefill verify` says more).

-- COMMAND ----------

SELECT doc_id, count(DISTINCT layer) AS layers, sum(bytes) AS kv_bytes, sum(bytes) / max(f.token_count) AS bytes_per_token
FROM blocks JOIN (SELECT doc_id, token_count FROM finished) f USING (doc_id)
GROUP BY doc_id ORDER BY kv_bytes DESC;

-- COMMAND ----------

SELECT f.doc_id, f.token_count, b.layer, sum(b.token_count) AS stored
FROM finished f LEFT JOIN blocks b ON b.doc_id = f.doc_id
GROUP BY f.doc_id, f.token_count, b.layer HAVING coalesce(sum(b.token_count), 0) <> f.token_count;

-- COMMAND ----------

-- MAGIC %md
-- MAGIC What would come next after each document? The last row of `logits` names the most likely tokens.

-- COMMAND ----------

SELECT l.doc_id, l.position, l.top[0].token AS likeliest, round(exp(l.top[0].logprob), 3) AS probability
FROM parquet.`${spark.notebook.output}/logits` l JOIN finished f ON f.doc_id = l.doc_id AND f.run_id = l.run_id
WHERE l.position = f.token_count - 1 ORDER BY l.doc_id;
