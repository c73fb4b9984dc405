package io.sparsefill.job.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.job.eval.task.Task;
import io.sparsefill.job.output.OutputRefused;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a crash leaves between two files, made by hand; the oracle is what was added. */
class EvalFolderTest {
  private static final Configuration CONF = new Configuration();

  @TempDir Path root;

  private EvalFolder open() throws IOException {
    return EvalFolder.open(CONF, root.toString());
  }

  /** A text's sample and its two buckets of positions. */
  private static UnitResult text(int number, String error) {
    EvalUnit unit = new EvalUnit(Task.PPL, 500, Double.NaN, number);
    SampleRow.Score score =
        error == null ? new SampleRow.Score("text", 500, 0, 0, 0, 0, 0, 0, 1, 0.5, "cpu") : null;
    SampleRow row = new SampleRow(unit, "plain", "dense", "digest", score, error);
    List<BucketRow> buckets =
        error == null
            ? IntStream.range(0, 2)
                .mapToObj(i -> new BucketRow(unit, "a", "dense", 256 * i, 256 * (i + 1), 9, 256))
                .toList()
            : List.of();
    return UnitResult.of(List.of(row), buckets);
  }

  private List<Path> parts(String table) throws IOException {
    try (Stream<Path> files = Files.list(root.resolve(table))) {
      return files.filter(file -> file.toString().endsWith(".parquet")).sorted().toList();
    }
  }

  /** Settings make it an evaluation's folder. */
  private EvalResults results(UnitResult... units) throws IOException {
    try (EvalFolder folder = open()) {
      folder.settings(java.util.Map.of("seed", "0"));
      EvalResults results = EvalResults.read(folder);
      for (UnitResult unit : units) {
        results.add(unit);
      }
      results.write(folder);
      return results;
    }
  }

  private EvalResults stored() throws IOException {
    try (EvalFolder folder = open()) {
      return EvalResults.read(folder);
    }
  }

  @Test
  void aFileThatACrashLeftBesideTheNextOneIsRemoved() throws IOException {
    results(text(0, "no words"), text(1, null));
    Path old = parts("samples").get(0);
    Path oldBuckets = parts("perplexity").get(0);
    byte[] samples = Files.readAllBytes(old);
    byte[] buckets = Files.readAllBytes(oldBuckets);
    EvalResults all = results(text(0, null), text(2, null));
    Files.write(old, samples);
    Files.write(oldBuckets, buckets);
    assertThat(parts("samples")).hasSize(2);

    assertThat(stored().samples()).isEqualTo(all.samples()).hasSize(3);
    assertThat(stored().samples()).noneMatch(SampleRow::failed);
    assertThat(stored().buckets()).isEqualTo(all.buckets()).hasSize(6);
    assertThat(parts("samples")).as("other readers see each row once").hasSize(1);
    assertThat(parts("perplexity")).hasSize(1);
  }

  @Test
  void bucketsWithoutTheirSampleAreNotDoubledWhenItIsComputedAgain() throws IOException {
    results(text(0, null));
    Path samples = parts("samples").get(0);
    byte[] first = Files.readAllBytes(samples);
    results(text(1, null));
    Files.delete(parts("samples").get(0));
    Files.write(samples, first); // the crash came before the samples were written

    assertThat(stored().samples()).extracting(SampleRow::key).containsExactly("ppl-500-0 dense");
    assertThat(stored().buckets()).hasSize(2);
    assertThat(results(text(1, null)).buckets()).hasSize(4);
    assertThat(stored().buckets()).hasSize(4);
  }

  @Test
  void oneEvaluationAtATimeWrites() throws IOException {
    EvalFolder first = open();
    assertThatThrownBy(this::open)
        .isInstanceOf(OutputRefused.class)
        .hasMessageContaining("Cannot write to ")
        .hasMessageContaining("run eval ");
    first.close();
    open().close();

    EvalFolder lost = open();
    Files.delete(root.resolve("_lock"));
    assertThatThrownBy(() -> EvalResults.read(lost).write(lost))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("its _lock was removed");
    lost.close();
  }
}
