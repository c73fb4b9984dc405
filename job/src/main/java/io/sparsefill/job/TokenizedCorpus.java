package io.sparsefill.job;

import java.util.ArrayList;
import java.util.List;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.storage.StorageLevel;

/**
 * The tokenised documents of a run. Their tokens lie on the executors' disks until this is closed;
 * the driver has their summaries only.
 */
public final class TokenizedCorpus implements AutoCloseable {
  private final JavaRDD<byte[]> stored;
  private final List<DocumentSummary> summaries;
  private final double seconds;

  private TokenizedCorpus(JavaRDD<byte[]> stored, List<DocumentSummary> summaries, double seconds) {
    this.stored = stored;
    this.summaries = summaries;
    this.seconds = seconds;
  }

  /** Reads and tokenises everything (one Spark job), stores it and marks duplicate names. */
  public static TokenizedCorpus of(JavaRDD<TokenizedDocument> documents) {
    long started = System.nanoTime();
    JavaRDD<byte[]> stored = documents.map(JavaBytes::of).persist(StorageLevel.DISK_ONLY());
    try {
      List<byte[]> partitions =
          stored
              .mapPartitions(
                  rows -> {
                    ArrayList<DocumentSummary> summaries = new ArrayList<>();
                    while (rows.hasNext()) {
                      summaries.add(DocumentSummary.of(document(rows.next())));
                    }
                    return List.of(JavaBytes.of(summaries)).iterator();
                  })
              .collect();
      List<DocumentSummary> summaries = new ArrayList<>();
      for (byte[] partition : partitions) {
        SourceOrder.<DocumentSummary>pieces(partition).forEachRemaining(summaries::add);
      }
      List<DocumentSummary> marked = List.copyOf(DuplicateIds.mark(summaries));
      return new TokenizedCorpus(stored, marked, (System.nanoTime() - started) / 1e9);
    } catch (RuntimeException | Error e) {
      stored.unpersist();
      throw e;
    }
  }

  /** All documents in source order, each name once but for error rows. */
  public List<DocumentSummary> summaries() {
    return summaries;
  }

  /** Wall time of reading and tokenising. */
  public double seconds() {
    return seconds;
  }

  /** The documents of planned waves, ready to be pre-filled bin by bin. */
  public PackedDocuments pack(List<PlannedWave> waves) {
    return PackedDocuments.of(stored, waves);
  }

  /** Frees the disk space. What was packed must not be used any more. */
  @Override
  public void close() {
    stored.unpersist();
  }

  static TokenizedDocument document(byte[] stored) {
    return JavaBytes.read(stored, TokenizedDocument.class);
  }
}
