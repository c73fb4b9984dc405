package io.sparsefill.job;

import java.io.IOException;
import org.apache.hadoop.conf.Configuration;
import org.apache.parquet.column.page.PageReadStore;
import org.apache.parquet.hadoop.ParquetFileReader;
import org.apache.parquet.io.ColumnIOFactory;
import org.apache.parquet.io.RecordReader;
import org.apache.parquet.schema.MessageType;

/**
 * Reads the documents of a {@link ParquetPart}, one per row, and only the columns they are made of.
 * parquet-java is used directly because Spark's reader ends the whole job at a corrupt file, or
 * leaves its rows out silently.
 */
final class ParquetRowGroupReader implements DocumentReader {
  private final Configuration conf;
  private final DocumentColumns names;
  private final ParquetPart part;
  private ParquetFileReader file;
  private RecordReader<ParquetRow> rows;
  private long rowCount;
  private long row;
  private boolean ended;

  ParquetRowGroupReader(Configuration conf, DocumentColumns names, ParquetPart part) {
    this.conf = conf;
    this.names = names;
    this.part = part;
  }

  @Override
  public Document next() {
    if (ended) {
      return null;
    }
    if (part.error() != null) {
      ended = true;
      return new UnreadableDocumentException(part.error())
          .toDocument(part.file().name(), part.file().path(), ContentHash.OF_NOTHING);
    }
    ParquetRow current;
    try {
      if (rows == null) {
        open();
      }
      if (row == rowCount) {
        ended = true;
        return null;
      }
      current = rows.read();
    } catch (IOException | RuntimeException | UnreadableDocumentException e) {
      ended = true;
      return new UnreadableDocumentException(
              "this row and the rest of the row group cannot be read: "
                  + UnreadableDocumentException.of(e).getMessage())
          .toDocument(id(), source(), ContentHash.OF_NOTHING);
    }
    Document document = current.document(id(), source());
    row++;
    return document;
  }

  private void open() throws IOException, UnreadableDocumentException {
    file = ParquetPart.open(conf, part.file());
    MessageType schema = file.getFileMetaData().getSchema();
    ParquetColumns columns = ParquetColumns.of(names, schema);
    file.setRequestedSchema(columns.projection());
    PageReadStore pages = file.readRowGroup(part.rowGroup());
    rowCount = pages.getRowCount();
    rows =
        new ColumnIOFactory(file.getFileMetaData().getCreatedBy())
            .getColumnIO(columns.projection(), schema)
            .getRecordReader(pages, new ParquetRow(columns));
  }

  @Override
  public void close() throws IOException {
    if (file != null) {
      file.close();
    }
  }

  private String id() {
    return part.file().name() + "#" + (part.firstRow() + row);
  }

  private String source() {
    return "%s, row group %d, row %d"
        .formatted(part.file().path(), part.rowGroup(), part.firstRow() + row);
  }
}
