package io.sparsefill.job.run;

import io.sparsefill.job.DocumentSummary;
import io.sparsefill.job.Sections;
import io.sparsefill.job.TokenizedCorpus;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.apache.spark.SparkContext;
import org.apache.spark.sql.SparkSession;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads and tokenises the input of a run, section by section: with all cores while engines wait for
 * it, else with those that pre-fills leave.
 */
final class Reading implements AutoCloseable {
  private static final Logger log = LoggerFactory.getLogger(Reading.class);

  private final SparkSession spark;
  private final TokenizedCorpus corpus;
  private final String input;
  private TokenizedCorpus.Section underWay;
  private long begun;
  private Sections.Known known = Sections.Known.NONE;

  /**
   * Of a corpus.
   *
   * @param input its name, for people
   */
  Reading(SparkSession spark, TokenizedCorpus corpus, String input) {
    this.spark = spark;
    this.corpus = corpus;
    this.input = input;
  }

  /**
   * Begins the section that engines wait for before their first wave, unless one is under way.
   *
   * @return whether they should wait
   */
  boolean goOnFirst(PrefillTasks tasks) {
    if (underWay == null && !corpus.isWhole()) {
      int end = sections(tasks).endFirst(known);
      if (end > corpus.known()) {
        begin(end, Integer.MAX_VALUE);
      }
    }
    return underWay != null;
  }

  /**
   * Begins the next section unless one is under way or there is none.
   *
   * @param prefilling whether engines are at work, so that not all cores are free
   */
  void goOn(PrefillTasks tasks, boolean prefilling) {
    if (underWay == null && !corpus.isWhole()) {
      int end = sections(tasks).endNext(corpus.known(), prefilling);
      begin(end, prefilling ? Math.max(1, tasks.beside()) : Integer.MAX_VALUE);
    }
  }

  private Sections sections(PrefillTasks tasks) {
    return new Sections(corpus.partitions(), tasks.reading(), tasks.beside(), tasks.slots());
  }

  private void begin(int end, int mostTasks) {
    int from = corpus.known();
    int all = corpus.partitions();
    String what = "reading and tokenising " + input;
    if (from > 0 || end < all) {
      what = String.format(Locale.ROOT, "%s, %,d to %,d of %,d parts", what, from + 1, end, all);
    }
    SparkContext context = spark.sparkContext();
    context.setJobDescription(what);
    context.setLocalProperty(Waves.INTERRUPT_ON_CANCEL, "true");
    try {
      underWay = corpus.begin(end, mostTasks);
      begun = System.nanoTime();
    } finally {
      context.setLocalProperty(Waves.INTERRUPT_ON_CANCEL, null);
      context.setJobDescription(null);
    }
  }

  /**
   * The documents of the section that has ended.
   *
   * @throws IllegalStateException if it could not be read
   */
  List<DocumentSummary> take() {
    try {
      List<DocumentSummary> documents = corpus.take(underWay);
      underWay = null;
      known =
          known.plus(
              corpus.known() - known.partitions(), documents, (System.nanoTime() - begun) / 1e9);
      log.info(
          "{} documents are known, of {} of {} parts of the input",
          corpus.summaries().size(),
          corpus.known(),
          corpus.partitions());
      return documents;
    } catch (CompletionException e) {
      throw failed(input, e);
    }
  }

  /** What to say when a section of an input could not be read. */
  static IllegalStateException failed(String input, CompletionException e) {
    return new IllegalStateException(
        "Cannot read and tokenise %s: %s".formatted(input, e.getCause().getMessage()),
        e.getCause());
  }

  /** What to wait for; null when no section is under way. */
  CompletableFuture<?> ended() {
    return underWay == null ? null : underWay.job().result();
  }

  /** Whether a section has ended whose documents are not taken yet. */
  boolean hasEnded() {
    return underWay != null && underWay.job().result().isDone();
  }

  /** Whether that section could not be read. */
  boolean hasFailed() {
    return underWay != null && underWay.job().result().isCompletedExceptionally();
  }

  /** Whether all documents are known. */
  boolean isOver() {
    return corpus.isWhole();
  }

  /** Ends what is under way. */
  @Override
  public void close() {
    if (underWay != null) {
      underWay.job().cancel();
    }
  }
}
