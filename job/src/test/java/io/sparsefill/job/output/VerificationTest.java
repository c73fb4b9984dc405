package io.sparsefill.job.output;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.job.AnswerRow;
import io.sparsefill.job.DocumentRow;
import io.sparsefill.job.DocumentStatus;
import io.sparsefill.job.LogitsRow;
import io.sparsefill.job.output.RowWriter.TokensRow;
import io.sparsefill.job.output.VerifyReport.Problem;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.udf.KvBlock;
import io.sparsefill.udf.KvSink;
import io.sparsefill.udf.PrefillResult;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Each fault is planted on purpose, in a document or file of its own; the oracle is the list of
 * what was planted.
 */
class VerificationTest {
  private static final VerifyOptions NO_SAMPLE = VerifyOptions.sample(0);

  @TempDir Path temp;
  private Path out;

  @BeforeEach
  void nameOutput() {
    out = temp.resolve("out");
  }

  private VerifyReport verify(VerifyOptions options, Recompute recompute) throws IOException {
    return Verification.run(Outputs.spark(), out.toString(), options, recompute);
  }

  /** Pre-fills again by making the same synthetic blocks. */
  private static PrefillResult again(Map<String, Integer> documents, int[] tokens, KvSink sink)
      throws Exception {
    for (String docId : documents.keySet()) {
      int count = documents.get(docId);
      if (Arrays.equals(tokens, Outputs.tokens(docId, count))) {
        for (KvBlock block : Outputs.blocks(docId, count)) {
          sink.accept(block);
        }
        List<float[]> last = new ArrayList<>();
        for (int p = Math.max(0, count - Outputs.LAST); p < count; p++) {
          last.add(Outputs.logitsAt(docId, p));
        }
        return new PrefillResult(
            count,
            last.toArray(float[][]::new),
            Outputs.tokenNll(docId, count),
            Outputs.hidden(docId),
            "dense",
            1,
            0,
            0,
            "test");
      }
    }
    throw new IllegalArgumentException("unknown tokens " + Arrays.toString(tokens));
  }

  @Test
  void aSoundOutputHasNoProblems() throws Exception {
    Map<String, Integer> documents = new TreeMap<>(Map.of("a", 1, "b", 8, "it's \"c\"", 25));
    try (OutputFolder folder = Outputs.open(out, "r1")) {
      TaskOutput others =
          TaskOutput.ofDocuments(
              List.of(
                  Outputs.row(folder, "bad", 0, DocumentStatus.FAILED),
                  Outputs.row(folder, "long", 99, DocumentStatus.SKIPPED)));
      folder.commitWave(1, List.of(Outputs.task(folder, 1, 0, documents, 3), others));
    }
    try (OutputFolder folder = Outputs.open(out, "r2")) {
      folder.commitWave(1, List.of(Outputs.task(folder, 1, 0, Map.of("bad", 17))));
    }
    Map<String, Integer> all = new TreeMap<>(documents);
    all.put("bad", 17);
    VerifyOptions exact = new VerifyOptions(10, 1, true, 0, 1e-9, 20);
    VerifyReport report = verify(exact, (tokens, sink) -> again(all, tokens, sink));
    assertThat(report.problems()).isEmpty();
    assertThat(report.ok()).isTrue();
    assertThat(report.notes()).isEmpty();
    assertThat(report.checks())
        .extracting(VerifyReport.Check::name)
        .containsExactly(
            "files",
            "orphans",
            "readable",
            "row counts",
            "documents once",
            "documents rows",
            "documents in manifest",
            "tokens complete",
            "kv checksums",
            "kv block shapes",
            "kv doubled blocks",
            "kv complete",
            "logits positions",
            "logits values",
            "answers",
            "answer values",
            "pre-filled again");
    assertThat(report.checks())
        .filteredOn(c -> c.name().equals("kv checksums"))
        .extracting(VerifyReport.Check::examined)
        .containsExactly(2L * (1 + 1 + 4 + 3));
    assertThat(report.samples()).hasSize(4);
    assertThat(report.samples())
        .allMatch(s -> s.blocks() == s.identicalBlocks() && s.kvDifference() == 0);
    assertThat(report.text()).contains("All is well.").contains("it's \"c\"");
  }

