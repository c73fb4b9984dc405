package io.sparsefill.job.output;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparsefill.job.AnswerRow;
import io.sparsefill.job.DocumentRow;
import io.sparsefill.job.DocumentStatus;
import io.sparsefill.job.LogitsRow;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.udf.KvBlock;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.hadoop.ParquetReader;
import org.apache.parquet.hadoop.example.GroupReadSupport;
import org.apache.spark.sql.SparkSession;

/**
 * Synthetic runs for the tests of this package: 2 layers, 2 KV heads of 4 elements, blocks of 8
 * tokens.
 */
final class Outputs {
  static final int LAYERS = 2;
  static final int KV_HEADS = 2;
  static final int HEAD_DIM = 4;
  static final int BLOCK = 8;
  static final int LAST = 2;
  static final int VOCABULARY = 5;
  static final int MOST_ANSWER = 4;
  static final Configuration CONF = new Configuration();

  private Outputs() {}

  static Map<String, String> identity() {
    Map<String, String> identity = new TreeMap<>();
    identity.put(Identity.LAYERS, "" + LAYERS);
    identity.put(Identity.KV_HEADS, "" + KV_HEADS);
    identity.put(Identity.HEAD_DIM, "" + HEAD_DIM);
    identity.put(Identity.KV_DTYPE, "bf16");
    identity.put(Identity.BLOCK_TOKENS, "" + BLOCK);
    identity.put(Identity.EMIT, "kv,logits,nll,token-nll,hidden,answer");
    identity.put(Identity.MAX_NEW_TOKENS, "" + MOST_ANSWER);
    identity.put(Identity.LAST_POSITIONS, "" + LAST);
    identity.put("rope", "theta 10000, half_split");
    return identity;
  }

  static OutputFolder open(Path folder, String runId) throws IOException {
    return OutputFolder.open(
        CONF, folder.toString(), identity(), runId, Map.of(), Claim.of("run", ""));
  }

  /** Token ids that depend on the document's name. */
  static int[] tokens(String docId, int count) {
    return new Random(docId.hashCode()).ints(count, 0, 1000).toArray();
  }

  /** A block with bytes that depend on all its coordinates. */
  static KvBlock block(String docId, int tokens, int layer, int block) {
    int start = block * BLOCK;
    int count = Math.min(BLOCK, tokens - start);
    Random random = new Random(31L * docId.hashCode() + 7L * layer + block);
    byte[] key = finite(random, count * KV_HEADS * HEAD_DIM);
    byte[] value = finite(random, count * KV_HEADS * HEAD_DIM);
    return new KvBlock(
        layer, block, start, count, KvDtype.BF16, key, value, KvBlock.checksum(key, value));
  }

  /** Finite bfloat16 numbers around 1. */
  private static byte[] finite(Random random, int elements) {
    byte[] bytes = new byte[elements * 2];
    for (int i = 0; i < elements; i++) {
      int bits = Float.floatToIntBits((float) random.nextGaussian()) >>> 16;
      bytes[2 * i] = (byte) bits;
      bytes[2 * i + 1] = (byte) (bits >>> 8);
    }
    return bytes;
  }

  /** All blocks of a document, layer by layer. */
  static List<KvBlock> blocks(String docId, int tokens) {
    List<KvBlock> blocks = new ArrayList<>();
    for (int layer = 0; layer < LAYERS; layer++) {
      for (int block = 0; block * BLOCK < tokens; block++) {
        blocks.add(block(docId, tokens, layer, block));
      }
    }
    return blocks;
  }

  /** Logits over the vocabulary at one position. */
  static float[] logitsAt(String docId, int position) {
    Random random = new Random(docId.hashCode() + 1000L * position);
    float[] logits = new float[VOCABULARY];
    for (int i = 0; i < VOCABULARY; i++) {
      logits[i] = random.nextFloat() * 4;
    }
    return logits;
  }

  static float[] tokenNll(String docId, int tokens) {
    Random random = new Random(docId.hashCode() + 5L);
    float[] nll = new float[tokens - 1];
    for (int i = 0; i < nll.length; i++) {
      nll[i] = random.nextFloat() * 3;
    }
    return nll;
  }

  static float[] hidden(String docId) {
    Random random = new Random(docId.hashCode() + 6L);
    return new float[] {random.nextFloat(), -random.nextFloat(), random.nextFloat()};
  }

