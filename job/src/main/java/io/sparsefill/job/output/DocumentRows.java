package io.sparsefill.job.output;

import io.sparsefill.job.DocumentRow;
import io.sparsefill.job.DocumentStatus;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;

/** Reads and writes files of the documents table. */
final class DocumentRows {
  private DocumentRows() {}

  /** All rows of a file, which has those of one wave. */
  static List<DocumentRow> read(Storage storage, String path) throws IOException {
    List<DocumentRow> rows = new ArrayList<>();
    try (StoredRows reader = StoredRows.open(storage, path, Table.DOCUMENTS.parquet())) {
      for (Group row = reader.next(); row != null; row = reader.next()) {
        rows.add(row(row));
      }
    }
    return rows;
  }

  /**
   * Writes a file.
   *
   * @param metadata of its footer
   * @return its length in bytes
   */
  static long write(
      Storage storage, String path, List<DocumentRow> rows, Map<String, String> metadata)
      throws IOException {
    TableFile<DocumentRow> file =
        new TableFile<>(
            storage,
            path,
            Table.DOCUMENTS,
            RowWriter::documents,
            CompressionCodecName.ZSTD,
            metadata,
            TableFile.PAGE_ROWS);
    try (file) {
      for (DocumentRow row : rows) {
        file.write(row);
      }
    }
    return file.stored(storage).bytes();
  }

  private static DocumentRow row(Group row) {
    return new DocumentRow(
        StoredRows.text(row, "doc_id"),
        StoredRows.text(row, "source"),
        StoredRows.text(row, "content_sha256"),
        row.getInteger("token_count", 0),
        DocumentStatus.valueOf(StoredRows.text(row, "status").toUpperCase(Locale.ROOT)),
        StoredRows.text(row, "error"),
        StoredRows.text(row, "attention"),
        StoredRows.float64(row, "density"),
        StoredRows.float64(row, "prefill_seconds"),
        StoredRows.text(row, "device"),
        StoredRows.text(row, "fingerprint"),
        StoredRows.text(row, "run_id"));
  }
}
