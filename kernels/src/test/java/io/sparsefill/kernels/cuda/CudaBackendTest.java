package io.sparsefill.kernels.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparsefill.kernels.ArrayMatrix;
import io.sparsefill.kernels.AttentionIndex;
import io.sparsefill.kernels.AttentionShape;
import io.sparsefill.kernels.HeadPattern;
import io.sparsefill.kernels.KvDtype;
import io.sparsefill.kernels.MemoryPlan;
import io.sparsefill.kernels.OutOfDeviceMemory;
import io.sparsefill.kernels.RopeTable;
import io.sparsefill.kernels.Tensor;
import io.sparsefill.kernels.TensorContract;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** What the CUDA backend holds beyond the contracts: its memory, and its second thread. */
class CudaBackendTest {
  @BeforeAll
  static void needsDevice() {
    CudaUnderTest.assumeDevice();
  }

  @Test
  void closingGivesAllDeviceMemoryBack() {
    // The context and its kernels stay while this test holds them; what is counted is the rest.
    CudaContext context = CudaContext.acquire(0);
    try {
      useEverything();
      long before = context.freeBytes();
      for (int i = 0; i < 3; i++) {
        useEverything();
      }
      assertThat(context.freeBytes()).isEqualTo(before);
    } finally {
      context.release();
    }
  }

  private static void useEverything() {
    AttentionShape shape = new AttentionShape(1000, 4, 2, 64, 0.125f, 0);
    Random random = new Random(3);
    List<HeadPattern> patterns =
        List.of(
            new HeadPattern.VerticalSlash(40, 120),
            new HeadPattern.BlockSparse(2),
            new HeadPattern.Dense(),
            new HeadPattern.AShape(20, 70));
    CudaBackend backend = new CudaBackend(2);
    try (Tensor q = backend.upload(ArrayMatrix.random(1000, 256, 1, random), "q");
        Tensor k = backend.upload(ArrayMatrix.random(1000, 128, 1, random), "k");
        Tensor v = backend.upload(ArrayMatrix.random(1000, 128, 1, random), "v");
        Tensor large = backend.allocate(1 << 14, 1 << 14, "a large tensor");
        Tensor logits = backend.allocateFloats(10, 100, "logits");
        Tensor rope = backend.rope(new RopeTable(64, false, new double[] {1, 0.1}, 1), 1000);
        AttentionIndex index = backend.index(patterns, shape, false, 0, q, k)) {
      backend.attention(index, shape, q, k, v, q);
      backend.nll(logits, new int[10], 0, new float[10], 0);
      assertThat(TensorContract.pack(backend, q, KvDtype.BF16)).hasSize(1000 * 256 * 2);
      assertThat(backend.heldBytes()).isGreaterThan(2L << 28);
    } finally {
      backend.close();
    }
    assertThat(backend.heldBytes()).isZero();
    assertThat(backend.peakBytes()).isGreaterThan(2L << 28);
  }

  /** Oracle: the driver, asked for the device of the context that operators leave current. */
  @Test
  void theDeviceIsTheOneThatWasAskedFor() {
    int last = CudaBackend.devices() - 1;
    try (CudaBackend backend = new CudaBackend(last, 1);
        Tensor tensor = backend.upload(ArrayMatrix.of(2, 2, 3), "a test")) {
      assertThat(backend.read(tensor)).containsOnly(3f);
      assertThat(CudaBackend.currentDevice()).hasValue(last);
    }
    assertThatThrownBy(() -> new CudaBackend(last + 1, 1))
        .isInstanceOf(CudaFailure.class)
        .hasMessageContaining("CUDA device " + (last + 1));
  }

  @Test
  void aTensorOutlivesTheBackendThatMadeIt() {
    ArrayMatrix matrix = ArrayMatrix.random(70, 33, 1, new Random(1));
    CudaBackend first = new CudaBackend(1);
    Tensor tensor = first.upload(matrix, "a shared weight");
    first.close();
    try (CudaBackend second = new CudaBackend(1)) {
      assertThat(second.read(tensor)).isEqualTo(matrix.values());
    } finally {
      tensor.close();
    }
    tensor.close();
    assertThatThrownBy(() -> ((CudaTensor) tensor).address())
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("closed");
  }

  @Test
  void moreMemoryThanTheDeviceHasIsAnErrorThatNamesIt() {
    try (CudaBackend backend = new CudaBackend(1)) {
      assertThatThrownBy(() -> backend.allocate(1L << 24, 1L << 18, "hidden states"))
          .isInstanceOf(OutOfDeviceMemory.class)
          .hasMessageContaining("hidden states")
          .hasMessageContaining("8388608.0 MiB")
          .hasMessageContaining("--weights stream");
      // The device goes on.
      try (Tensor small = backend.upload(ArrayMatrix.of(2, 2, 3), "a test")) {
        assertThat(backend.read(small)).containsOnly(3f);
      }
    }
  }

