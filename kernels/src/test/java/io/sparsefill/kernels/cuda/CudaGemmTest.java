package io.sparsefill.kernels.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sparsefill.kernels.HalfFloats;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Random;
import jcuda.Pointer;
import jcuda.driver.JCudaDriver;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Matrix products of cuBLAS and of the own kernel. The oracle is the product in double of the same
 * bf16 numbers; every element must lie within what fp32 sums and one rounding at the end allow.
 */
class CudaGemmTest {
  private static final int[][] SHAPES = {
    {1, 1, 1}, {1, 300, 65}, {7, 63, 7}, {64, 1, 128}, {65, 64, 63}, {127, 257, 200}, {129, 511, 72}
  };

  /** Rows before and after the ones that the product may use. */
  private static final int MARGIN = 2;

  private final Random random = new Random(5);

  @ParameterizedTest
  @EnumSource(
      value = GemmChoice.class,
      names = {"OWN", "CUBLAS"})
  void productsMatchDoubleSums(GemmChoice choice) {
    assumeTrue(
        CudaDriver.unavailable().isEmpty(), () -> "no device: " + CudaDriver.unavailable().get());
    assumeTrue(
        choice == GemmChoice.OWN || CublasGemm.unavailable().isEmpty(),
        () -> "no cuBLAS: " + CublasGemm.unavailable().get());
    inContext(
        (context, stream, memory) -> {
          try (CudaGemm gemm = choice.open(() -> TiledGemm.open(context, memory, stream))) {
            for (int[] shape : SHAPES) {
              checkKinds(gemm::product, gemm.addsBias(), gemm.name(), stream, memory, shape);
            }
          }
        });
  }

  /** The same oracle for each tile of the own kernel, and for parts of k, full and nearly empty. */
  @Test
  void everyPlanGivesTheProduct() {
    assumeTrue(
        CudaDriver.unavailable().isEmpty(), () -> "no device: " + CudaDriver.unavailable().get());
    inContext(
        (context, stream, memory) -> {
          try (TiledGemm gemm = TiledGemm.open(context, memory, stream)) {
            for (int tile = 0; tile < gemm.tiles().size(); tile++) {
              for (int parts : new int[] {1, 2, 3}) {
                GemmPlan plan = new GemmPlan(tile, parts);
                Product product =
                    (s, a, w, b, out, add) -> gemm.product(s, a, w, b, out, add, plan);
                for (int[] shape : new int[][] {{130, 262, 129}, {33, 65, 191}}) {
                  checkKinds(product, true, plan.toString(), stream, memory, shape);
                }
              }
            }
          }
        });
  }

  /** {@link CudaGemm#product}. */
  private interface Product {
    void enqueue(
        CudaStream stream,
        CudaTensor a,
        CudaTensor w,
        CudaTensor bias,
        CudaTensor out,
        boolean accumulate);
  }

  private interface Body {
    void run(CudaContext context, CudaStream stream, DeviceMemory memory);
  }

  private static void inContext(Body body) {
    CudaContext context = CudaContext.acquire(0);
    try {
      context.enter();
      DeviceMemory memory = new DeviceMemory(context);
      try (CudaStream stream = new CudaStream()) {
        body.run(context, stream, memory);
      }
      assertThat(memory.bytes()).isZero();
    } finally {
      context.release();
    }
  }

  private void checkKinds(
      Product product,
      boolean addsBias,
      String name,
      CudaStream stream,
      DeviceMemory memory,
      int[] shape) {
    for (ElementType type : ElementType.values()) {
      for (boolean accumulate : new boolean[] {false, true}) {
        for (boolean bias : addsBias ? new boolean[] {false, true} : new boolean[] {false}) {
          check(product, name, stream, memory, shape, type, accumulate, bias);
        }
      }
    }
  }

