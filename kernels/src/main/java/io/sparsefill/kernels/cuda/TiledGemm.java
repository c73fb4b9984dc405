package io.sparsefill.kernels.cuda;

import static io.sparsefill.kernels.cuda.CudaDriver.check;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import jcuda.driver.CUdevice_attribute;
import jcuda.driver.JCudaDriver;

/** The own tensor-core kernels of {@code gemm.cu}: what a driver alone can run. */
final class TiledGemm implements CudaGemm {
  /** The kernels' tiles, with what {@link GemmPlan.Tile} says of them in microseconds. */
  private enum Shape {
    WIDE(1.08, 1.08),
    SQUARE(0.72, 1.10),
    LOW(0.56, 1.10);

    private final double slice;
    private final double fullSlice;

    Shape(double slice, double fullSlice) {
      this.slice = slice;
      this.fullSlice = fullSlice;
    }

    private String text() {
      return name().toLowerCase(Locale.ROOT);
    }

    private Kernel kernel(CudaModule module, ElementType type) {
      return module.kernel(
          "gemm_%s_%s".formatted(text(), type == ElementType.FP32 ? "f32" : "bf16"));
    }
  }

  /** The smallest tile's sums take 32 KiB, and one that is cut has at least two of them. */
  private static final int ARRIVED_PER_MULTIPROCESSOR = 4;

  private final List<Kernel> toBf16;
  private final List<Kernel> toFloat;
  private final List<GemmPlan.Tile> tiles;
  private final int multiprocessors;
  private final DeviceMemory.Block workspace;

  private TiledGemm(CudaContext context, DeviceMemory.Block workspace) {
    CudaModule module = context.module("gemm");
    this.toBf16 = kernels(module, ElementType.BF16);
    this.toFloat = kernels(module, ElementType.FP32);
    this.tiles = tiles(toBf16.stream().map(Kernel::resident).toList());
    this.multiprocessors = multiprocessors(context);
    this.workspace = workspace;
  }

  /** Kernels that cut k into parts where that is faster; they own a workspace for the sums. */
  static TiledGemm open(CudaContext context, DeviceMemory memory, CudaStream stream) {
    int multiprocessors = multiprocessors(context);
    long sums = GemmPlan.workspaceBytes(multiprocessors);
    long arrived = (long) counters(multiprocessors) * Integer.BYTES;
    DeviceMemory.Block workspace = memory.allocate(sums + arrived, "sums of parts of products");
    boolean complete = false;
    try {
      check(
          JCudaDriver.cuMemsetD8Async(workspace.at(sums), (byte) 0, arrived, stream.handle()),
          "clear the counters of parts of products");
      TiledGemm gemm = new TiledGemm(context, workspace);
      complete = true;
      return gemm;
    } finally {
      if (!complete) {
        workspace.close();
      }
    }
  }

  /** Kernels that compute every product in one part, and own nothing. */
  static TiledGemm undivided(CudaContext context) {
    return new TiledGemm(context, null);
  }

  private static List<Kernel> kernels(CudaModule module, ElementType type) {
    return Arrays.stream(Shape.values()).map(shape -> shape.kernel(module, type)).toList();
  }

  /**
   * The tiles that plans choose from.
   *
   * @param resident how many blocks of each a multiprocessor holds
   */
  static List<GemmPlan.Tile> tiles(List<Integer> resident) {
    PtxFile file = PtxFile.read("gemm");
    return Arrays.stream(Shape.values())
        .map(
            shape -> {
              int[] launch = file.table("gemm_%s_bf16_launch".formatted(shape.text()));
              int blocks = resident.get(shape.ordinal());
              return new GemmPlan.Tile(launch[2], launch[3], blocks, shape.slice, shape.fullSlice);
            })
        .toList();
  }

  /** How many tiles whose k is cut can be counted at once. */
  static int counters(int multiprocessors) {
    return ARRIVED_PER_MULTIPROCESSOR * multiprocessors;
  }

  private static int multiprocessors(CudaContext context) {
    return context.attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
  }

  /** Mirrors GemmParams. */
  record Parameters(
      long a,
      long w,
      long bias,
      long out,
      long ldA,
      long ldW,
      long ldOut,
      int m,
      int n,
      int k,
      boolean accumulate,
      int parts,
      long sums,
      long arrived)
      implements KernelParameters {
    @Override
    public void write(StructWriter struct) {
      struct.int64(a).int64(w).int64(bias).int64(out).int64(ldA).int64(ldW).int64(ldOut);
      struct.int32(m).int32(n).int32(k).flag(accumulate).int32(parts).int64(sums).int64(arrived);
    }
  }

  @Override
  public void product(
      CudaStream stream,
      CudaTensor a,
      CudaTensor w,
      CudaTensor bias,
      CudaTensor out,
      boolean accumulate) {
    product(stream, a, w, bias, out, accumulate, plan(out.rows(), out.cols(), a.cols()));
  }

  /** How it computes a product. */
  GemmPlan plan(long m, long n, long k) {
    return GemmPlan.of(tiles, multiprocessors, m, n, k, workspace != null);
  }

  /** The tiles that plans choose from. */
  List<GemmPlan.Tile> tiles() {
    return tiles;
  }

  /** A product by a plan. */
  void product(
      CudaStream stream,
      CudaTensor a,
      CudaTensor w,
      CudaTensor bias,
      CudaTensor out,
      boolean accumulate,
      GemmPlan plan) {
    long sums = workspace == null ? 0 : workspace.address();
    (out.type() == ElementType.FP32 ? toFloat : toBf16)
        .get(plan.tile())
        .launch(
            stream,
            tiles.get(plan.tile()).count(out.rows(), out.cols()),
            plan.parts(),
            new Parameters(
                a.address(),
                w.address(),
                bias == null ? 0 : bias.address(),
                out.address(),
                a.stride(),
                w.stride(),
                out.stride(),
                Math.toIntExact(out.rows()),
                Math.toIntExact(out.cols()),
                Math.toIntExact(a.cols()),
                accumulate,
                plan.parts(),
                sums,
                sums + GemmPlan.workspaceBytes(multiprocessors)));
  }

  @Override
  public boolean addsBias() {
    return true;
  }

  @Override
  public String name() {
    return "the own tensor-core kernel";
  }

  @Override
  public void close() {
    // The kernels belong to the context.
    if (workspace != null) {
      workspace.close();
    }
  }
}
