package io.sparsefill.job;

import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.hadoop.conf.Configuration;

/** How the input holds its documents; the values of {@code --format}. */
public enum InputFormat {
  /** Every file is one document. */
  TEXT,
  /** Every line of a file is one JSON object, which is one document. */
  JSONL,
  /** Every row of a Parquet file is one document. */
  PARQUET,
  /** Every row of a table or view that Spark knows is one document. */
  TABLE;

  private static final Map<String, InputFormat> EXTENSIONS =
      Map.of(
          "txt", TEXT,
          "text", TEXT,
          "md", TEXT,
          "jsonl", JSONL,
          "ndjson", JSONL,
          "json", JSONL,
          "parquet", PARQUET);

  private static final byte[] PARQUET_MAGIC = {'P', 'A', 'R', '1'};

  /** The option's value: the name in lower case. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * The format of that label.
   *
   * @throws IllegalArgumentException if there is none; names the accepted ones
   */
  public static InputFormat of(String label) {
    for (InputFormat format : values()) {
      if (format.label().equals(label)) {
        return format;
      }
    }
    throw new IllegalArgumentException(
        "Cannot read the input: unknown format '%s'; accepted are %s"
            .formatted(
                label,
                Arrays.stream(values()).map(InputFormat::label).collect(Collectors.joining(", "))));
  }

  /**
   * The format of files by their names' endings, or, where these say nothing, by Parquet's first
   * bytes.
   *
   * @throws IllegalArgumentException if a file's format cannot be told, or they differ; names files
   * @throws IOException if a file cannot be opened
   */
  static InputFormat guess(Configuration conf, String input, List<InputFile> files)
      throws IOException {
    Map<InputFormat, InputFile> examples = new EnumMap<>(InputFormat.class);
    for (InputFile file : files) {
      InputFormat format = EXTENSIONS.get(file.extension(conf));
      if (format == null && beginsAsParquet(conf, file)) {
        format = PARQUET;
      }
      if (format == null) {
        throw new IllegalArgumentException(
            ("Cannot tell the format of input '%s': the name of '%s' does not say it "
                    + "(known endings: %s); give --format")
                .formatted(
                    input,
                    file.name(),
                    EXTENSIONS.keySet().stream().sorted().collect(Collectors.joining(", "))));
      }
      examples.putIfAbsent(format, file);
    }
    if (examples.size() != 1) {
      String found =
          examples.entrySet().stream()
              .map(e -> "%s ('%s')".formatted(e.getKey().label(), e.getValue().name()))
              .collect(Collectors.joining(", "));
      throw new IllegalArgumentException(
          ("Cannot tell the format of input '%s': it holds %s; give --format, or a folder "
                  + "of one format")
              .formatted(input, found.isEmpty() ? "no files" : found));
    }
    return examples.keySet().iterator().next();
  }

  private static boolean beginsAsParquet(Configuration conf, InputFile file) throws IOException {
    try (InputStream in = file.openStored(conf)) {
      return Arrays.equals(in.readNBytes(PARQUET_MAGIC.length), PARQUET_MAGIC);
    }
  }
}
