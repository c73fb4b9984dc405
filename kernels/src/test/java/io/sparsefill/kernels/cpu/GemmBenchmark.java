package io.sparsefill.kernels.cpu;

import io.sparsefill.kernels.ArrayMatrix;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.bytedeco.openblas.global.openblas_nolapack;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * The backend's matrix product against OpenBLAS alone: {@code cblas_sgemm} over the same memory
 * with as many of OpenBLAS's own threads. The two take turns of some dozen products, because a
 * shared machine drifts; what counts is the ratio that each iteration prints. Shapes are those of
 * needle-19m.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.SingleShotTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3)
@Measurement(iterations = 10)
@Fork(1)
public class GemmBenchmark {
  /** Work of one turn: a few hundred milliseconds. */
  private static final double TURN_FLOP = 2e10;

  /** OpenBLAS's threads spin for about 20 ms after their last product before they sleep. */
  private static final long SPIN_MILLIS = 100;

  /** Which weight: its name, K and N. */
  @Param({"qkv:512:768", "output:512:512", "gateUp:512:2816", "down:1408:512", "head:512:4096"})
  public String weight;

  /** Rows of the left matrix: the layer loop's chunk of 2 threads, and 8 times that. */
  @Param({"512", "4096"})
  public int rows;

  /** Threads of both. */
  @Param({"1", "2"})
  public int threads;

  private CpuBackend backend;
  private CpuTensor a;
  private CpuTensor w;
  private CpuTensor out;
  private int k;
  private int n;
  private int products;

  /** Random matrices. */
  @Setup
  public void prepare() {
    String[] sizes = weight.split(":", -1);
    k = Integer.parseInt(sizes[1]);
    n = Integer.parseInt(sizes[2]);
    backend = new CpuBackend(threads);
    Random random = new Random(1);
    a = CpuTensor.of(backend.upload(ArrayMatrix.random(rows, k, 1, random), "left"));
    w = CpuTensor.of(backend.upload(ArrayMatrix.random(n, k, 1, random), "weights"));
    out = CpuTensor.of(backend.allocate(rows, n, "product"));
    products = Math.max(3, (int) (TURN_FLOP / (2.0 * rows * k * n)));
  }

  /** Waits until OpenBLAS's threads have left the cores to the backend. */
  @Setup(Level.Invocation)
  public void letThreadsSleep() throws InterruptedException {
    Thread.sleep(SPIN_MILLIS);
  }

  /** One turn of each; prints the ratio. */
  @Benchmark
  public double inTurns() {
    long start = System.nanoTime();
    for (int i = 0; i < products; i++) {
      backend.linear(a, w, null, out, false);
    }
    double ours = gigaFlops(start);
    openblas_nolapack.blas_set_num_threads(threads);
    try {
      start = System.nanoTime();
      for (int i = 0; i < products; i++) {
        OpenBlas.product(rows, n, k, a.pointer(0), w.pointer(0), 0, out.pointer(0));
      }
      double alone = gigaFlops(start);
      System.out.printf(
          "[backend %.1f GFLOP/s, OpenBLAS alone %.1f, ratio %.2f] ", ours, alone, ours / alone);
      return ours / alone;
    } finally {
      openblas_nolapack.blas_set_num_threads(1);
    }
  }

  private double gigaFlops(long startNanos) {
    return 2.0 * rows * k * n * products / (System.nanoTime() - startNanos);
  }

  /** Gives the memory back. */
  @TearDown
  public void close() {
    a.close();
    w.close();
    out.close();
    backend.close();
  }
}
