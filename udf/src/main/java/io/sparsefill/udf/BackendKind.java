package io.sparsefill.udf;

import io.sparsefill.kernels.Backend;
import io.sparsefill.kernels.DeviceSizes;
import io.sparsefill.kernels.cpu.CpuBackend;
import io.sparsefill.kernels.cuda.CudaBackend;
import io.sparsefill.udf.model.ModelConfig;
import java.util.Locale;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The backends that an engine can run on, and the choice among them. */
enum BackendKind {
  /** CPU threads, fp32. */
  CPU,
  /** An NVIDIA GPU, bf16. */
  CUDA;

  private static final Logger LOG = LoggerFactory.getLogger(BackendKind.class);

  /** The word of {@code --backend} that asks for it. */
  String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * Checks the word of {@code --backend}, without looking for a device: a driver need not have one.
   *
   * @throws IllegalArgumentException for an unknown word
   */
  static void check(String word) {
    switch (word) {
      case "auto", "cpu", "cuda" -> {}
      default ->
          throw new IllegalArgumentException(
              "Unknown backend '" + word + "': accepted are auto, cpu and cuda");
    }
  }

  /**
   * What {@code --backend} means on this machine for a model.
   *
   * @throws IllegalArgumentException for an unknown word, or for cuda where it cannot run
   */
  static BackendChoice choice(String word, ModelConfig config) {
    check(word);
    if (word.equals("cpu")) {
      return new BackendChoice(word, "as asked for");
    }
    Optional<String> reason = CudaBackend.unavailable(config.headDim());
    if (word.equals("cuda")) {
      if (reason.isPresent()) {
        throw new IllegalArgumentException(
            "Cannot run --backend cuda: " + reason.get() + "; use --backend cpu or auto");
      }
      return new BackendChoice(word, "as asked for");
    }
    return reason
        .map(why -> new BackendChoice("cpu", why))
        .orElseGet(() -> new BackendChoice("cuda", "there is a GPU"));
  }

  /** {@link #choice}, to open; says in the log what {@code auto} took and why. */
  static BackendKind choose(String word, ModelConfig config) {
    BackendChoice choice = choice(word, config);
    if (word.equals("auto")) {
      LOG.info("--backend auto takes {}", choice);
    }
    return choice.name().equals("cuda") ? CUDA : CPU;
  }

  /**
   * What tensors take on the device that a word of {@code --backend} names, without looking for
   * one; {@code auto} counts as a GPU.
   *
   * @param threads CPU threads of a pre-fill
   */
  static DeviceSizes sizes(String word, int threads) {
    check(word);
    return word.equals("cpu") ? CpuBackend.sizes(threads) : CudaBackend.sizesOfDevices();
  }

  /**
   * How many documents a device pre-fills at a time, whatever the engines' options. A GPU computes
   * one, on all of its multiprocessors, and has the memory for one. On the CPU each task has its
   * own threads ({@code spark.task.cpus}), which must not wait for another task's document.
   */
  int documentsAtOnce() {
    return this == CUDA ? 1 : Integer.MAX_VALUE;
  }

  /**
   * Opens a backend.
   *
   * @param ordinal which GPU of those that the process sees
   * @param threads CPU threads: all of the CPU backend's, those that prepare work for a GPU
   */
  Backend open(int ordinal, int threads) {
    return this == CUDA ? new CudaBackend(ordinal, threads) : new CpuBackend(threads);
  }
}
