package io.sparsefill.kernels.bench;

import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.HostMatrix;
import io.sparsefill.kernels.attention.LineSelection;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Queries and keys from which the estimate of vertical-slash must choose given lines. The last 64
 * queries, which it looks at, are unit vectors: query i of them reads dimension i of each key, so
 * the keys hold their scores. A score is {@value #SLASH_SCORE} on a planted distance, {@value
 * #COLUMN_SCORE} on a planted column, and noise of deviation 1 elsewhere. Hence a planted
 * distance's sum over 64 rows outweighs any that only crosses columns (up to 38 of them), and a
 * planted column's outweighs those of local keys. All other queries are noise.
 *
 * <p>Each 64 dimensions of a KV head hold one set of lines, which its query heads take in turns:
 * with D = 128 and groups of four, two heads of a group share their lines.
 */
final class PlantedHeads {
  private static final double SLASH_SCORE = 6.5;
  private static final double COLUMN_SCORE = 7.0;
  private static final double QUERY_DEVIATION = 0.5;

  private final AttentionShape shape;
  private final List<LineSelection> sets;

  private PlantedHeads(AttentionShape shape, List<LineSelection> sets) {
    this.shape = shape;
    this.sets = sets;
  }

  /** Heads of one layer which all have the same pattern, each set with lines of its own. */
  static PlantedHeads of(AttentionShape shape, HeadPattern.VerticalSlash pattern) {
    int sets = shape.kvHeads() * setsOfKvHead(shape);
    return new PlantedHeads(
        shape,
        IntStream.range(0, sets)
            .mapToObj(set -> PlantedLines.of(pattern, shape.tokens(), 1000 + set))
            .toList());
  }

  private static int setsOfKvHead(AttentionShape shape) {
    return shape.headDim() / PlantedLines.LAST_QUERIES;
  }

  /** The lines that there are; {@link #setOf} says which a head has. */
  List<LineSelection> sets() {
    return sets;
  }

  /** Which lines a query head chooses. */
  int setOf(int head) {
    int perKvHead = setsOfKvHead(shape);
    return head / shape.group() * perKvHead + head % shape.group() % perKvHead;
  }

  /** Queries [T, H * D]; they are the same for all patterns. */
  static HostMatrix queries(AttentionShape shape) {
    int d = shape.headDim();
    int perKvHead = setsOfKvHead(shape);
    int cols = shape.heads() * d;
    Noise noise = new Noise(shape.tokens(), cols, QUERY_DEVIATION, 1);
    float one = (float) (1 / shape.scale());
    return new Rows(shape.tokens(), cols) {
      @Override
      void row(long token, float[] target, int offset) {
        int last = (int) (token - (rows() - PlantedLines.LAST_QUERIES));
        if (last < 0) {
          noise.read(token, 1, target, offset);
          return;
        }
        Arrays.fill(target, offset, offset + cols, 0);
        for (int head = 0; head < shape.heads(); head++) {
          int set = head % shape.group() % perKvHead;
          target[offset + head * d + set * PlantedLines.LAST_QUERIES + last] = one;
        }
      }
    };
  }

  /** Keys [T, G * D]. */
  HostMatrix keys() {
    int tokens = shape.tokens();
    boolean[][] distances = new boolean[sets.size()][tokens];
    boolean[][] columns = new boolean[sets.size()][tokens];
    for (int set = 0; set < sets.size(); set++) {
      for (int distance : sets.get(set).distances()) {
        distances[set][distance] = true;
      }
      for (int column : sets.get(set).verticals()) {
        columns[set][column] = true;
      }
    }
    int cols = shape.kvHeads() * shape.headDim();
    Noise noise = new Noise(tokens, cols, 1, 2);
    return new Rows(tokens, cols) {
      @Override
      void row(long token, float[] target, int offset) {
        noise.read(token, 1, target, offset);
        for (int set = 0; set < sets.size(); set++) {
          int at = offset + set * PlantedLines.LAST_QUERIES;
          // Distance of the first of the last queries; the i-th is i further away.
          int nearest = (int) (tokens - PlantedLines.LAST_QUERIES - token);
          for (int i = 0; i < PlantedLines.LAST_QUERIES; i++) {
            if (columns[set][(int) token]) {
              target[at + i] = (float) COLUMN_SCORE;
            } else if (nearest + i >= 0 && distances[set][nearest + i]) {
              target[at + i] = (float) SLASH_SCORE;
            }
          }
        }
      }
    };
  }

  /** Values [T, G * D]. */
  static HostMatrix values(AttentionShape shape) {
    return new Noise(shape.tokens(), shape.kvHeads() * shape.headDim(), 1, 3);
  }

  /** A matrix that is computed row by row. */
  private abstract static class Rows implements HostMatrix {
    private final long rows;
    private final int cols;

    Rows(long rows, int cols) {
      this.rows = rows;
      this.cols = cols;
    }

    abstract void row(long token, float[] target, int offset);

    @Override
    public long rows() {
      return rows;
    }

    @Override
    public int cols() {
      return cols;
    }

    @Override
    public void read(long from, int count, float[] target, int offset) {
      for (int i = 0; i < count; i++) {
        row(from + i, target, offset + i * cols);
      }
    }
  }
}