  @Test
  void everyPlantedFaultOfADocumentIsFoundAndNamed() throws Exception {
    try (OutputFolder folder = Outputs.open(out, "r1")) {
      folder.commitWave(1, List.of(faultyTask(folder)));
    }
    VerifyReport report = verify(NO_SAMPLE, null);
    assertThat(report.ok()).isFalse();
    assertThat(report.problems())
        .extracting(problem -> problem.check() + " " + problem.docId())
        .containsExactlyInAnyOrder(
            "kv checksums crc",
            "kv complete missing",
            "kv complete missing",
            "kv doubled blocks doubled",
            "kv block shapes dtype",
            "kv block shapes short",
            "kv block shapes stray",
            "tokens complete hash",
            "tokens complete no tokens",
            "tokens complete other blocks",
            "logits positions one position",
            "logits values nan",
            "logits values no top",
            "answers unanswered",
            "answers answered twice",
            "answers nothing",
            "answer values shorter",
            "answer values longer",
            "answer values odd end",
            "answer values fewer logprobs",
            "answer values nan logprob",
            "answer values no question",
            "documents once twice",
            "documents rows empty",
            "kv complete nothing",
            "kv complete nothing",
            "logits positions nothing",
            "tokens complete nothing");
    assertThat(problem(report, "kv checksums"))
        .satisfies(p -> assertThat(p.layer()).isEqualTo(1))
        .satisfies(p -> assertThat(p.block()).isEqualTo(2));
    assertThat(report.problems())
        .filteredOn(p -> p.check().equals("kv complete") && p.docId().equals("missing"))
        .extracting(Problem::text)
        .containsExactlyInAnyOrder(
            "kv complete: 'missing' of run r1: has 5 of 6 blocks",
            "kv complete: 'missing' of run r1, layer 0, block 1: is the first that is missing");
    assertThat(problem(report, "tokens complete").docId()).isEqualTo("hash");
    assertThat(problem(report, "tokens complete").block()).isEqualTo(1);
    assertThat(report.notes())
        .anyMatch(note -> note.contains("rows of kv belong to documents that failed"));
    assertThat(report.text()).contains("There are problems.");
  }

  private static Problem problem(VerifyReport report, String check) {
    return report.problems().stream()
        .filter(p -> p.check().equals(check))
        .findFirst()
        .orElseThrow();
  }

  /** One document per fault, 20 tokens each: 2 layers of 3 blocks. */
  private TaskOutput faultyTask(OutputFolder folder) throws IOException {
    int n = 20;
    List<DocumentRow> rows = new ArrayList<>();
    WriterOptions options = folder.writerOptions(1, KvCompression.ZSTD, 1);
    List<StoredFile> extra = new ArrayList<>();
    try (TableWriters writers = TableWriters.open(Outputs.CONF, options, 0, 1)) {
      for (String docId :
          List.of(
              "crc",
              "missing",
              "doubled",
              "dtype",
              "short",
              "stray",
              "hash",
              "no tokens",
              "other blocks",
              "one position",
              "nan",
              "no top",
              "unanswered",
              "answered twice",
              "shorter",
              "longer",
              "odd end",
              "fewer logprobs",
              "nan logprob",
              "no question",
              "twice",
              "failed half-way")) {
        for (KvBlock block : faultyBlocks(docId, n)) {
          writers.kv(docId, block);
        }
        int[] ids = Outputs.tokens(docId, n);
        if (docId.equals("hash")) {
          extra.add(wrongHash(folder, docId, ids));
        } else if (!docId.equals("no tokens")) {
          writers.tokens(docId, ids, docId.equals("other blocks") ? 5 : Outputs.BLOCK);
        }
        for (LogitsRow row : faultyLogits(docId, n)) {
          writers.logits(row);
        }
        for (AnswerRow row : faultyAnswers(docId)) {
          writers.answer(row);
        }
        boolean failed = docId.equals("failed half-way");
        DocumentRow row =
            Outputs.row(folder, docId, n, failed ? DocumentStatus.FAILED : DocumentStatus.OK);
        rows.add(row);
        if (docId.equals("twice")) {
          rows.add(row);
        }
      }
      rows.add(Outputs.row(folder, "nothing", 9, DocumentStatus.OK));
      DocumentRow noError = Outputs.row(folder, "empty", 0, DocumentStatus.OK);
      rows.add(
          new DocumentRow(
              "empty",
              "s",
              "sha",
              0,
              DocumentStatus.FAILED,
              null,
              null,
              null,
              null,
              null,
              noError.fingerprint(),
              noError.runId()));
      TaskOutput output = writers.finish(rows);
      List<StoredFile> files = new ArrayList<>(output.files());
      files.addAll(extra);
      return new TaskOutput(0, files, rows, output.startedMillis());
    }
  }

