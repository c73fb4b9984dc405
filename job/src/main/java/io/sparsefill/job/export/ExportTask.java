package io.sparsefill.job.export;

import io.sparsefill.job.JavaBytes;
import io.sparsefill.job.output.Manifest;
import io.sparsefill.job.output.Storage;
import io.sparsefill.job.output.StoredOutput;
import io.sparsefill.job.output.VisibleDocument;
import io.sparsefill.job.read.KvReader;
import java.io.IOException;
import java.io.Serializable;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.Function;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.util.SerializableConfiguration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes the files of one document. Documents come, and what became of them goes, as {@link
 * JavaBytes}. A failure is told, not thrown: a job that fails leaves other tasks running, which
 * would write on while the destination is cleared. A marker makes those that follow stop at once.
 *
 * @param conf how file systems are reached
 * @param source what all tasks have in common
 */
record ExportTask(Broadcast<SerializableConfiguration> conf, Broadcast<byte[]> source)
    implements Function<byte[], byte[]> {
  private static final Logger LOG = LoggerFactory.getLogger(ExportTask.class);

  private static final String FAILED = Destination.STAGING + "/failed";

  /**
   * What is exported.
   *
   * @param output the run's folder
   * @param manifestJson its manifest as the driver found it
   * @param dest the destination, begun
   * @param format name of the format
   * @param context of no document yet
   */
  record Source(
      String output, String manifestJson, String dest, String format, ExportContext context)
      implements Serializable {}

  /**
   * One document, and the number that names its folder.
   *
   * @param number unique in the export
   * @param document the document
   */
  record Item(int number, VisibleDocument document) implements Serializable {}

  /**
   * What became of a document; both are null where another one had failed before.
   *
   * @param written its files, or null
   * @param failure why not, or null
   */
  record Outcome(ExportedDocument written, String failure) implements Serializable {}

  @Override
  public byte[] call(byte[] bytes) throws IOException {
    Item item = JavaBytes.read(bytes, Item.class);
    Source shared = JavaBytes.read(source.value(), Source.class);
    return JavaBytes.of(outcome(shared, item));
  }

  private Outcome outcome(Source shared, Item item) throws IOException {
    Configuration hadoop = conf.value().value();
    Storage destination = new Storage(hadoop, shared.dest());
    if (destination.exists(FAILED)) {
      return new Outcome(null, null);
    }
    long attempt = TaskContext.get().taskAttemptId();
    String staged = Destination.STAGING + "/" + item.number() + "-" + attempt;
    try {
      return new Outcome(export(hadoop, shared, item.document(), staged), null);
    } catch (IOException | RuntimeException e) {
      if (TaskContext.get().isInterrupted()) {
        throw e;
      }
      LOG.error("Cannot export '{}'", item.document().docId(), e);
      if (!destination.createText(FAILED, String.valueOf(e.getMessage()))) {
        LOG.warn("Another document failed before '{}'", item.document().docId());
      }
      return new Outcome(null, "'" + item.document().docId() + "': " + e.getMessage());
    }
  }

  private static ExportedDocument export(
      Configuration conf, Source source, VisibleDocument document, String staged)
      throws IOException {
    Manifest manifest = Manifest.parse(source.manifestJson(), source.output());
    KvReader reader = KvReader.of(StoredOutput.open(conf, source.output(), manifest));
    Storage destination = new Storage(conf, source.dest());
    ExportContext all = source.context();
    ExportContext context =
        new ExportContext(
            document.docId(),
            all.model(),
            all.fingerprint(),
            Map.copyOf(all.identity()),
            Map.copyOf(all.options()));
    StagedFolder folder = new StagedFolder(destination, staged);
    CacheFormats.of(source.format()).write(reader.document(document), context, folder);
    LOG.info("Exported '{}': {} tokens", document.docId(), document.tokens());
    return new ExportedDocument(
        document.docId(), document.runId(), document.tokens(), staged, folder.files());
  }
}
