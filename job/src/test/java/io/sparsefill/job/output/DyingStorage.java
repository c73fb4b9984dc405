package io.sparsefill.job.output;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.parquet.io.OutputFile;

/** Dies before the n-th change; nothing changes after that, as in a killed process. */
final class DyingStorage extends Storage {
  private int left = Integer.MAX_VALUE;

  /** What a change throws that the process does not live to make. */
  static final class Death extends UncheckedIOException {
    private static final long serialVersionUID = 1;

    Death() {
      super("killed", new IOException("killed"));
    }
  }

  DyingStorage(Path out) throws IOException {
    super(Outputs.CONF, out.toString());
  }

  void dieAfter(int changes) {
    left = changes;
  }

  private void change() {
    if (left-- <= 0) {
      left = 0;
      throw new Death();
    }
  }

  @Override
  public void makeFolder(String relative) throws IOException {
    change();
    super.makeFolder(relative);
  }

  @Override
  public void rename(String from, String to) throws IOException {
    change();
    super.rename(from, to);
  }

  @Override
  public void delete(String relative) throws IOException {
    change();
    super.delete(relative);
  }

  @Override
  public boolean createText(String relative, String text) throws IOException {
    change();
    return super.createText(relative, text);
  }

  @Override
  void replaceText(String relative, String text) throws IOException {
    change();
    if (left == 0) { // the next change is the rename of the new content
      Files.writeString(
          Path.of(path("_" + relative.replaceFirst("^_", "") + ".next").toUri()),
          text.substring(0, 5));
    }
    change();
    super.replaceText(relative, text);
  }

  @Override
  public OutputFile outputFile(String relative) {
    change();
    return super.outputFile(relative);
  }
}