  private static List<KvBlock> faultyBlocks(String docId, int n) {
    List<KvBlock> blocks = new ArrayList<>(Outputs.blocks(docId, n));
    KvBlock b = blocks.get(1);
    KvBlock last = blocks.get(5);
    byte[] less = Arrays.copyOf(b.key(), b.key().length - 2);
    switch (docId) {
      case "crc" ->
          blocks.set(5, with(last, last.layer(), last.dtype(), last.key(), last.crc32c() ^ 1));
      case "missing" -> blocks.remove(1);
      case "doubled" -> blocks.add(b);
      case "dtype" -> blocks.set(1, with(b, 0, KvDtype.FP16, b.key(), b.crc32c()));
      case "short" ->
          blocks.set(
              1, new KvBlock(0, 1, 8, 8, b.dtype(), less, less, KvBlock.checksum(less, less)));
      case "stray" -> blocks.add(with(b, 2, b.dtype(), b.key(), b.crc32c()));
      case "failed half-way" -> blocks.subList(2, 6).clear();
      default -> {}
    }
    return blocks;
  }

  private static KvBlock with(KvBlock b, int layer, KvDtype dtype, byte[] key, long crc) {
    return new KvBlock(
        layer, b.block(), b.tokenStart(), b.tokenCount(), dtype, key, b.value(), crc);
  }

  private static List<LogitsRow> faultyLogits(String docId, int n) {
    List<LogitsRow> rows = new ArrayList<>(Outputs.logits(docId, n));
    LogitsRow last = rows.get(1);
    switch (docId) {
      case "one position" -> rows.remove(0);
      case "nan" -> {
        last.hidden()[1] = Float.NaN;
      }
      case "no top" ->
          rows.set(
              1,
              new LogitsRow(
                  docId,
                  last.position(),
                  null,
                  null,
                  null,
                  null,
                  last.nll(),
                  last.perplexity(),
                  last.tokenNll(),
                  last.hidden()));
      default -> {}
    }
    return rows;
  }

  private static List<AnswerRow> faultyAnswers(String docId) {
    AnswerRow sound = Outputs.answer(docId);
    int[] three = {1, 2, 3};
    int[] four = {1, 2, 3, 4};
    return switch (docId) {
      case "unanswered" -> List.of();
      case "answered twice" -> List.of(sound, sound);
      case "shorter" -> List.of(answer(docId, "q", three, new double[3], AnswerRow.LENGTH));
      case "longer" -> List.of(answer(docId, "q", four, new double[4], AnswerRow.EOS));
      case "odd end" -> List.of(answer(docId, "q", three, new double[3], "stop"));
      case "fewer logprobs" -> List.of(answer(docId, "q", three, new double[2], AnswerRow.EOS));
      case "nan logprob" ->
          List.of(answer(docId, "q", three, new double[] {-1, Double.NaN, -1}, AnswerRow.EOS));
      case "no question" -> List.of(answer(docId, " ", three, new double[3], AnswerRow.EOS));
      default -> List.of(sound);
    };
  }

