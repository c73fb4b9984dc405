package io.sparsefill.kernels;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * One file of {@code golden/minference}: attention inputs, and what MInference's own code computes
 * from them. Cases and sizes are found by reading the files, so another folder of the same form can
 * be checked too.
 */
final class GoldenCase {
  private static final Pattern OUTPUT =
      Pattern.compile("(vs|a_shape|block_sparse)_(\\d+)(?:_(\\d+))?\\.out");

  private final String name;
  private final StoredTensors tensors;
  private final AttentionInput input;

  private GoldenCase(Path file) throws IOException {
    name = file.getFileName().toString().replace(".safetensors", "");
    tensors = new StoredTensors(file);
    int[] q = tensors.shape("q");
    int kvHeads = tensors.shape("k")[0];
    AttentionShape shape = AttentionInput.shape(q[1], q[0], kvHeads, q[2], 0);
    input =
        new AttentionInput(
            shape,
            tokenMajor(tensors.floats("q"), shape.heads(), shape),
            tokenMajor(tensors.floats("k"), kvHeads, shape),
            tokenMajor(tensors.floats("v"), kvHeads, shape));
  }

  /** All cases; the calling test is skipped, saying so, where there are none. */
  static List<GoldenCase> all() throws IOException {
    String golden = System.getProperty("sparsefill.golden");
    orSkip(golden != null, "skipped: system property sparsefill.golden is not set");
    Path folder = Path.of(golden, "minference");
    orSkip(Files.isDirectory(folder), "skipped: there is no folder " + folder);
    List<GoldenCase> cases = new ArrayList<>();
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.filter(f -> f.toString().endsWith(".safetensors")).sorted().toList()) {
        cases.add(new GoldenCase(file));
      }
    }
    orSkip(!cases.isEmpty(), "skipped: no .safetensors file in " + folder);
    return cases;
  }

  /** Skips the calling test; prints the reason, which Surefire does not. */
  private static void orSkip(boolean found, String reason) {
    if (!found) {
      System.out.println("golden/minference: " + reason);
    }
    assumeTrue(found, reason);
  }

  /**
   * One pattern that upstream ran.
   *
   * @param key its name in the file, as {@code vs_100_800}
   */
  record Run(String key, HeadPattern pattern) {}

  List<Run> runs() {
    List<Run> runs = new ArrayList<>();
    for (String tensor : tensors.names()) {
      Matcher match = OUTPUT.matcher(tensor);
      if (match.matches()) {
        int first = Integer.parseInt(match.group(2));
        int second = match.group(3) == null ? 0 : Integer.parseInt(match.group(3));
        HeadPattern pattern =
            switch (match.group(1)) {
              case "vs" -> new HeadPattern.VerticalSlash(first, second);
              case "a_shape" -> new HeadPattern.AShape(first, second);
              default -> new HeadPattern.BlockSparse(first);
            };
        runs.add(new Run(tensor.substring(0, tensor.length() - ".out".length()), pattern));
      }
    }
    return runs;
  }

  String name() {
    return name;
  }

  AttentionInput input() {
    return input;
  }

  /** An output as [T, H * D]. */
  float[] output(String tensor) {
    AttentionShape shape = input.shape();
    return tokenMajor(tensors.floats(tensor), shape.heads(), shape).values();
  }

  /** Row {@code head} of an integer tensor [heads, n]. */
  int[] line(String tensor, int head) {
    int n = tensors.shape(tensor)[1];
    return Arrays.copyOfRange(tensors.ints(tensor), head * n, (head + 1) * n);
  }

  /** The file's tensors. */
  StoredTensors tensors() {
    return tensors;
  }

  /** Upstream's scores of a head's lines, before forcing. */
  LineScores scores(int head) {
    return new LineScores(row("vertical_scores", head), row("slash_scores", head));
  }

  private double[] row(String tensor, int head) {
    float[] all = tensors.floats(tensor);
    int n = input.shape().tokens();
    double[] row = new double[n];
    for (int i = 0; i < n; i++) {
      row[i] = all[head * n + i];
    }
    return row;
  }

  /** [heads, T, D] to [T, heads * D]. */
  private static ArrayMatrix tokenMajor(float[] headMajor, int heads, AttentionShape shape) {
    int d = shape.headDim();
    float[] rows = new float[headMajor.length];
    for (int head = 0; head < heads; head++) {
      for (int t = 0; t < shape.tokens(); t++) {
        System.arraycopy(
            headMajor, (head * shape.tokens() + t) * d, rows, (t * heads + head) * d, d);
      }
    }
    return new ArrayMatrix(heads * d, rows);
  }
}