  @Test
  void whatIsReservedIsOneAllocationThatDocumentsShare() {
    MemoryPlan small = new MemoryPlan(List.of(new MemoryPlan.Item("states", 64L << 20)));
    MemoryPlan large = new MemoryPlan(List.of(new MemoryPlan.Item("states", 256L << 20)));
    CudaContext context = CudaContext.acquire(0);
    CudaBackend backend = new CudaBackend(1);
    try {
      long before = context.freeBytes();
      for (MemoryPlan plan : List.of(small, large, small)) {
        long reservable = backend.reservable();
        backend.reserve(plan);
        assertThat(backend.reservable()).isBetween(reservable - (4 << 20), reservable + (4 << 20));
        long after = context.freeBytes();
        try (Tensor states = backend.allocate(1 << 10, 1 << 14, "states");
            Tensor more = backend.allocate(1 << 10, 1 << 14, "more")) {
          assertThat(context.freeBytes()).isEqualTo(after);
          assertThat(states.rows() + more.rows()).isEqualTo(1 << 11);
        }
      }
      assertThat(before - context.freeBytes()).isBetween(256L << 20, 258L << 20);
      assertThat(backend.peakReservedBytes()).isEqualTo(64L << 20);
      assertThat(backend.beyondReserved()).isZero();
      // A part of it outlives the backend, and holds all of it.
      Tensor late = backend.allocate(1, 1, "late");
      backend.close();
      assertThat(backend.heldBytes()).isEqualTo(256L << 20);
      late.close();
      assertThat(backend.heldBytes()).isZero();
    } finally {
      backend.close();
      context.release();
    }
  }

  @Test
  void whatWasReservedIsGivenBackForOthers() {
    MemoryPlan plan = new MemoryPlan(List.of(new MemoryPlan.Item("states", 64L << 20)));
    try (CudaBackend one = new CudaBackend(1);
        CudaBackend other = new CudaBackend(1)) {
      long before = one.heldBytes();
      for (int i = 0; i < 2; i++) {
        one.reserve(plan);
        one.allocate(1 << 10, 1 << 10, "states").close();
        long reservable = other.reservable();
        assertThat(one.heldBytes()).isEqualTo(before + (64L << 20));
        one.unreserve();
        assertThat(one.heldBytes()).isEqualTo(before);
        assertThat(other.reservable())
            .isBetween(reservable + (60L << 20), reservable + (68L << 20));
      }
    }
  }

  @Test
  void whatDoesNotFitIsAllocatedBeyondWhatWasReserved() {
    try (CudaBackend backend = new CudaBackend(1)) {
      backend.reserve(new MemoryPlan(List.of(new MemoryPlan.Item("states", 1 << 20))));
      try (Tensor large = backend.allocate(1 << 10, 1 << 10, "large")) {
        assertThat(large.rows()).isEqualTo(1 << 10);
        assertThat(backend.beyondReserved()).isEqualTo(2 << 20);
      }
      assertThatThrownBy(
              () ->
                  backend.reserve(
                      new MemoryPlan(List.of(new MemoryPlan.Item("hidden states", 1L << 43)))))
          .isInstanceOf(OutOfDeviceMemory.class)
          .hasMessageContaining("hidden states 8192.00 GiB");
    }
  }

  @Test
  void anotherThreadPacksWhatTheFirstHasEnqueued() throws Exception {
    // Oracle: read, which waits for all work. The pack is asked for while products still run.
    try (CudaBackend backend = new CudaBackend(1)) {
      Random random = new Random(7);
      AttentionShape shape = new AttentionShape(2048, 8, 2, 64, 0.125f, 0);
      try (Tensor a = backend.upload(ArrayMatrix.random(2048, 768, 1, random), "a");
          Tensor w = backend.upload(ArrayMatrix.random(768, 768, 0.03, random), "w");
          Tensor qkv = backend.allocate(2048, 768, "qkv");
          Tensor rope = backend.rope(new RopeTable(64, false, new double[] {1, 0.1}, 1), 2048);
          Tensor q = backend.allocate(2048, 512, "q");
          Tensor k = backend.allocate(2048, 128, "k");
          Tensor v = backend.allocate(2048, 128, "v")) {
        for (int round = 0; round < 20; round++) {
          backend.linear(a, w, null, qkv, round > 0);
          backend.splitAndRotate(qkv, shape, 0, rope, false, null, q, k, v);
          byte[] packed =
              CompletableFuture.supplyAsync(
                      () -> TensorContract.pack(backend, k.rows(5, 2000), KvDtype.FP32))
                  .get();
          float[] expected = backend.read(k.rows(5, 2000));
          float[] got = new float[expected.length];
          ByteBuffer.wrap(packed).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(got);
          assertThat(got).as("round %d", round).isEqualTo(expected);
        }
      }
    }
  }

  @Test
  void headDimensionsWithoutAKernelAreRefused() {
    AttentionShape shape = new AttentionShape(10, 1, 1, 48, 1, 0);
    List<HeadPattern> dense = Collections.nCopies(1, new HeadPattern.Dense());
    try (CudaBackend backend = new CudaBackend(1);
        Tensor q = backend.upload(ArrayMatrix.of(10, 48, 1), "q");
        AttentionIndex index = backend.index(dense, shape, false, 0, q, q)) {
      assertThatThrownBy(() -> backend.attention(index, shape, q, q, q, q))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("head_dim 48")
          .hasMessageContaining("128");
    }
  }
}