  private static AnswerRow answer(
      String docId, String question, int[] tokens, double[] logprobs, String reason) {
    return new AnswerRow(docId, question, "a", tokens, logprobs, reason);
  }

  private static StoredFile wrongHash(OutputFolder folder, String docId, int[] ids)
      throws IOException {
    Storage storage = new Storage(Outputs.CONF, folder.path());
    String path = "_staging/r1-w00001/0-1/tokens/0009.parquet";
    PrefixHashes hashes = new PrefixHashes();
    TableFile<TokensRow> file =
        new TableFile<>(
            storage,
            path,
            Table.TOKENS,
            RowWriter::tokens,
            CompressionCodecName.ZSTD,
            Map.of(),
            TableFile.PAGE_ROWS);
    try (file) {
      for (int b = 0; b < 3; b++) {
        int end = Math.min(20, 8 * b + 8);
        String hash = hashes.add(ids, 8 * b, end);
        int[] part = Arrays.copyOfRange(ids, 8 * b, end);
        file.write(new TokensRow(docId, b, 8 * b, part, b == 1 ? "00" : hash, "r1"));
      }
    }
    return file.stored(storage);
  }

  @Test
  void damagedFilesAreFoundAndHarmNoOther() throws Exception {
    try (OutputFolder folder = Outputs.open(out, "r1")) {
      folder.commitWave(1, List.of(Outputs.task(folder, 1, 0, Map.of("sound", 20))));
      folder.commitWave(2, List.of(Outputs.task(folder, 2, 0, Map.of("deleted", 20))));
      folder.commitWave(3, List.of(Outputs.task(folder, 3, 0, Map.of("cut", 20))));
      folder.commitWave(4, List.of(Outputs.task(folder, 4, 0, Map.of("flipped", 20))));
    }
    Files.delete(out.resolve("kv/r1-w00002-p00000-0000.parquet"));
    Path cut = out.resolve("kv/r1-w00003-p00000-0000.parquet");
    byte[] bytes = Files.readAllBytes(cut);
    Files.write(cut, Arrays.copyOf(bytes, bytes.length / 2));
    Path flipped = out.resolve("tokens/r1-w00004-p00000-0000.parquet");
    bytes = Files.readAllBytes(flipped);
    for (int i = 60; i < 100; i++) {
      bytes[i] ^= 0x55;
    }
    Files.write(flipped, bytes);
    Path orphan = out.resolve("kv/r0-w00001-p00000-0000.parquet");
    Files.copy(out.resolve("kv/r1-w00001-p00000-0000.parquet"), orphan);

    VerifyReport report = verify(NO_SAMPLE, null);
    assertThat(report.ok()).isFalse();
    assertThat(texts(report, "files"))
        .hasSize(2)
        .anyMatch(text -> text.contains("w00002") && text.contains("is missing"))
        .anyMatch(text -> text.contains("w00003") && text.contains("the manifest says"));
    assertThat(texts(report, "readable"))
        .hasSize(3)
        .anyMatch(text -> text.contains("tokens/r1-w00004"));
    assertThat(texts(report, "orphans"))
        .containsExactly("orphans: kv/r0-w00001-p00000-0000.parquet is not in the manifest");
    assertThat(texts(report, "row counts")).isEmpty();
    assertThat(report.problems())
        .filteredOn(p -> p.check().equals("kv complete") && p.layer() == null)
        .extracting(Problem::docId)
        .containsExactlyInAnyOrder("cut", "deleted");
    assertThat(report.problems())
        .filteredOn(p -> p.check().equals("tokens complete"))
        .extracting(Problem::docId)
        .containsExactly("flipped");
    assertThat(report.problems()).extracting(Problem::docId).doesNotContain("sound");
  }

  private static List<String> texts(VerifyReport report, String check) {
    return report.problems().stream()
        .filter(problem -> problem.check().equals(check))
        .map(Problem::text)
        .toList();
  }

