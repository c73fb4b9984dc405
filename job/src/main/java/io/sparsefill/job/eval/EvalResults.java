package io.sparsefill.job.eval;

import io.sparsefill.job.run.UsageException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.parquet.example.data.Group;

/** All rows of an evaluation: those that were stored before, and what comes. */
final class EvalResults {
  private static final Comparator<EvalUnit> BY_UNIT =
      Comparator.comparingInt(EvalUnit::length)
          .thenComparing(EvalUnit::task)
          .thenComparingInt(EvalUnit::number);

  private final Map<String, SampleRow> samples = new HashMap<>();
  private final Map<String, List<BucketRow>> buckets = new HashMap<>();
  private final Map<String, FidelityRow> fidelity = new HashMap<>();
  private final Map<String, List<LayerRow>> layers = new HashMap<>();

  private EvalResults() {}

  /** Reads what a folder holds. */
  static EvalResults read(EvalFolder folder) throws IOException {
    EvalResults results = new EvalResults();
    for (Group group : folder.read(EvalTable.SAMPLES)) {
      SampleRow row = EvalTable.sample(group);
      results.samples.put(row.key(), row);
    }
    for (Group group : folder.read(EvalTable.PERPLEXITY)) {
      BucketRow row = EvalTable.bucket(group);
      // A crash may have come between the two tables: the row of the sample counts.
      if (results.isDone(row.key())) {
        results.buckets.computeIfAbsent(row.key(), key -> new ArrayList<>()).add(row);
      }
    }
    results.readFidelity(folder);
    return results;
  }

  private void readFidelity(EvalFolder folder) throws IOException {
    for (Group group : folder.read(EvalTable.FIDELITY)) {
      FidelityRow row = EvalTable.fidelity(group);
      fidelity.put(row.key(), row);
    }
    Set<String> done = fidelityDone();
    for (Group group : folder.read(EvalTable.FIDELITY_LAYERS)) {
      LayerRow row = EvalTable.layer(group);
      if (done.contains(row.key())) { // as for perplexity
        layers.computeIfAbsent(row.key(), key -> new ArrayList<>()).add(row);
      }
    }
  }

  /** Writes all rows, in the order of units and modes; perplexity first, see {@link #read}. */
  void write(EvalFolder folder) throws IOException {
    folder.replace(EvalTable.PERPLEXITY, buckets().stream().map(EvalTable::of).toList());
    folder.replace(EvalTable.SAMPLES, samples().stream().map(EvalTable::of).toList());
    if (!fidelity.isEmpty()) {
      folder.replace(EvalTable.FIDELITY_LAYERS, layers().stream().map(EvalTable::of).toList());
      folder.replace(EvalTable.FIDELITY, fidelity().stream().map(EvalTable::of).toList());
    }
  }

  void add(UnitResult result) {
    for (SampleRow row : result.samples()) {
      samples.put(row.key(), row);
      buckets.remove(row.key());
    }
    for (BucketRow row : result.buckets()) {
      buckets.computeIfAbsent(row.key(), key -> new ArrayList<>()).add(row);
    }
    for (FidelityRow row : result.fidelity()) {
      fidelity.put(row.key(), row);
      layers.remove(row.key());
    }
    for (LayerRow row : result.layers()) {
      layers.computeIfAbsent(row.key(), key -> new ArrayList<>()).add(row);
    }
  }

  /** Whether a unit has been asked with a mode; one that failed is asked again. */
  boolean isDone(EvalUnit unit, EvalMode mode) {
    return isDone(unit.id() + " " + mode.name());
  }

  private boolean isDone(String key) {
    SampleRow row = samples.get(key);
    return row != null && !row.failed();
  }

  /**
   * Refuses modes that stand for other patterns than in the rows of that name.
   *
   * @throws UsageException naming the mode
   */
  void refuseOtherPatterns(List<EvalMode> modes, String output) {
    for (EvalMode mode : modes) {
      for (SampleRow row : samples.values()) {
        refuse(row.mode(), row.digest(), mode, output);
      }
      for (FidelityRow row : fidelity.values()) {
        refuse(row.mode(), row.digest(), mode, output);
      }
    }
  }

  private static void refuse(String name, String digest, EvalMode mode, String output) {
    if (name.equals(mode.name()) && !digest.equals(mode.digest())) {
      throw new UsageException(
          "Cannot go on in %s: its rows of %s are of another pattern file; give that one, or choose another --output"
              .formatted(output, name));
    }
  }

  /** Keys of the documents and modes that need not be compared again. */
  Set<String> fidelityDone() {
    return fidelity.values().stream()
        .filter(row -> !row.failed())
        .map(FidelityRow::key)
        .collect(Collectors.toSet());
  }

  /** Rows by document and mode. */
  List<FidelityRow> fidelity() {
    return fidelity.values().stream()
        .sorted(Comparator.comparing(FidelityRow::docId).thenComparing(FidelityRow::key))
        .toList();
  }

  /** Rows by document, mode and layer. */
  List<LayerRow> layers() {
    return layers.values().stream()
        .flatMap(List::stream)
        .sorted(
            Comparator.comparing(LayerRow::docId)
                .thenComparing(LayerRow::key)
                .thenComparingInt(LayerRow::layer))
        .toList();
  }

  /** Rows by length, task, number and mode. */
  List<SampleRow> samples() {
    return samples.values().stream()
        .sorted(
            Comparator.comparing(SampleRow::unit, BY_UNIT)
                .thenComparing(SampleRow::mode)
                .thenComparing(SampleRow::key))
        .toList();
  }

  /** Rows by length, number, mode and position. */
  List<BucketRow> buckets() {
    return buckets.values().stream()
        .flatMap(List::stream)
        .sorted(
            Comparator.comparing(BucketRow::unit, BY_UNIT)
                .thenComparing(BucketRow::mode)
                .thenComparingInt(BucketRow::from))
        .toList();
  }
}
