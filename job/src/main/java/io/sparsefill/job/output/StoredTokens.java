package io.sparsefill.job.output;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.filter2.compat.FilterCompat;

/** Reads a document's token ids back, and checks them against their hashes. */
final class StoredTokens {
  private StoredTokens() {}

  /** One row of the tokens table. */
  @SuppressWarnings("ArrayRecordComponent") // read once, never compared
  private record Ids(int start, int[] ids, String prefixSha256) {}

  /**
   * All T ids.
   *
   * @param files of the tokens table that may have the document
   * @throws IOException when some are missing or another document's hash comes out
   */
  static int[] read(Storage storage, VisibleDocument document, List<String> files)
      throws IOException {
    Map<Integer, Ids> blocks = new TreeMap<>();
    FilterCompat.Filter filter = StoredDocument.rowsOf(document.docId(), document.runId());
    for (String file : files) {
      try (StoredRows rows = StoredRows.open(storage, file, Table.TOKENS.parquet(), filter)) {
        for (Group row = rows.next(); row != null; row = rows.next()) {
          blocks.put(row.getInteger("block", 0), ids(row));
        }
      }
    }
    int[] tokens = new int[document.tokens()];
    PrefixHashes hashes = new PrefixHashes();
    int read = 0;
    for (Map.Entry<Integer, Ids> entry : blocks.entrySet()) {
      Ids block = entry.getValue();
      int end = block.start() + block.ids().length;
      if (block.start() != read || end > tokens.length) {
        throw broken(storage, document, "block " + entry.getKey() + " begins at " + block.start());
      }
      System.arraycopy(block.ids(), 0, tokens, read, block.ids().length);
      if (!hashes.add(tokens, read, end).equals(block.prefixSha256())) {
        throw broken(storage, document, "block " + entry.getKey() + " does not fit its hash");
      }
      read = end;
    }
    if (read < tokens.length) {
      throw broken(storage, document, "the table has only the first " + read);
    }
    return tokens;
  }

  private static Ids ids(Group row) {
    Group list = row.getGroup("token_ids", 0);
    int[] ids = new int[list.getFieldRepetitionCount("list")];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = StoredRows.listItem(list, i).getInteger("element", 0);
    }
    return new Ids(row.getInteger("token_start", 0), ids, row.getString("prefix_sha256", 0));
  }

  private static IOException broken(Storage storage, VisibleDocument document, String reason) {
    return new IOException(
        String.format(
            "Cannot read the %d tokens of '%s' (run %s) from %s: %s; run verify",
            document.tokens(), document.docId(), document.runId(), storage.root(), reason));
  }
}