  /** The rows of the last positions, the way the job writes them. */
  static List<LogitsRow> logits(String docId, int tokens) {
    List<LogitsRow> rows = new ArrayList<>();
    for (int position = Math.max(0, tokens - LAST); position < tokens; position++) {
      double[] logprobs = SampleCheck.logSoftmax(logitsAt(docId, position));
      int best = 0;
      for (int i = 1; i < VOCABULARY; i++) {
        best = logprobs[i] > logprobs[best] ? i : best;
      }
      boolean last = position == tokens - 1;
      double sum = 0;
      for (float nll : tokenNll(docId, tokens)) {
        sum += nll;
      }
      Double nll = last && tokens > 1 ? (Double) (sum / (tokens - 1)) : null;
      rows.add(
          new LogitsRow(
              docId,
              position,
              new int[] {best},
              new String[] {"tok" + best},
              new double[] {logprobs[best]},
              null,
              nll,
              nll == null ? null : (Double) Math.exp(nll),
              last ? tokenNll(docId, tokens) : null,
              last ? hidden(docId) : null));
    }
    return rows;
  }

  /** An answer of none to {@value #MOST_ANSWER} tokens. */
  static AnswerRow answer(String docId) {
    Random random = new Random(docId.hashCode() + 7L);
    int count = random.nextInt(MOST_ANSWER + 1);
    return new AnswerRow(
        docId,
        "What of " + docId + "?",
        "that",
        random.ints(count, 0, 1000).toArray(),
        random.doubles(count, -5, 0).toArray(),
        count == MOST_ANSWER ? AnswerRow.LENGTH : AnswerRow.EOS);
  }

  static DocumentRow row(OutputFolder folder, String docId, int tokens, DocumentStatus status) {
    boolean ran = status == DocumentStatus.OK || status == DocumentStatus.TRUNCATED;
    return new DocumentRow(
        docId,
        docId + ".txt",
        "sha-" + docId,
        tokens,
        status,
        ran ? null : "because",
        ran ? "dense" : null,
        ran ? 0.5 : null,
        ran ? 0.25 : null,
        ran ? "cpu" : null,
        folder.fingerprint(),
        folder.runId());
  }

  /** Writes whole documents, each name with its number of tokens, as one task does. */
  static TaskOutput task(
      OutputFolder folder, int wave, int partition, Map<String, Integer> documents)
      throws IOException {
    return task(folder, wave, partition, documents, 1);
  }

  /** The same with several lanes of kv files. */
  static TaskOutput task(
      OutputFolder folder, int wave, int partition, Map<String, Integer> documents, int lanes)
      throws IOException {
    List<DocumentRow> rows = new ArrayList<>();
    WriterOptions options = folder.writerOptions(wave, KvCompression.ZSTD, lanes);
    try (TableWriters writers = TableWriters.open(CONF, options, partition, 100 + partition)) {
      for (Map.Entry<String, Integer> document : documents.entrySet()) {
        String docId = document.getKey();
        int tokens = document.getValue();
        for (KvBlock block : blocks(docId, tokens)) {
          writers.kv(docId, block);
        }
        writers.tokens(docId, tokens(docId, tokens), BLOCK);
        for (LogitsRow logits : logits(docId, tokens)) {
          writers.logits(logits);
        }
        writers.answer(answer(docId));
        rows.add(row(folder, docId, tokens, DocumentStatus.OK));
      }
      return writers.finish(rows);
    }
  }

  /** Names of all regular files below a folder, relative, sorted. */
  static List<String> files(Path folder) throws IOException {
    try (Stream<Path> walk = Files.walk(folder)) {
      return walk.filter(Files::isRegularFile)
          .map(file -> folder.relativize(file).toString())
          .sorted()
          .toList();
    }
  }

  static SparkSession spark() {
    return SparkSession.builder()
        .master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .getOrCreate();
  }

  /** How many rows the files of a table's folder have, by their footers. */
  static long rowCount(Path out, Table table) throws IOException {
    Storage storage = new Storage(CONF, out.toString());
    long rows = 0;
    for (Storage.Entry file : storage.list(table.folder())) {
      rows += StoredRows.rows(storage, table.folder() + "/" + file.name());
    }
    return rows;
  }

  /** All rows of a table by parquet-java's own example reader. */
  @SuppressWarnings("deprecation") // the Path builder is the shortest independent way
  static List<Group> groups(Path out, Table table) throws Exception {
    List<Group> rows = new ArrayList<>();
    Map<String, Path> files = new HashMap<>();
    for (String name : files(out.resolve(table.folder()))) {
      files.put(name, out.resolve(table.folder()).resolve(name));
    }
    for (String name : files.keySet().stream().sorted().toList()) {
      assertThat(Files.size(files.get(name))).isPositive();
      try (ParquetReader<Group> reader =
          ParquetReader.builder(
                  new GroupReadSupport(), new org.apache.hadoop.fs.Path(files.get(name).toUri()))
              .build()) {
        for (Group row = reader.read(); row != null; row = reader.read()) {
          rows.add(row);
        }
      }
    }
    return rows;
  }
}
