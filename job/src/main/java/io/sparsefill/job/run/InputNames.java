package io.sparsefill.job.run;

import io.sparsefill.job.DocumentSummary;
import io.sparsefill.job.TokenizedCorpus;
import io.sparsefill.job.output.OutputFolder;
import java.io.PrintWriter;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;

/** The names of an input's documents beside those that the output holds. */
final class InputNames {
  private InputNames() {}

  /**
   * How many documents that the output holds the input has no more; null where the input was not
   * read to its end.
   */
  static Long gone(TokenizedCorpus corpus, RunOptions options, OutputFolder output) {
    if (!corpus.isWhole() || options.input().limit() != null) {
      return null;
    }
    Set<String> gone = new HashSet<>(output.ids());
    corpus.summaries().forEach(document -> gone.remove(document.docId()));
    return (long) gone.size();
  }

  /**
   * All names, for the output to keep no others; null where all are kept, and where the names are
   * not certain to be complete.
   *
   * @param report is told when they are not
   */
  static Set<String> listed(TokenizedCorpus corpus, RunOptions options, PrintWriter report) {
    if (!options.retain().unlisted()) {
      return null;
    }
    List<DocumentSummary> documents = corpus.summaries();
    long unreadable = documents.stream().filter(DocumentSummary::isUnreadable).count();
    if (unreadable > 0 || documents.isEmpty() || !corpus.isWhole()) {
      report.printf(
          Locale.ROOT,
          "No document is removed for not being in the input: of the input's %,d documents %,d could not be read, and their names may be others.%n",
          documents.size(),
          unreadable);
      return null;
    }
    return documents.stream().map(DocumentSummary::docId).collect(Collectors.toSet());
  }
}