  @Test
  void aManifestThatCountsOtherwiseIsFound() throws Exception {
    try (OutputFolder folder = Outputs.open(out, "r1")) {
      folder.commitWave(1, List.of(Outputs.task(folder, 1, 0, Map.of("a", 8))));
    }
    Path file = out.resolve("manifest.json");
    String json = Files.readString(file);
    Files.writeString(
        file, json.replace("\"ok\" : 1", "\"ok\" : 2").replace("\"rows\" : 2", "\"rows\" : 3"));
    VerifyReport report = verify(NO_SAMPLE, null);
    assertThat(texts(report, "documents in manifest"))
        .containsExactly("documents in manifest: run r1 has {ok=1}, the manifest says {ok=2}");
    assertThat(texts(report, "row counts")).hasSize(2);
  }

  @Test
  void aSampleThatDiffersIsFound() throws Exception {
    Map<String, Integer> documents =
        new TreeMap<>(Map.of("turned", 20, "shorter", 20, "failing", 20, "logits", 20, "same", 20));
    try (OutputFolder folder = Outputs.open(out, "r1")) {
      folder.commitWave(1, List.of(Outputs.task(folder, 1, 0, documents)));
    }
    Recompute changed =
        (tokens, sink) -> {
          if (Arrays.equals(tokens, Outputs.tokens("turned", 20))) {
            return again(documents, tokens, block -> sink.accept(turned(block)));
          }
          if (Arrays.equals(tokens, Outputs.tokens("shorter", 20))) {
            return again(documents, tokens, block -> acceptLayer0(block, sink));
          }
          if (Arrays.equals(tokens, Outputs.tokens("failing", 20))) {
            throw new IllegalStateException("no such model");
          }
          PrefillResult result = again(documents, tokens, sink);
          if (Arrays.equals(tokens, Outputs.tokens("logits", 20))) {
            for (float[] logits : result.lastLogits()) {
              logits[0] += 10;
            }
          }
          return result;
        };
    VerifyReport report = verify(VerifyOptions.sample(5), changed);
    String difference = String.format(Locale.ROOT, "%.2e (Frobenius", turnedDifference());
    assertThat(texts(report, "pre-filled again"))
        .hasSize(4)
        .anyMatch(t -> t.contains("'turned'") && t.contains("values differ by " + difference))
        .anyMatch(t -> t.contains("'shorter'") && t.contains("stored is layer 1, block 0"))
        .anyMatch(t -> t.contains("'failing'") && t.contains("no such model"))
        .anyMatch(t -> t.contains("'logits'") && t.contains("log-probabilities differ"));
  }

  private static void acceptLayer0(KvBlock block, KvSink sink) throws Exception {
    if (block.layer() == 0) {
      sink.accept(block);
    }
  }

  /** The first two elements of layer 0's keys have their signs turned. */
  private static KvBlock turned(KvBlock block) {
    if (block.layer() != 0 || block.block() != 0) {
      return block;
    }
    byte[] key = block.key().clone();
    for (int i = 1; i < 4; i += 2) {
      key[i] ^= (byte) 0x80;
    }
    return with(block, 0, block.dtype(), key, 0);
  }

  /** By the definition: the norm of the difference over the norm of the layer's keys. */
  private static double turnedDifference() {
    double all = 0;
    double turned = 0;
    for (KvBlock block : Outputs.blocks("turned", 20)) {
      for (int i = 0; block.layer() == 0 && i < block.key().length / 2; i++) {
        int bits = (block.key()[2 * i] & 0xff) << 16 | block.key()[2 * i + 1] << 24;
        double value = Float.intBitsToFloat(bits);
        all += value * value;
        turned += block.block() == 0 && i < 2 ? 4 * value * value : 0;
      }
    }
    return Math.sqrt(turned / all);
  }

  @Test
  void anEmptyFolderCannotBeVerified() {
    assertThatThrownBy(() -> verify(NO_SAMPLE, null))
        .isInstanceOf(OutputRefused.class)
        .hasMessageContaining("there is no output in it");
  }
}
