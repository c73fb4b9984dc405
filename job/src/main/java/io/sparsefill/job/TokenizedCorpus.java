package io.sparsefill.job;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.storage.StorageLevel;

/**
 * The tokenised documents of a run, read section by section in source order. Their tokens lie on
 * the executors' disks until this is closed, and what an executor takes with it when it dies is
 * read again; the driver has summaries only. For one thread.
 */
public final class TokenizedCorpus implements AutoCloseable {
  private final JavaRDD<byte[]> stored;
  private final int partitions;
  private final DuplicateIds names = new DuplicateIds();
  private final List<DocumentSummary> summaries = new ArrayList<>();
  private int known;

  private TokenizedCorpus(JavaRDD<byte[]> stored) {
    this.stored = stored;
    this.partitions = stored.getNumPartitions();
  }

  /** Of documents, none of which is read yet. */
  public static TokenizedCorpus of(JavaRDD<TokenizedDocument> documents) {
    return new TokenizedCorpus(documents.map(JavaBytes::of).persist(StorageLevel.DISK_ONLY()));
  }

  /**
   * Of documents, all of which are read, tokenised and stored now.
   *
   * @throws java.util.concurrent.CompletionException if they could not be read
   */
  public static TokenizedCorpus whole(JavaRDD<TokenizedDocument> documents) {
    TokenizedCorpus corpus = of(documents);
    try {
      corpus.take(corpus.begin(corpus.partitions, corpus.partitions));
      return corpus;
    } catch (RuntimeException | Error e) {
      corpus.close();
      throw e;
    }
  }

  /**
   * Consecutive partitions that are read and tokenised by one Spark job.
   *
   * @param end the first partition after it
   */
  public record Section(int end, RunningJob<Part> job) {}

  /** The documents of one partition. */
  record Part(int partition, ArrayList<DocumentSummary> documents) implements Serializable {}

  /** All partitions of the input. */
  public int partitions() {
    return partitions;
  }

  /** How many of them have been read. */
  public int known() {
    return known;
  }

  /** Whether all documents are known. */
  public boolean isWhole() {
    return known == partitions;
  }

  /**
   * Begins to read the next section.
   *
   * @param end the first partition after it
   * @param tasks how many tasks it takes at most, each going through its partitions one by one
   */
  public Section begin(int end, int tasks) {
    int from = known;
    JavaRDD<byte[]> parts =
        SourceOrder.range(stored, from, end)
            .mapPartitionsWithIndex(
                (partition, rows) -> {
                  ArrayList<DocumentSummary> documents = new ArrayList<>();
                  while (rows.hasNext()) {
                    documents.add(DocumentSummary.of(document(rows.next())));
                  }
                  return List.of(JavaBytes.of(new Part(partition, documents))).iterator();
                },
                true);
    return new Section(
        end, RunningJob.collect(tasks < end - from ? parts.coalesce(tasks) : parts, Part.class));
  }

  /**
   * Waits for a section and adds its documents, in source order, each name once in the input but
   * for error rows.
   *
   * @return the added ones
   * @throws java.util.concurrent.CompletionException if the section could not be read
   */
  public List<DocumentSummary> take(Section section) {
    List<DocumentSummary> read = new ArrayList<>();
    section.job().result().join().stream()
        .sorted(Comparator.comparingInt(Part::partition)) // joining partitions may disturb it
        .forEach(part -> read.addAll(part.documents()));
    List<DocumentSummary> marked = List.copyOf(names.mark(read));
    summaries.addAll(marked);
    known = section.end();
    return marked;
  }

  /** The documents of all sections so far, in source order. */
  public List<DocumentSummary> summaries() {
    return Collections.unmodifiableList(summaries);
  }

  /** The documents of planned waves, ready to be pre-filled bin by bin. */
  public PackedDocuments pack(List<PlannedWave> waves) {
    return PackedDocuments.of(isWhole() ? stored : SourceOrder.range(stored, 0, known), waves);
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
