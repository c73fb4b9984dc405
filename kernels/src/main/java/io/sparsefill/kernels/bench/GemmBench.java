package io.sparsefill.kernels.bench;

import io.sparsefill.kernels.HalfFloats;
import io.sparsefill.kernels.HostMatrix;
import io.sparsefill.kernels.Tensor;
import io.sparsefill.kernels.cuda.CudaBackend;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * Times the matrix products of a Llama-3-8B layer: the own kernel against cuBLAS, where that loads,
 * in turns. Rows of each product are first compared with sums in double on the host. Weights go
 * round several copies, so that they come from memory and not from the cache, as in a layer loop.
 */
public final class GemmBench {
  private static final String USAGE =
      """
      Usage: GemmBench [--rows 64,256,1024,4096,8192,16384] [--rounds 7] [--threads N] [--json FILE]
        --rows  tokens that pass the weights at a time
      """;
  private static final Set<String> OPTIONS = Set.of("--rows", "--rounds", "--threads", "--json");

  /** More than caches hold. */
  private static final long WEIGHT_BYTES = 256L << 20;

  /** Of a result, and of the sum of its terms' sizes: bf16's rounding, and fp32 sums. */
  private static final double ROUNDING = 1.0 / 256;

  private static final double SUMS = 2e-6;

  private record Weight(String name, int n, int k) {}

  private static final List<Weight> LLAMA_3_8B =
      List.of(
          new Weight("qkv", 6144, 4096),
          new Weight("o", 4096, 4096),
          new Weight("gate_up", 28672, 4096),
          new Weight("down", 4096, 14336));

  private GemmBench() {}

  /** Runs it; exit code 2 for wrong arguments. */
  public static void main(String[] args) throws Exception {
    System.exit(run(args));
  }

  /** The program without its end: returns the exit code. */
  static int run(String... args) throws Exception {
    return Arguments.run(USAGE, OPTIONS, Set.of(), args, GemmBench::bench);
  }

  private static void bench(Arguments arguments) throws Exception {
    int[] rows = arguments.sizes("--rows", "64,256,1024,4096,8192,16384");
    int rounds = arguments.size("--rounds", 7);
    int threads = arguments.size("--threads", Runtime.getRuntime().availableProcessors());
    try (CudaBackend own = CudaBackend.withOwnProducts(threads);
        CudaBackend library = new CudaBackend(threads)) {
      boolean both = !library.products().equals(own.products());
      Map<String, String> environment = Environment.of(library);
      Report report = new Report("GemmBench", environment);
      Report.Table table =
          report.table(
              "Products of a Llama-3-8B layer, TFLOP/s",
              "weight",
              "n",
              "k",
              "rows",
              "own",
              "cuBLAS",
              "own / cuBLAS",
              "checked rows");
      List<CudaBackend> backends = both ? List.of(own, library) : List.of(own);
      for (Weight weight : LLAMA_3_8B) {
        new Products(weight, backends, rounds).measure(rows, table);
        report.save(arguments.text("--json", null));
      }
      report.print();
    }
  }

  /** The products with one weight. */
  private static final class Products {
    private final Weight weight;
    private final List<CudaBackend> backends;
    private final int rounds;
    private final int copies;
    private final Noise weights;

    Products(Weight weight, List<CudaBackend> backends, int rounds) {
      this.weight = weight;
      this.backends = backends;
      this.rounds = rounds;
      long bytes = (long) weight.n * weight.k * Short.BYTES;
      this.copies = Math.toIntExact((WEIGHT_BYTES + bytes - 1) / bytes);
      this.weights = new Noise((long) copies * weight.n, weight.k, 0.02, 7);
    }

    void measure(int[] rows, Report.Table table) {
      // The two backends read the same tensors: they are of one kind and one context.
      try (Tensor w = backends.get(0).upload(weights, weight.name)) {
        for (int m : rows) {
          Noise left = new Noise(m, weight.k, 1, 8);
          try (Tensor a = backends.get(0).upload(left, "left factor");
              Tensor out = backends.get(0).allocate(m, weight.n, "product")) {
            table.row(row(left, a, w, out, m));
          }
        }
      }
    }

    private Object[] row(HostMatrix left, Tensor a, Tensor w, Tensor out, int m) {
      List<Turns.Work> works = new ArrayList<>();
      int[] checked = {0, m / 2, m - 1};
      for (CudaBackend backend : backends) {
        backend.linear(a, w.rows(0, weight.n), null, out, false);
        for (int row : checked) {
          check(left, row, backend.read(out.rows(row, 1)), backend.products());
        }
        int[] turn = new int[1];
        works.add(
            new Turns.Work(
                () -> {
                  turn[0] = (turn[0] + 1) % copies;
                  backend.linear(a, w.rows((long) turn[0] * weight.n, weight.n), null, out, false);
                }));
      }
      double[] seconds =
          Turns.seconds(rounds, () -> backends.forEach(CudaBackend::complete), works);
      double flop = 2.0 * m * weight.n * weight.k;
      double own = flop / seconds[0] / 1e12;
      Double library = backends.size() > 1 ? flop / seconds[1] / 1e12 : null;
      return new Object[] {
        weight.name,
        weight.n,
        weight.k,
        m,
        own,
        library,
        library == null ? null : own / library,
        checked.length
      };
    }

    /** One row of the product with the first copy, against sums in double. */
    private void check(HostMatrix left, int row, float[] actual, String products) {
      float[] a = bf16(left, row);
      IntStream.range(0, weight.n)
          .parallel()
          .forEach(
              column -> {
                float[] w = bf16(weights, column);
                double sum = 0;
                double size = 0;
                for (int i = 0; i < a.length; i++) {
                  double term = (double) a[i] * w[i];
                  sum += term;
                  size += Math.abs(term);
                }
                if (!(Math.abs(actual[column] - sum) <= ROUNDING * Math.abs(sum) + SUMS * size)) {
                  throw new IllegalStateException(
                      "%s, row %d, column %d by %s is %g, but the sum in double is %g"
                          .formatted(weight.name, row, column, products, actual[column], sum));
                }
              });
    }

    private static float[] bf16(HostMatrix matrix, int row) {
      float[] values = new float[matrix.cols()];
      matrix.read(row, 1, values, 0);
      for (int i = 0; i < values.length; i++) {
        values[i] = HalfFloats.fromBf16(HalfFloats.toBf16(values[i]));
      }
      return values;
    }
  }
}
