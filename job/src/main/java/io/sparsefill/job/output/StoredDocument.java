package io.sparsefill.job.output;

import static org.apache.parquet.filter2.predicate.FilterApi.and;
import static org.apache.parquet.filter2.predicate.FilterApi.binaryColumn;
import static org.apache.parquet.filter2.predicate.FilterApi.eq;
import static org.apache.parquet.filter2.predicate.FilterApi.intColumn;

import io.sparsefill.udf.KvBlock;
import java.io.Closeable;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Queue;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.filter2.compat.FilterCompat;
import org.apache.parquet.filter2.predicate.FilterPredicate;
import org.apache.parquet.hadoop.metadata.ParquetMetadata;
import org.apache.parquet.io.api.Binary;
import org.apache.parquet.schema.MessageType;

/**
 * KV blocks of one document, layer by layer and inside a layer block by block, from the files that
 * hold them: a task has several open at a time. Each file has its blocks in that order, so they are
 * merged; a file is opened when its first block is due, so no more are open than were when they
 * were written.
 */
final class StoredDocument implements Closeable {
  private static final Comparator<KvBlock> ORDER =
      Comparator.comparingInt(KvBlock::layer).thenComparingInt(KvBlock::block);

  private final Storage storage;
  private final Map<String, ParquetMetadata> files;
  private final FilterCompat.Filter filter;
  private final Queue<Part> open = new PriorityQueue<>();
  private Deque<First> closed;

  /** Every block of a document in files whose footers nobody has read. */
  StoredDocument(Storage storage, String docId, String runId, List<String> files) {
    this(storage, unread(files), rowsOf(docId, runId));
  }

  /**
   * The blocks that pass a filter.
   *
   * @param files their footers by their paths; null where it is not known
   */
  StoredDocument(Storage storage, Map<String, ParquetMetadata> files, FilterCompat.Filter filter) {
    this.storage = storage;
    this.files = files;
    this.filter = filter;
  }

  /** Files whose footers are not known. */
  static Map<String, ParquetMetadata> unread(List<String> files) {
    Map<String, ParquetMetadata> unread = new HashMap<>();
    files.forEach(file -> unread.put(file, null));
    return unread;
  }

  /** Rows of a document only; files and pages that cannot hold it are passed over. */
  static FilterCompat.Filter rowsOf(String docId, String runId) {
    return FilterCompat.get(document(docId, runId));
  }

  /** One layer of a document. */
  static FilterCompat.Filter rowsOf(String docId, String runId, int layer) {
    return FilterCompat.get(and(document(docId, runId), eq(intColumn("layer"), layer)));
  }

  /** One block of a layer. */
  static FilterCompat.Filter rowsOf(String docId, String runId, int layer, int block) {
    FilterPredicate place = and(eq(intColumn("layer"), layer), eq(intColumn("block"), block));
    return FilterCompat.get(and(document(docId, runId), place));
  }

  private static FilterPredicate document(String docId, String runId) {
    return and(
        eq(binaryColumn("doc_id"), Binary.fromString(docId)),
        eq(binaryColumn("run_id"), Binary.fromString(runId)));
  }

  /** The next block, or null after the last. */
  KvBlock next() throws IOException {
    if (closed == null) {
      closed = first();
    }
    while (!closed.isEmpty()
        && (open.isEmpty() || closed.peek().compareTo(open.peek().head) <= 0)) {
      Part part = new Part(closed.remove().file);
      if (part.advance()) {
        open.add(part);
      }
    }
    Part part = open.poll();
    if (part == null) {
      return null;
    }
    KvBlock next = part.head;
    if (part.advance()) {
      open.add(part);
    }
    return next;
  }

  /** The files that have blocks of the document, by the first of them. */
  private Deque<First> first() throws IOException {
    List<First> first = new ArrayList<>();
    MessageType place = Table.KV.columns("doc_id", "layer", "block", "run_id");
    for (String file : files.keySet()) {
      try (StoredRows reader = StoredRows.open(storage, file, files.get(file), place, filter)) {
        Group row = reader.next();
        if (row != null) {
          first.add(new First(file, row.getInteger("layer", 0), row.getInteger("block", 0)));
        }
      }
    }
    first.sort(Comparator.comparingInt(First::layer).thenComparingInt(First::block));
    return new ArrayDeque<>(first);
  }

  @Override
  public void close() throws IOException {
    IOException failure = null;
    for (Part part = open.poll(); part != null; part = open.poll()) {
      try {
        part.close();
      } catch (IOException e) {
        if (failure == null) {
          failure = e;
        } else {
          failure.addSuppressed(e);
        }
      }
    }
    if (failure != null) {
      throw failure;
    }
  }

  /** A file's first block. */
  private record First(String file, int layer, int block) {
    int compareTo(KvBlock other) {
      return layer != other.layer()
          ? Integer.compare(layer, other.layer())
          : Integer.compare(block, other.block());
    }
  }

  /** An open file and the block that comes next in it. */
  private final class Part implements Closeable, Comparable<Part> {
    private final String file;
    private final StoredRows reader;
    private KvBlock head;

    Part(String file) throws IOException {
      this.file = file;
      reader = StoredRows.open(storage, file, files.get(file), Table.KV.parquet(), filter);
    }

    /** Goes on to the next block; closes the file when there is none, or when it cannot be read. */
    boolean advance() throws IOException {
      boolean complete = false;
      try {
        Group row = reader.next();
        head = row == null ? null : KvCells.block(row);
        complete = row != null;
      } catch (IllegalArgumentException e) { // cells that are not what the row says
        throw new IOException("Cannot read " + storage.path(file) + ": " + e.getMessage(), e);
      } finally {
        if (!complete) {
          close();
        }
      }
      return complete;
    }

    @Override
    public int compareTo(Part other) {
      return ORDER.compare(head, other.head);
    }

    @Override
    public void close() throws IOException {
      reader.close();
    }
  }
}