  private void check(
      Product product,
      String name,
      CudaStream stream,
      DeviceMemory memory,
      int[] shape,
      ElementType type,
      boolean accumulate,
      boolean bias) {
    int m = shape[0];
    int n = shape[1];
    int k = shape[2];
    float[] left = numbers(m * k);
    float[] right = numbers(n * k);
    float[] offsets = numbers(n);
    float[] before = numbers(m * n);
    try (CudaTensor a = tensor(memory, m, k, ElementType.BF16, left);
        CudaTensor w = tensor(memory, n, k, ElementType.BF16, right);
        CudaTensor b = tensor(memory, 1, n, ElementType.BF16, offsets);
        CudaTensor out = tensor(memory, m, n, type, accumulate ? before : nan(m * n))) {
      product.enqueue(
          stream,
          a.rows(MARGIN, m),
          w.rows(MARGIN, n),
          bias ? b.rows(MARGIN, 1) : null,
          out.rows(MARGIN, m),
          accumulate);
      stream.synchronize("a product");
      float[] result = read(out);
      int stride = Math.toIntExact(out.stride());
      for (int r = 0; r < m; r++) {
        for (int c = 0; c < n; c++) {
          double offset = bias ? offsets[c] : 0;
          double was = accumulate ? before[r * n + c] : 0;
          double sum = offset + was;
          double size = Math.abs(offset) + Math.abs(was);
          for (int d = 0; d < k; d++) {
            double term = (double) left[r * k + d] * right[c * k + d];
            sum += term;
            size += Math.abs(term);
          }
          // Half of the last of bf16's eight bits, next to fp32's sums.
          double rounding = type == ElementType.BF16 ? Math.ulp((float) sum) * (1 << 15) : 0;
          assertThat((double) result[(r + MARGIN) * stride + c])
              .as(
                  "%s: [%d, %d] of [%d, %d, %d], %s, accumulate %s, bias %s",
                  name, r, c, m, n, k, type, accumulate, bias)
              .isBetween(sum - rounding - 2e-6 * size, sum + rounding + 2e-6 * size);
        }
      }
      for (int i = 0; i < MARGIN * stride; i++) {
        assertThat(result[i]).as("before the rows of the product").isNaN();
        assertThat(result[(m + MARGIN) * stride + i]).as("after the rows of the product").isNaN();
      }
    }
  }

  private float[] numbers(int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = HalfFloats.fromBf16(HalfFloats.toBf16((float) random.nextGaussian()));
    }
    return values;
  }

  private static float[] nan(int count) {
    float[] values = new float[count];
    Arrays.fill(values, Float.NaN);
    return values;
  }

  /** The values with NaN around them: in {@link #MARGIN} rows at both ends, and in the padding. */
  private static CudaTensor tensor(
      DeviceMemory memory, int rows, int cols, ElementType type, float[] values) {
    CudaTensor tensor = CudaTensor.allocate(memory, rows + 2 * MARGIN, cols, type, "a test");
    int stride = Math.toIntExact(tensor.stride());
    ByteBuffer bytes = buffer(tensor);
    for (int i = 0; i < tensor.rows() * stride; i++) {
      int row = i / stride - MARGIN;
      int col = i % stride;
      float x = row >= 0 && row < rows && col < cols ? values[row * cols + col] : Float.NaN;
      if (type == ElementType.BF16) {
        bytes.putShort(HalfFloats.toBf16(x));
      } else {
        bytes.putFloat(x);
      }
    }
    CudaDriver.check(
        JCudaDriver.cuMemcpyHtoD(
            tensor.memory().at(0), Pointer.to(bytes.rewind()), bytes.capacity()),
        "copy to the device");
    return tensor;
  }

  private static float[] read(CudaTensor tensor) {
    ByteBuffer bytes = buffer(tensor);
    CudaDriver.check(
        JCudaDriver.cuMemcpyDtoH(Pointer.to(bytes), tensor.memory().at(0), bytes.capacity()),
        "copy from the device");
    float[] values = new float[bytes.capacity() / tensor.type().bytes()];
    for (int i = 0; i < values.length; i++) {
      values[i] =
          tensor.type() == ElementType.BF16
              ? HalfFloats.fromBf16(bytes.getShort())
              : bytes.getFloat();
    }
    return values;
  }

  private static ByteBuffer buffer(CudaTensor tensor) {
    int size = Math.toIntExact(tensor.rows() * tensor.rowBytes());
    return ByteBuffer.allocateDirect(size).order(ByteOrder.LITTLE_ENDIAN);
  }
}
