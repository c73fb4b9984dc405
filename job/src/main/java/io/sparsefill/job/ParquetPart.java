package io.sparsefill.job;

import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.parquet.HadoopReadOptions;
import org.apache.parquet.ParquetReadOptions;
import org.apache.parquet.hadoop.ParquetFileReader;
import org.apache.parquet.hadoop.metadata.BlockMetaData;
import org.apache.parquet.hadoop.util.HadoopInputFile;

/**
 * A row group of a Parquet file: what one task reads at least.
 *
 * @param rowGroup its index in the file
 * @param firstRow index in the file of its first row
 * @param bytes stored, of all columns
 * @param error why the file cannot be read, or null; such a file has one part
 */
record ParquetPart(InputFile file, int rowGroup, long firstRow, long bytes, String error)
    implements Serializable {

  /** The row groups of a file, from its footer; one part with the error if it has no good one. */
  static List<ParquetPart> of(Configuration conf, DocumentColumns names, InputFile file) {
    List<ParquetPart> parts = new ArrayList<>();
    try (ParquetFileReader reader = open(conf, file)) {
      ParquetColumns.of(names, reader.getFileMetaData().getSchema());
      long row = 0;
      for (BlockMetaData block : reader.getRowGroups()) {
        parts.add(new ParquetPart(file, parts.size(), row, block.getCompressedSize(), null));
        row += block.getRowCount();
      }
      return parts;
    } catch (IOException | RuntimeException | UnreadableDocumentException e) {
      return List.of(
          new ParquetPart(file, 0, 0, 0, UnreadableDocumentException.of(e).getMessage()));
    }
  }

  /** Opens a file and reads its footer; pages that carry a checksum will be checked. */
  static ParquetFileReader open(Configuration conf, InputFile file) throws IOException {
    ParquetReadOptions options =
        HadoopReadOptions.builder(conf, file.hadoopPath())
            .usePageChecksumVerification(true)
            .build();
    return ParquetFileReader.open(HadoopInputFile.fromPath(file.hadoopPath(), conf), options);
  }
}
