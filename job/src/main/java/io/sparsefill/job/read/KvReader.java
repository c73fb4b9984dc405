package io.sparsefill.job.read;

import io.sparsefill.job.output.Manifest;
import io.sparsefill.job.output.OutputRefused;
import io.sparsefill.job.output.StoredOutput;
import io.sparsefill.job.output.VisibleDocument;
import io.sparsefill.udf.Emit;
import java.io.IOException;
import java.util.List;
import org.apache.hadoop.conf.Configuration;

/**
 * Reads the KV caches in a run's output folder; no Spark session is needed. Of a document, the row
 * groups and pages of what is asked for are read, and nothing else: file footers, which are kept,
 * row group statistics and the page index lead there.
 *
 * <pre>{@code
 * KvReader reader = KvReader.open("out");
 * LayerCache layer = reader.document("a.txt").layer(3);
 * }</pre>
 *
 * <p>It shows what had been committed when it was opened, and holds no file open but inside of
 * {@link KvBlocks}, so there is nothing to close. Threads may share it.
 */
public final class KvReader {
  private final StoredOutput stored;

  private KvReader(StoredOutput stored) {
    this.stored = stored;
  }

  /**
   * Opens a folder on this machine or wherever Hadoop's default configuration finds it.
   *
   * @throws OutputRefused when it holds no output of a run, or one without keys and values
   */
  public static KvReader open(String output) throws IOException {
    return open(output, new Configuration());
  }

  /**
   * Opens a folder.
   *
   * @param output a path of any Hadoop file system
   * @param conf how file systems are reached
   * @throws OutputRefused when it holds no output of a run, or one without keys and values
   */
  public static KvReader open(String output, Configuration conf) throws IOException {
    return of(StoredOutput.open(conf, output));
  }

  /**
   * Reads from what is open already.
   *
   * @throws OutputRefused when it has no keys and values
   */
  public static KvReader of(StoredOutput stored) throws OutputRefused {
    if (!stored.identity().emit().contains(Emit.KV)) {
      throw new OutputRefused(
          "Cannot read keys and values from "
              + stored.root()
              + ": its runs wrote --emit "
              + stored.manifest().identity().get("emit")
              + "; run with --emit kv into another folder");
    }
    return new KvReader(stored);
  }

  /** The folder's manifest: {@link Manifest#identity()} says what made the numbers. */
  public Manifest manifest() {
    return stored.manifest();
  }

  /** Names of all documents that are pre-filled (ok or truncated), sorted. */
  public List<String> documents() throws IOException {
    return stored.documents().stream().map(VisibleDocument::docId).toList();
  }

  /**
   * The cache of a document's newest content.
   *
   * @throws OutputRefused when there is no finished document of that name; the message says what
   *     became of it or names some that there are
   */
  public StoredCache document(String docId) throws IOException {
    return document(stored.document(docId));
  }

  /** The cache of a document that has been looked up. */
  public StoredCache document(VisibleDocument document) throws IOException {
    return new TableCache(stored, document);
  }
}
